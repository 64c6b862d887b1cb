/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/lock.h"

#include "os/os.h"

/* Sections under these locks are short: most waits end within this many looks. */
#define LOOKS 100

static bool look(struct lock *lock)
{
	for (int i = 0; i < LOOKS; i++) {
		if (load_relaxed(&lock->word) == LOCK_FREE && lock_try(lock))
			return true;
		relax();
	}
	return false;
}

/* Who slept takes it as awaited, for it does not know whether others sleep too. */
void lock_wait(struct lock *lock)
{
	struct os_wait wait = {
		.word = (const uint32_t *)(const void *)&lock->word,
		.expected = LOCK_AWAITED,
	};

	if (look(lock))
		return;
	/* Pairs with the exchange in lock_give. */
	while (atomic_exchange_explicit(&lock->word, LOCK_AWAITED, memory_order_acquire) !=
	       LOCK_FREE)
		(void)os->wait_any(&wait, 1, -1);
}

void lock_wake(struct lock *lock)
{
	(void)os->wake((const uint32_t *)(const void *)&lock->word, 1);
}
