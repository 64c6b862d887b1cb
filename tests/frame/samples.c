/* SPDX-License-Identifier: Apache-2.0 */
/* What tests can do to the frame; tests/frame/check looks how it takes it. */

#include "frame/frame.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

static void passes(void)
{
	expect(1 + 1 == 2);
	expect_equal(1 + 1, 2);
}

static void prints_to_standard_output(void)
{
	printf("not ok 1 - this is not a result\n");
}

static void fails_a_condition(void)
{
	expect(getpid() == 0);
}

static void fails_a_comparison(void)
{
	int seven = 7;

	expect_equal(seven, 8);
}

static void crashes(void)
{
	raise(SIGKILL);
}

static void leaks_a_descriptor(void)
{
	expect(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}

static void leaks_a_mapping(void)
{
	void *memory = mmap(NULL, 1, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	expect(memory != MAP_FAILED);
}

static void gives_back(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	void *memory = mmap(NULL, 1, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	expect(fd >= 0);
	expect(memory != MAP_FAILED);
	expect(close(fd) == 0);
	expect(munmap(memory, 1) == 0);
}

static void skips(void)
{
	skip("the moon is not full");
}

static void hangs(void)
{
	(void)fprintf(stderr, "folder %s\n", getenv("FLOE_DIR"));
	for (;;)
		pause();
}

/* A folder with something in it, and a process that nobody waits for. */
static void leaves_things(void)
{
	char path[256];
	pid_t child;

	(void)snprintf(path, sizeof(path), "%s/deep", getenv("FLOE_DIR"));
	expect(mkdir(path, 0700) == 0);
	child = fork();
	expect(child >= 0);
	if (child == 0)
		for (;;)
			pause();
	(void)fprintf(stderr, "folder %s\nprocess %d\n", getenv("FLOE_DIR"), (int)child);
}

static void has_an_empty_domain(void)
{
	expect(rmdir(getenv("FLOE_DIR")) == 0);
	expect(mkdir(getenv("FLOE_DIR"), 0700) == 0);
	expect(getenv("FLOE_DOMAIN"));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(passes),
		TEST(prints_to_standard_output),
		TEST(fails_a_condition),
		TEST(fails_a_comparison),
		TEST(crashes),
		TEST(leaks_a_descriptor),
		TEST(leaks_a_mapping),
		TEST(gives_back),
		TEST(skips),
		TEST(hangs),
		TEST(leaves_things),
		TEST(has_an_empty_domain),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
