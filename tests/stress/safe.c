/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Several threads send by one publisher and take by one subscriber, FLOE_THREAD_SAFE; some wait, some
 * give what they took to another thread to release, and some discard. Every message that was sent is
 * taken once and whole, by whomever. ThreadSanitizer sees the publisher's memory because it is a block
 * of this process.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "api/folder.h"
#include "api/steps.h"
#include "stress/message.h"

#define SENDERS 3
#define TAKERS 3
#define MESSAGES 1500 /* of each sender */

static struct floe_publisher *pub;
static struct floe_subscriber *sub;

struct sender {
	uint64_t number;
	uint64_t seed;
};

struct taker {
	bool seen[SENDERS * MESSAGES + 1]; /* by sequence */
	bool sent[SENDERS][MESSAGES + 1];  /* by writer and number */
	uint64_t ended;
};

static struct taker takers[TAKERS];

/* All of them together have seen the last of each sender. */
static _Atomic uint64_t ended;

static void lend(size_t size, struct floe_loan *loan)
{
	int r;

	while ((r = floe_loan(pub, size, loan)) == 0 || r == -ENOBUFS)
		(void)sched_yield();
	expect_equal(r, 1);
}

static void send(struct sender *s, uint64_t i)
{
	struct message message = {.writer = s->number, .number = i, .is_last = i == MESSAGES};
	size_t size = message_size(&s->seed);
	struct floe_loan loan;
	int r;

	lend(size, &loan);
	message_write(loan.data, size, &message);
	while ((r = floe_publish(pub, &loan)) == 0)
		expect(floe_publisher_wait(pub, now_ns() + 20000000) >= 0);
	expect_equal(r, 1);
}

static void *send_all(void *user)
{
	struct sender *s = user;
	struct floe_loan loan;

	for (uint64_t i = 1; i <= MESSAGES; i++) {
		send(s, i);
		if (i % 7)
			continue;
		lend(8, &loan);
		floe_discard(pub, &loan);
	}
	return NULL;
}

static void note(struct taker *t, const struct floe_sample *sample)
{
	struct message message = message_read(sample->data, sample->size);

	expect(sample->sequence <= SENDERS * MESSAGES && !t->seen[sample->sequence]);
	t->seen[sample->sequence] = true;
	expect(message.writer < SENDERS && message.number <= MESSAGES);
	expect(!t->sent[message.writer][message.number]);
	t->sent[message.writer][message.number] = true;
	expect_equal(sample->lost, 0);
	ended += message.is_last;
}

/* What one thread holds longest is released by the next that comes by. */
static void leave_to_others(struct floe_sample *sample)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct floe_sample left;
	struct floe_sample before;

	expect_equal(pthread_mutex_lock(&lock), 0);
	before = left;
	left = *sample;
	expect_equal(pthread_mutex_unlock(&lock), 0);
	if (before.data)
		(void)message_read(before.data, before.size);
	floe_release(sub, &before);
}

static void *take_all(void *user)
{
	struct taker *t = user;
	struct floe_sample sample;

	for (uint64_t round = 0; ended < SENDERS; round++) {
		int r = floe_take(sub, &sample);

		if (r == 0) {
			expect(floe_wait(sub, now_ns() + 20000000) >= 0);
			continue;
		}
		expect_equal(r, 1);
		note(t, &sample);
		if (round % 5 == 0)
			leave_to_others(&sample);
		else
			floe_release(sub, &sample);
	}
	return NULL;
}

static void expect_each_once(void)
{
	for (uint64_t i = 1; i <= SENDERS * MESSAGES; i++) {
		int times = 0;

		for (unsigned t = 0; t < TAKERS; t++)
			times += takers[t].seen[i];
		expect_equal(times, 1);
	}
	for (unsigned s = 0; s < SENDERS; s++)
		for (uint64_t i = 1; i <= MESSAGES; i++) {
			int times = 0;

			for (unsigned t = 0; t < TAKERS; t++)
				times += takers[t].sent[s][i];
			expect_equal(times, 1);
		}
}

static void play(void)
{
	struct sender senders[SENDERS];
	pthread_t sending[SENDERS], taking[TAKERS];

	for (unsigned i = 0; i < TAKERS; i++)
		expect_equal(pthread_create(&taking[i], NULL, take_all, &takers[i]), 0);
	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){i, i + 1};
		expect_equal(pthread_create(&sending[i], NULL, send_all, &senders[i]), 0);
	}
	for (unsigned i = 0; i < SENDERS; i++)
		expect_equal(pthread_join(sending[i], NULL), 0);
	for (unsigned i = 0; i < TAKERS; i++)
		expect_equal(pthread_join(taking[i], NULL), 0);
	expect_each_once();
	expect_equal(publisher_counts(pub).published, SENDERS * MESSAGES);
	expect_equal(publisher_counts(pub).loans, 0);
	expect_equal(subscriber_counts(sub).received, SENDERS * MESSAGES);
}

static void every_message_is_sent_and_taken_once(void)
{
	struct floe_publisher_options options = *PUBLISHER(.depth = 3,
							   .payload_max = MESSAGE_SIZE_MAX,
							   .loans_max = 2, .holds_max = TAKERS + 1,
							   .flags = FLOE_THREAD_SAFE);
	size_t size = (size_t)floe_publisher_memory_size(&options);
	void *block = NULL;

	expect_equal(posix_memalign(&block, 64, size), 0);
	options.memory = block;
	options.memory_size = size;
	sub = subscriber("safe", SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE, .holds_max = TAKERS + 1,
					    .flags = FLOE_THREAD_SAFE));
	pub = publisher("safe", &options);
	play();
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_folder_empty();
	free(block);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(every_message_is_sent_and_taken_once),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
