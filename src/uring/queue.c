/* SPDX-License-Identifier: Apache-2.0 */
#include "uring/queue.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "os/os.h"

/* Debian 12's headers are of 6.1. NO_SQARRAY came with 6.6, FUTEX_WAIT with 6.7. */
#define SETUP_NO_SQARRAY (1u << 16)
#define OP_FUTEX_WAIT 51
#define FUTEX_SIZE_U32 2
#define FUTEX_ANY 0xffffffffu

#define SETUP_FLAGS \
	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | \
	 SETUP_NO_SQARRAY)

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static int map(void **ret, const struct queue *queue, size_t size, uint64_t offset)
{
	int r = os->map(ret, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, queue->fd,
			offset);

	/* A child would only drive its parent's ring. */
	if (r == 0)
		(void)os->advise(*ret, size, MADV_DONTFORK);
	return r;
}

static int attach(struct queue *queue, const struct io_uring_params *p)
{
	size_t size = p->cq_off.cqes + (size_t)p->cq_entries * sizeof(struct io_uring_cqe);
	void *sqes;
	char *base;
	int r = map(&queue->rings, queue, size, IORING_OFF_SQ_RING);

	if (r < 0)
		return r;
	queue->rings_size = size;
	r = map(&sqes, queue, QUEUE_ENTRIES * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	if (r < 0)
		return r;
	queue->sqes = sqes;
	base = queue->rings;
	queue->flags = (const uint32_t *)(void *)(base + p->sq_off.flags);
	queue->sq_tail = (uint32_t *)(void *)(base + p->sq_off.tail);
	queue->cq_head = (uint32_t *)(void *)(base + p->cq_off.head);
	queue->cq_tail = (const uint32_t *)(void *)(base + p->cq_off.tail);
	queue->cq_mask = p->cq_entries - 1;
	queue->cqes = (struct io_uring_cqe *)(void *)(base + p->cq_off.cqes);
	return 0;
}

/* Waiting for another value than a word has must be refused, and not for being unknown. */
static int check_wait(struct queue *queue)
{
	static const uint32_t word = 1;
	uint64_t tag;
	int32_t result = 0;
	int r;

	queue_prep_wait(queue, &word, 0, 0);
	r = queue_enter(queue);
	if (r < 0)
		return r;
	if (queue_reap(queue, &tag, &result) != 1)
		return -EOPNOTSUPP;
	return result == -EAGAIN ? 0 : -EOPNOTSUPP;
}

int queue_open(struct queue *ret_queue, int event)
{
	struct io_uring_params p = {.flags = SETUP_FLAGS};
	struct queue queue = QUEUE_NULL;
	int r;

	queue.fd = os->ring_setup(QUEUE_ENTRIES, &p);
	if (queue.fd < 0)
		return queue.fd;
	r = attach(&queue, &p);
	if (r == 0)
		r = check_wait(&queue);
	if (r == 0)
		r = os->ring_register(queue.fd, IORING_REGISTER_EVENTFD, &event, 1);
	if (r < 0) {
		queue_close(&queue);
		return r;
	}
	*ret_queue = queue;
	return 0;
}

void queue_close(struct queue *queue)
{
	if (queue->sqes)
		(void)os->unmap(queue->sqes, QUEUE_ENTRIES * sizeof(struct io_uring_sqe));
	if (queue->rings)
		(void)os->unmap(queue->rings, queue->rings_size);
	os_close_fdp(&queue->fd);
	*queue = QUEUE_NULL;
}

/* The next entry, cleared; it counts from the store of the tail in prepare. */
static struct io_uring_sqe *next_entry(struct queue *queue)
{
	struct io_uring_sqe *sqe = &queue->sqes[*queue->sq_tail % QUEUE_ENTRIES];

	floe_assert(queue->prepared < QUEUE_ENTRIES);
	memset(sqe, 0, sizeof(*sqe));
	return sqe;
}

static void prepare(struct queue *queue, struct io_uring_sqe *sqe, uint64_t tag)
{
	sqe->user_data = tag;
	store(queue->sq_tail, *queue->sq_tail + 1);
	queue->prepared++;
}

void queue_prep_wait(struct queue *queue, const uint32_t *word, uint32_t expected, uint64_t tag)
{
	struct io_uring_sqe *sqe = next_entry(queue);

	sqe->opcode = OP_FUTEX_WAIT;
	sqe->fd = FUTEX_SIZE_U32; /* its flags; not private, for others wake it */
	sqe->addr = (uintptr_t)word;
	sqe->off = expected;
	sqe->addr3 = FUTEX_ANY;
	prepare(queue, sqe, tag);
}

void queue_prep_timer(struct queue *queue, int64_t at_ns, uint64_t tag)
{
	struct io_uring_sqe *sqe = next_entry(queue);

	queue->at = (struct __kernel_timespec){at_ns / 1000000000, at_ns % 1000000000};
	sqe->opcode = IORING_OP_TIMEOUT;
	sqe->addr = (uintptr_t)&queue->at;
	sqe->len = 1;
	sqe->timeout_flags = IORING_TIMEOUT_ABS;
	prepare(queue, sqe, tag);
}

int queue_cancel(struct queue *queue)
{
	struct io_uring_sync_cancel_reg all = {
		.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
		.timeout = {.tv_sec = -1, .tv_nsec = -1},
	};
	int r = os->ring_register(queue->fd, IORING_REGISTER_SYNC_CANCEL, &all, 1);

	return r == -ENOENT || r > 0 ? 0 : r;
}

int queue_enter(struct queue *queue)
{
	int r = os->ring_enter(queue->fd, queue->prepared, 0, IORING_ENTER_GETEVENTS);
	unsigned left = queue->prepared - (r < 0 ? 0 : (unsigned)r);

	store(queue->sq_tail, *queue->sq_tail - left);
	queue->prepared = 0;
	if (r < 0)
		return r;
	return left ? -EAGAIN : 0;
}

bool queue_has_news(const struct queue *queue)
{
	/* The kernel sets the flag before it raises the event. */
	return load(queue->flags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW) ||
	       load(queue->cq_tail) != *queue->cq_head;
}

int queue_reap(struct queue *queue, uint64_t *ret_tag, int32_t *ret_result)
{
	uint32_t head = *queue->cq_head;
	const struct io_uring_cqe *cqe = &queue->cqes[head & queue->cq_mask];

	if (load(queue->cq_tail) == head)
		return 0;
	*ret_tag = cqe->user_data;
	*ret_result = cqe->res;
	store(queue->cq_head, head + 1);
	return 1;
}
