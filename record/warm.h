/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_WARM_H
#define RECORD_WARM_H

/*
 * Warm: a thread that reads a file into the page cache, ahead of who reads it in earnest and must not
 * wait for the disk. It does not matter how far it comes. Calls by one thread at a time.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct warm {
	int fd;
	bool is_there;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t asked;
	uint64_t at; /* what it reads next */
	uint64_t end;
	bool is_ending;
};

/* `fd` stays the caller's, until warm_end. Without memory or a thread nothing is read ahead. */
void warm_begin(struct warm *warm, int fd);

/* From here on, so much. What of it was asked for before is not read again. */
void warm_ask(struct warm *warm, uint64_t offset, uint64_t size);

/* Zeroed is fine. */
void warm_end(struct warm *warm);

#endif
