/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One thread takes and shares, others look at what is shared, pass it on and give it back, and a
 * publisher writes its few chunks again as soon as they are free. Every sample is looked at by as
 * many as should, whole each time. ThreadSanitizer sees the publisher's memory because it is a block
 * of this process.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "api/folder.h"
#include "api/steps.h"
#include "stress/message.h"

#define MESSAGES 600
#define READERS 3
#define HOLDS 5
#define ROOM 64

/* A queue of references, one for each reader. */
struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct floe_shared_sample *at[ROOM];
	unsigned first, count;
	/* What its reader did. Not counted by all in one place: that would order what they do, and
	 * only the library is to do that. */
	uint64_t looked, last_owner;
};

static struct queue queues[READERS];

static void put(struct queue *q, struct floe_shared_sample *shared)
{
	expect_equal(pthread_mutex_lock(&q->lock), 0);
	expect(q->count < ROOM);
	q->at[(q->first + q->count++) % ROOM] = shared;
	expect_equal(pthread_cond_signal(&q->changed), 0);
	expect_equal(pthread_mutex_unlock(&q->lock), 0);
}

static struct floe_shared_sample *get(struct queue *q)
{
	struct floe_shared_sample *shared;

	expect_equal(pthread_mutex_lock(&q->lock), 0);
	while (!q->count)
		expect_equal(pthread_cond_wait(&q->changed, &q->lock), 0);
	shared = q->at[q->first++ % ROOM];
	q->count--;
	expect_equal(pthread_mutex_unlock(&q->lock), 0);
	return shared;
}

/* Was it the last owner? */
static uint64_t give_back(struct floe_shared_sample *shared)
{
	int r = floe_shared_sample_unref(shared);

	expect(r == 0 || r == 1);
	return (uint64_t)r;
}

/* NULL ends it. */
static void *read_shared(void *user)
{
	struct queue *q = user;
	struct floe_shared_sample *shared;

	while ((shared = get(q))) {
		const struct floe_sample *sample = floe_shared_sample_get(shared);

		expect(sample);
		(void)message_read(sample->data, sample->size);
		q->looked++;
		q->last_owner += give_back(shared);
	}
	return NULL;
}

static void *publish_all(void *user)
{
	struct floe_publisher *pub = user;
	uint64_t seed = random_seed();

	for (uint64_t i = 1; i <= MESSAGES; i++) {
		struct message message = {.number = i, .is_last = i == MESSAGES};
		size_t size = message_size(&seed);
		struct floe_loan loan;
		int r;

		while ((r = floe_loan(pub, size, &loan)) == 0)
			(void)sched_yield();
		expect_equal(r, 1);
		message_write(loan.data, size, &message);
		while ((r = floe_publish(pub, &loan)) == 0)
			(void)floe_publisher_wait(pub, now_ns() + 1000000);
		expect_equal(r, 1);
	}
	return NULL;
}

/* To each reader a reference of its own; the thread that took gives back its own first or last. */
static uint64_t spread(struct floe_shared_sample *shared, bool first)
{
	uint64_t last_owner = 0;

	for (unsigned i = 0; i < READERS; i++)
		expect(floe_shared_sample_ref(shared) == shared);
	if (first)
		last_owner = give_back(shared);
	for (unsigned i = 0; i < READERS; i++)
		put(&queues[i], shared);
	if (!first)
		last_owner = give_back(shared);
	return last_owner;
}

/* How often this thread was the last owner. */
static uint64_t take_all(struct floe_subscriber *sub)
{
	struct account account = {0};
	uint64_t last_owner = 0;

	while (!account.last.is_last) {
		struct floe_shared_sample *shared;
		struct floe_sample sample;
		int r = floe_take(sub, &sample);

		if (r == 0 || r == -ENOBUFS) {
			(void)sched_yield();
			continue;
		}
		expect_equal(r, 1);
		account_add(&account, &sample);
		expect_equal(floe_sample_share(sub, &sample, &shared), 0);
		last_owner += spread(shared, account.received % 2);
	}
	expect_equal(account.received, MESSAGES);
	return last_owner;
}

static void start_readers(pthread_t *thread)
{
	for (unsigned i = 0; i < READERS; i++) {
		expect_equal(pthread_mutex_init(&queues[i].lock, NULL), 0);
		expect_equal(pthread_cond_init(&queues[i].changed, NULL), 0);
		expect_equal(pthread_create(&thread[i], NULL, read_shared, &queues[i]), 0);
	}
}

static void end_readers(const pthread_t *thread)
{
	for (unsigned i = 0; i < READERS; i++)
		put(&queues[i], NULL);
	for (unsigned i = 0; i < READERS; i++)
		expect_equal(pthread_join(thread[i], NULL), 0);
}

/* `early`: the subscriber is closed while samples of it are still read. */
static void play(bool early)
{
	struct floe_publisher_options options = *PUBLISHER(.depth = 2,
							   .payload_max = MESSAGE_SIZE_MAX,
							   .holds_max = HOLDS);
	size_t size = (size_t)floe_publisher_memory_size(&options);
	struct floe_subscriber *sub = subscriber(
		"share", SUBSCRIBER(.holds_max = HOLDS, .policy = FLOE_POLICY_RELIABLE));
	pthread_t publishing, reading[READERS];
	struct floe_publisher *pub;
	uint64_t last_owners;
	void *block = NULL;

	expect_equal(posix_memalign(&block, 64, size), 0);
	options.memory = block;
	options.memory_size = size;
	pub = publisher("share", &options);
	start_readers(reading);
	expect_equal(pthread_create(&publishing, NULL, publish_all, pub), 0);
	last_owners = take_all(sub);
	expect_equal(pthread_join(publishing, NULL), 0);
	if (early)
		floe_subscriber_close(sub);
	end_readers(reading);
	for (unsigned i = 0; i < READERS; i++) {
		expect_equal(queues[i].looked, MESSAGES);
		last_owners += queues[i].last_owner;
	}
	expect_equal(last_owners, MESSAGES);
	if (!early) {
		expect_equal(subscriber_counts(sub).held, 0);
		floe_subscriber_close(sub);
	}
	floe_publisher_close(pub);
	expect_folder_empty();
	free(block);
}

static void every_sample_is_read_whole_by_all_and_given_back_once(void)
{
	play(false);
}

static void also_while_its_subscriber_is_closed(void)
{
	play(true);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(every_sample_is_read_whole_by_all_and_given_back_once),
		TEST(also_while_its_subscriber_is_closed),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
