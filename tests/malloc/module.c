/* SPDX-License-Identifier: Apache-2.0 */
/* A library that comes and goes. What it allocates when it is loaded it frees when it is unloaded; its
 * variables of a thread are memory that the dynamic linker allocates. */
#include <stdlib.h>
#include <string.h>

__attribute__((visibility("default"))) char *module_remember(const char *text);

static char *kept;
static __thread char of_thread[5000];

__attribute__((constructor)) static void come(void)
{
	kept = malloc(10000);
	if (kept)
		memset(kept, 'k', 10000);
}

__attribute__((destructor)) static void go(void)
{
	free(kept);
}

/* A copy that outlives the library. */
char *module_remember(const char *text)
{
	(void)strncpy(of_thread, text, sizeof(of_thread) - 1);
	return kept && kept[9999] == 'k' ? strdup(of_thread) : NULL;
}
