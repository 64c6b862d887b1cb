/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Plays the kept inputs of a target once more, without a fuzzer: replay DIR. Prints TAP, one line for
 * each input; a crash ends it.
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t read_input(const char *dir, const char *name, uint8_t *ret, size_t size)
{
	char path[512];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "re");
	if (!file) {
		perror(path);
		exit(1);
	}
	size = fread(ret, 1, size, file);
	(void)fclose(file);
	return size;
}

int main(int argc, char **argv)
{
	static uint8_t input[65536];
	struct dirent **names;
	int count = argc == 2 ? scandir(argv[1], &names, NULL, alphasort) : -1;
	int number = 0;

	if (count < 0) {
		(void)fprintf(stderr, "usage: replay DIR\n");
		return 2;
	}
	for (int i = 0; i < count; i++) {
		if (names[i]->d_name[0] != '.') {
			(void)LLVMFuzzerTestOneInput(
				input, read_input(argv[1], names[i]->d_name, input, sizeof(input)));
			printf("ok %d - %s\n", ++number, names[i]->d_name);
			(void)fflush(stdout);
		}
		free(names[i]);
	}
	free(names);
	printf("1..%d\n", number);
	return number == 0;
}
