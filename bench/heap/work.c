/* SPDX-License-Identifier: Apache-2.0 */
/* Usage: heap-work NAME. Does one of the works and ends. */
#include "work.h"

#include <stdio.h>
#include <string.h>

static const struct work works[] = {
	{"hot", run_hot},         {"tree", run_tree},   {"random", run_random},
	{"phases", run_phases},   {"grow", run_grow},   {"large", run_large},
	{"random2", run_random2}, {"pass", run_pass},   {"batches", run_batches},
	{"server", run_server},   {"churn", run_churn}, {"scratch", run_scratch},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
		if (argc == 2 && !strcmp(argv[1], works[i].name)) {
			works[i].run();
			return 0;
		}
	(void)fprintf(stderr, "heap-work: give the name of a work\n");
	return 100;
}
