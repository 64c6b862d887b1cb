/* SPDX-License-Identifier: Apache-2.0 */
#ifndef URING_QUEUE_H
#define URING_QUEUE_H

/*
 * Queue: an io_uring that waits on futex words and raises an event when one is woken. By bare
 * system calls, in memory of the kernel's; rings in memory of the application are uring/memory.h.
 *
 * It belongs to the thread that opened it: the kernel hands completions to that one alone
 * (DEFER_TASKRUN), so nobody is interrupted, and raises the event at once, whoever has it.
 */

#include <linux/time_types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct io_uring_cqe;
struct io_uring_sqe;

/* At most this many can be prepared between two calls of queue_enter. */
#define QUEUE_ENTRIES 128

struct queue {
	int fd;
	void *rings;
	size_t rings_size;
	struct io_uring_sqe *sqes;
	const uint32_t *flags; /* of the submission side: is work waiting for queue_enter? */
	uint32_t *sq_tail;
	uint32_t *cq_head;
	const uint32_t *cq_tail;
	uint32_t cq_mask;
	struct io_uring_cqe *cqes;
	unsigned prepared;
	struct __kernel_timespec
		at; /* of the timer that was prepared last, until it is submitted */
};

#define QUEUE_NULL ((struct queue){.fd = -1})

/* event: raised whenever something is completed. -EPERM, -ENOSYS, -EINVAL, -EOPNOTSUPP: forbidden,
 * or this kernel cannot do it (before Linux 6.7); -ENOMEM, -EMFILE and the like. */
int queue_open(struct queue *ret_queue, int event);

/* Also of another thread's. What it waits for is waited for no more. QUEUE_NULL is fine. */
void queue_close(struct queue *queue);

/* Waits until the word is woken, or is not what was expected. The word is read by the kernel when
 * it is submitted; it may be read-only memory, which others have mapped as well. */
void queue_prep_wait(struct queue *queue, const uint32_t *word, uint32_t expected, uint64_t tag);

/* Completes at that time (CLOCK_MONOTONIC); at most one between two calls of queue_enter. */
void queue_prep_timer(struct queue *queue, int64_t at_ns, uint64_t tag);

/* Ends all waits. */
int queue_cancel(struct queue *queue);

/* Submits what was prepared and makes what was completed visible; does not block. On failure what
 * was not submitted is dropped. -EEXIST: this is another thread's queue. */
int queue_enter(struct queue *queue);

/* Has something been completed, seen or not? */
bool queue_has_news(const struct queue *queue);

/* The next completion that is visible: 1, or 0 */
int queue_reap(struct queue *queue, uint64_t *ret_tag, int32_t *ret_result);

#endif
