/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_LOCK_H
#define ALLOC_LOCK_H

/*
 * Lock: four bytes in private memory; who waits for long sleeps on them.
 *
 *	0 free    1 held    2 held, and somebody may sleep
 *
 * Not pthread_mutex_t: that is ten times the size, and a heap in 4 KiB has one lock for each size
 * class. Between threads of one process only. After fork() the child sets those that another
 * thread held to LOCK_FREE (fork.c takes all of them before, so that nothing is half done).
 */

#include <stdbool.h>

#include "base/shared.h"

struct lock {
	shared_u32 word;
};

#define LOCK_FREE 0
#define LOCK_HELD 1
#define LOCK_AWAITED 2

void lock_wait(struct lock *lock);
void lock_wake(struct lock *lock);

floe_inline bool lock_try(struct lock *lock)
{
	uint32_t expected = LOCK_FREE;

	/* Pairs with the exchange in lock_give. */
	return atomic_compare_exchange_strong_explicit(&lock->word, &expected, LOCK_HELD,
						       memory_order_acquire, memory_order_relaxed);
}

floe_inline void lock_take(struct lock *lock)
{
	if (floe_unlikely(!lock_try(lock)))
		lock_wait(lock);
}

floe_inline void lock_give(struct lock *lock)
{
	/* Pairs with lock_try and lock_wait: what was written under the lock is seen by who takes
	 * it next. */
	uint32_t before = atomic_exchange_explicit(&lock->word, LOCK_FREE, memory_order_release);

	if (floe_unlikely(before == LOCK_AWAITED))
		lock_wake(lock);
}

#endif
