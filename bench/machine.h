/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

/*
 * What the figures depend on: the machine, the two cores, and what disturbed us meanwhile.
 */

#include <stdbool.h>
#include <stdint.h>

struct machine {
	char cpu[96];
	char kernel[96];
	char governor[32];
	bool is_virtual;
	int cores[2];      /* the second is -1 when there is only one */
	char relation[96]; /* of the two cores, in words */
	double load;       /* of the last minute, before we began */
};

/* wanted: two cores, or NULL: two of those we may run on, of different physical cores if there
 * are. */
void machine_look(struct machine *machine, const int *wanted);

struct disturbance {
	uint64_t stolen_ms; /* of all processors, by the host of this virtual machine */
	uint64_t preempted; /* how often the kernel took a core from us */
	int64_t time_ns;
};

void disturbance_look(struct disturbance *d);

/* What came since `before`. */
struct disturbance disturbance_since(const struct disturbance *before);

#endif
