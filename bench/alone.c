/* SPDX-License-Identifier: Apache-2.0 */
#include "alone.h"

#include <stdint.h>

#include "clock.h"

#define ADDITIONS 500u /* of each of eight */
#define BEGIN_NS (250 * NS_PER_MS)

/* The fastest look is one without a neighbour; a little slower is the clock's own noise. */
#define SLOWER_MAX 1.15

/* If a neighbour was there all the time, the fastest look was none of those. Processors with two
 * threads a core have four adders since Haswell and Zen; with a neighbour 2.4 were left. */
#if defined(__x86_64__)
#define EACH_CYCLE_MIN 3.0
#else
#define EACH_CYCLE_MIN 0.0
#endif

static int64_t fastest_ns = INT64_MAX;
static int64_t in_turn_ns = INT64_MAX; /* as many additions as in a look, each after the other */
static uint64_t batches, batches_alone;

static int64_t time_additions(void)
{
	uint64_t a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
	int64_t start_ns = now_ns();

	for (unsigned i = 0; i < ADDITIONS; i++) {
		a++, b++, c++, d++, e++, f++, g++, h++;
		__asm__ volatile(""
				 : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g),
				   "+r"(h));
	}
	return now_ns() - start_ns;
}

static int64_t time_additions_in_turn(void)
{
	uint64_t a = 0;
	int64_t start_ns = now_ns();

	for (unsigned i = 0; i < ADDITIONS; i++) {
/* A loop of single additions takes one cycle or more for each, as it happens to lie. */
#pragma GCC unroll 8
		for (unsigned j = 0; j < 8; j++) {
			a++;
			__asm__ volatile("" : "+r"(a));
		}
	}
	return now_ns() - start_ns;
}

void alone_begin(void)
{
	int64_t end_ns = now_ns() + BEGIN_NS;

	while (now_ns() < end_ns) {
		int64_t time_ns = time_additions_in_turn();

		if (time_ns < in_turn_ns)
			in_turn_ns = time_ns;
		(void)alone_look();
	}
}

bool alone_look(void)
{
	int64_t time_ns = time_additions();

	if (time_ns < fastest_ns)
		fastest_ns = time_ns;
	return (double)time_ns <= SLOWER_MAX * (double)fastest_ns &&
	       (double)time_ns * EACH_CYCLE_MIN <= (double)in_turn_ns;
}

void alone_count(bool alone)
{
	batches++;
	if (alone)
		batches_alone++;
}

double alone_share(void)
{
	return batches ? (double)batches_alone / (double)batches : -1.0;
}
