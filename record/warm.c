/* SPDX-License-Identifier: Apache-2.0 */
#include "warm.h"

#include <fcntl.h>

/* The kernel is asked for so much at once, and reads on when the thread is not running. */
#define PIECE (UINT64_C(1) << 20)

static void *run(void *user)
{
	struct warm *warm = user;

	(void)pthread_mutex_lock(&warm->lock);
	while (!warm->is_ending) {
		uint64_t at = warm->at;

		if (at >= warm->end) {
			(void)pthread_cond_wait(&warm->asked, &warm->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&warm->lock);
		(void)posix_fadvise(warm->fd, (off_t)at, (off_t)PIECE, POSIX_FADV_WILLNEED);
		(void)pthread_mutex_lock(&warm->lock);
		if (warm->at == at)
			warm->at = at + PIECE;
	}
	(void)pthread_mutex_unlock(&warm->lock);
	return NULL;
}

void warm_begin(struct warm *warm, int fd)
{
	*warm = (struct warm){.fd = fd};
	(void)pthread_mutex_init(&warm->lock, NULL);
	(void)pthread_cond_init(&warm->asked, NULL);
	warm->is_there = pthread_create(&warm->thread, NULL, run, warm) == 0;
}

void warm_ask(struct warm *warm, uint64_t offset, uint64_t size)
{
	if (!warm->is_there)
		return;
	(void)pthread_mutex_lock(&warm->lock);
	/* It is already on its way, or was left behind. */
	if (warm->at < offset || warm->at > offset + size)
		warm->at = offset;
	warm->end = offset + size;
	(void)pthread_cond_signal(&warm->asked);
	(void)pthread_mutex_unlock(&warm->lock);
}

void warm_end(struct warm *warm)
{
	if (!warm->is_there)
		return;
	(void)pthread_mutex_lock(&warm->lock);
	warm->is_ending = true;
	(void)pthread_cond_signal(&warm->asked);
	(void)pthread_mutex_unlock(&warm->lock);
	(void)pthread_join(warm->thread, NULL);
	(void)pthread_mutex_destroy(&warm->lock);
	(void)pthread_cond_destroy(&warm->asked);
	*warm = (struct warm){0};
}
