/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

/*
 * Time, and how to pass a little of it.
 */

#include <stdint.h>
#include <time.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_SECOND INT64_C(1000000000)

static inline int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

/* What one now_ns() costs, the least of many: measurements that read the clock for each single
 * event subtract it. */
static inline int64_t clock_cost_ns(void)
{
	int64_t least = NS_PER_SECOND;

	for (int i = 0; i < 100; i++) {
		int64_t start = now_ns();

		for (int j = 0; j < 100; j++)
			now_ns();
		int64_t each = (now_ns() - start) / 101;
		least = each < least ? each : least;
	}
	return least;
}

/* Between two looks at a word that the other process is about to change. */
static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#else
	__asm__ volatile("" ::: "memory");
#endif
}

#endif
