/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A port that was opened with FLOE_THREAD_SAFE does all that others do, keeps nobody out while one of
 * its threads waits or is asked, and is the parent's alone after fork. That it loses nothing among
 * many threads is shown by tests/stress/safe.c.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "asleep.h"
#include "folder.h"
#include "peer.h"
#include "steps.h"

#define CHUNK 1000
#define SOON (now_ns() + 60000000000)

static struct floe_publisher *pub;
static struct floe_subscriber *sub;

static void begin(uint32_t policy)
{
	pub = publisher("safe", PUBLISHER(.depth = 2, .loans_max = 2, .lanes_max = 1,
					  .flags = FLOE_THREAD_SAFE));
	sub = subscriber("safe", SUBSCRIBER(.policy = policy, .flags = FLOE_THREAD_SAFE));
}

static void end(void)
{
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_folder_empty();
}

static void *start(pthread_t *thread, void *(*life)(void *), void *user)
{
	expect_equal(pthread_create(thread, NULL, life, user), 0);
	return user;
}

static void join(pthread_t thread)
{
	expect_equal(pthread_join(thread, NULL), 0);
}

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int asked, answered;
} question = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};

static void count_up(int *count)
{
	expect_equal(pthread_mutex_lock(&question.lock), 0);
	++*count;
	expect_equal(pthread_cond_broadcast(&question.changed), 0);
	expect_equal(pthread_mutex_unlock(&question.lock), 0);
}

static void wait_for(const int *count, int least)
{
	expect_equal(pthread_mutex_lock(&question.lock), 0);
	while (*count < least)
		expect_equal(pthread_cond_wait(&question.changed, &question.lock), 0);
	expect_equal(pthread_mutex_unlock(&question.lock), 0);
}

/* A thread that is about to wait, and returns when it does. */
static pid_t waiting[2];

static void tell_who_waits(void *number)
{
	*(pid_t *)number = gettid();
	count_up(&question.asked);
}

static void start_waiting(pthread_t *thread, void *(*life)(void *))
{
	for (int i = 0; i < 2; i++)
		start(&thread[i], life, &waiting[i]);
	wait_for(&question.asked, 2);
	until_asleep(waiting[0]);
	until_asleep(waiting[1]);
}

/*
 * Each call
 */

static void every_call_of_a_publisher_works(void)
{
	struct floe_loan_info info[2];
	struct floe_loan loan[3];

	begin(FLOE_POLICY_KEEP_LAST);
	expect_equal(floe_publisher_wait_for_subscribers(pub, 1, SOON), 1);
	expect_equal(floe_publisher_wait_for_subscribers(pub, 300, SOON), -EINVAL);
	expect_equal(floe_publisher_wait(pub, SOON), 1);
	expect_equal(floe_loan(pub, CHUNK, &loan[0]), 1);
	expect_equal(floe_loan(pub, 0, &loan[1]), -EINVAL);
	expect_equal(floe_loan(pub, 8, NULL), -EINVAL);
	expect_equal(floe_loan_traced(pub, 8, &loan[1], "here", 7), 1);
	expect_equal(floe_loan(pub, 8, &loan[2]), -ENOBUFS);
	expect_equal(floe_publisher_loans(pub, info, sizeof(info[0]), 2), 2);
	expect_equal(info[1].line, 7);
	expect_equal(floe_publisher_limit_loans(pub, 1), -EBUSY);
	expect_equal(floe_publish_all(pub, loan, 2), 2);
	expect_equal(floe_publisher_limit_loans(pub, 1), 0);
	expect_equal(floe_loan(pub, 8, &loan[0]), 1);
	floe_discard(pub, &loan[0]);
	expect(!loan[0].data);
	expect_equal(floe_publish(pub, &loan[0]), -EINVAL);
	expect_equal(floe_publish(pub, NULL), -EINVAL);
	floe_discard(pub, NULL);
	expect_equal(publisher_counts(pub).published, 2);
	expect_equal(floe_publisher_count(pub, NULL, 8), -EINVAL);
	end();
}

static void call_a_subscriber(uint32_t policy)
{
	struct floe_shared_sample *shared;
	struct floe_sample sample[2];

	begin(policy);
	expect_nothing(sub);
	expect_equal(floe_wait(sub, now_ns()), 0);
	publish(pub, CHUNK, 1);
	publish(pub, 8, 2);
	expect_equal(floe_wait(sub, SOON), 1);
	expect_equal(floe_take(sub, NULL), -EINVAL);
	expect_equal(floe_take_all(sub, sample, 2), 2);
	expect(is_filled(sample[0].data, CHUNK, 1) && is_filled(sample[1].data, 8, 2));
	expect_equal(floe_sample_publisher(sub, &sample[0]), 0);
	expect_equal(floe_sample_share(sub, &sample[0], &shared), 0);
	expect_equal(floe_republish(pub, sub, &sample[1]), -EINVAL);
	floe_release(sub, &sample[1]);
	floe_release(sub, NULL);
	expect_equal(subscriber_counts(sub).held, 1);
	expect_equal(floe_shared_sample_unref(shared), 1);
	expect_equal(subscriber_counts(sub).held, 0);
	expect_equal(subscriber_counts(sub).received, 2);
	publish(pub, CHUNK, 3);
	receive(sub, CHUNK, 3);
	end();
}

static void every_call_of_a_subscriber_works(void)
{
	call_a_subscriber(FLOE_POLICY_KEEP_LAST);
	call_a_subscriber(FLOE_POLICY_DROP_NEWEST);
}

static void its_descriptor_works(void)
{
	struct pollfd readable = {.events = POLLIN};

	begin(FLOE_POLICY_KEEP_LAST);
	readable.fd = floe_subscriber_fd(sub);
	expect(readable.fd >= 0);
	for (uint64_t i = 0; i < 100; i++) {
		publish(pub, i % 2 ? 8 : CHUNK, i);
		expect_equal(poll(&readable, 1, 60000), 1);
		receive(sub, i % 2 ? 8 : CHUNK, i);
		expect_nothing(sub);
	}
	end();
}

static void closed_ones_are_refused(void)
{
	struct floe_publisher_counts p;
	struct floe_subscriber_counts s;
	struct floe_publisher *closed_pub;
	struct floe_subscriber *closed_sub;
	struct floe_sample sample;
	struct floe_loan loan;

	begin(FLOE_POLICY_KEEP_LAST);
	closed_pub = pub;
	closed_sub = sub;
	end();
	expect_equal(floe_loan(closed_pub, 8, &loan), -EINVAL);
	expect_equal(floe_publisher_count(closed_pub, &p, sizeof(p)), -EINVAL);
	expect_equal(floe_take(closed_sub, &sample), -EINVAL);
	expect_equal(floe_subscriber_count(closed_sub, &s, sizeof(s)), -EINVAL);
	floe_publisher_close(closed_pub);
	floe_subscriber_close(closed_sub);
}

static void it_adopts_and_is_adopted_as_any_other(void)
{
	begin(FLOE_POLICY_KEEP_LAST);
	for (int i = 1; i <= 4; i++) {
		publish(pub, CHUNK, (uint64_t)i);
		expect_equal(receive(sub, CHUNK, (uint64_t)i), i);
		floe_publisher_close(pub);
		pub = publisher("safe", PUBLISHER(.depth = 2, .loans_max = 2, .lanes_max = 1,
						  .flags = i % 2 ? 0 : FLOE_THREAD_SAFE));
	}
	end();
}

/*
 * Nobody is kept out
 */

static void *wait_for_a_message(void *user)
{
	tell_who_waits(user);
	expect_equal(floe_wait(sub, -1), 1);
	return user;
}

static void who_waits_for_a_message_keeps_nobody_out(void)
{
	pthread_t thread[2];
	struct floe_sample held;

	begin(FLOE_POLICY_KEEP_LAST);
	publish(pub, CHUNK, 1);
	held = take(sub, CHUNK, 1);
	start_waiting(thread, wait_for_a_message);
	for (int i = 0; i < 1000; i++)
		expect_nothing(sub);
	floe_release(sub, &held);
	expect_equal(subscriber_counts(sub).held, 0);
	publish(pub, CHUNK, 2);
	join(thread[0]);
	join(thread[1]);
	receive(sub, CHUNK, 2);
	end();
}

static void *wait_until_it_may_send(void *user)
{
	tell_who_waits(user);
	expect_equal(floe_publisher_wait(pub, -1), 1);
	return user;
}

static void who_waits_for_a_subscriber_keeps_nobody_out(void)
{
	struct floe_loan loan;
	pthread_t thread[2];

	begin(FLOE_POLICY_RELIABLE);
	publish(pub, CHUNK, 1);
	publish(pub, CHUNK, 2);
	start_waiting(thread, wait_until_it_may_send);
	for (int i = 0; i < 1000; i++) {
		expect_equal(floe_loan(pub, CHUNK, &loan), 1);
		expect_equal(floe_publish(pub, &loan), 0);
		floe_discard(pub, &loan);
	}
	receive(sub, CHUNK, 1);
	join(thread[0]);
	join(thread[1]);
	end();
}

static void *wait_for_two_subscribers(void *user)
{
	tell_who_waits(user);
	expect_equal(floe_publisher_wait_for_subscribers(pub, 2, -1), 1);
	return user;
}

static void who_waits_for_an_audience_keeps_nobody_out(void)
{
	struct floe_subscriber *other;
	pthread_t thread[2];

	begin(FLOE_POLICY_KEEP_LAST);
	start_waiting(thread, wait_for_two_subscribers);
	for (uint64_t i = 1; i <= 500; i++) {
		publish(pub, 8, i);
		receive(sub, 8, i);
	}
	other = subscriber("safe", NULL);
	join(thread[0]);
	join(thread[1]);
	floe_subscriber_close(other);
	end();
}

/*
 * Questions to the program
 */

static int ask_and_wait(void *user)
{
	expect(user == &question);
	count_up(&question.asked);
	wait_for(&question.answered, 1);
	expect_equal(floe_publisher_wait(pub, SOON), 1);
	return FLOE_AGAIN;
}

static void *send_what_blocks(void *user)
{
	publish(pub, CHUNK, 3);
	return user;
}

static void who_is_asked_may_use_it_and_keeps_nobody_out(void)
{
	struct floe_loan loan;
	pthread_t thread;

	pub = publisher("safe", PUBLISHER(.depth = 2, .loans_max = 2, .flags = FLOE_THREAD_SAFE,
					  .would_block = ask_and_wait, .user = &question));
	sub = subscriber("safe", SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE));
	publish(pub, CHUNK, 1);
	publish(pub, CHUNK, 2);
	start(&thread, send_what_blocks, NULL);
	wait_for(&question.asked, 1);
	/* In the middle of its call. */
	expect_equal(publisher_counts(pub).loans, 1);
	expect_equal(floe_loan(pub, 8, &loan), 1);
	floe_discard(pub, &loan);
	receive(sub, CHUNK, 1);
	count_up(&question.answered);
	join(thread);
	receive(sub, CHUNK, 2);
	receive(sub, CHUNK, 3);
	end();
}

static int noticed;

static void look_at_loans(void *user, const char *sentence)
{
	struct floe_loan_info info[2];

	expect(user == &noticed);
	expect(strstr(sentence, "all 2 loans"));
	expect_equal(floe_publisher_loans(pub, info, sizeof(info[0]), 2), 2);
	noticed++;
}

static void who_is_told_may_look(void)
{
	struct floe_loan loan[3];

	pub = publisher("safe", PUBLISHER(.loans_max = 2, .flags = FLOE_THREAD_SAFE,
					  .notice = look_at_loans, .notice_user = &noticed));
	expect_equal(floe_loan(pub, CHUNK, &loan[0]), 1);
	expect_equal(floe_loan(pub, CHUNK, &loan[1]), 1);
	expect_equal(floe_loan(pub, CHUNK, &loan[2]), -ENOBUFS);
	expect_equal(noticed, 1);
	floe_publisher_close(pub);
}

/* Another thread may be writing to it. */
static void a_loan_that_blocks_is_not_taken_back(void)
{
	struct floe_loan loan[3];

	begin(FLOE_POLICY_RELIABLE);
	publish(pub, CHUNK, 1);
	publish(pub, CHUNK, 2);
	expect_equal(floe_loan(pub, CHUNK, &loan[0]), 1);
	expect_equal(floe_loan(pub, CHUNK, &loan[1]), 1);
	fill(loan[0].data, CHUNK, 3);
	expect_equal(floe_publish(pub, &loan[0]), 0);
	expect_equal(floe_loan(pub, CHUNK, &loan[2]), -ENOBUFS);
	receive(sub, CHUNK, 1);
	expect_equal(floe_publish(pub, &loan[0]), 1);
	floe_discard(pub, &loan[1]);
	receive(sub, CHUNK, 2);
	receive(sub, CHUNK, 3);
	end();
}

/*
 * Processes
 */

static void use_what_is_the_parents(int wire, void *argument)
{
	struct floe_publisher_counts p;
	struct floe_subscriber_counts s;
	struct floe_sample sample;
	struct floe_loan loan;

	(void)wire;
	(void)argument;
	expect_equal(floe_loan(pub, 8, &loan), -EINVAL);
	expect_equal(floe_loan_traced(pub, 8, &loan, NULL, 0), -EINVAL);
	expect_equal(floe_publisher_wait(pub, -1), -EINVAL);
	expect_equal(floe_publisher_count(pub, &p, sizeof(p)), -EINVAL);
	expect_equal(floe_take(sub, &sample), -EINVAL);
	expect_equal(floe_wait(sub, -1), -EINVAL);
	expect_equal(floe_subscriber_fd(sub), -EINVAL);
	expect_equal(floe_subscriber_count(sub, &s, sizeof(s)), -EINVAL);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void a_child_after_fork_is_refused(void)
{
	struct peer peer;

	begin(FLOE_POLICY_KEEP_LAST);
	publish(pub, CHUNK, 1);
	peer = peer_start(use_what_is_the_parents, NULL);
	peer_end(&peer);
	receive(sub, CHUNK, 1);
	end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(every_call_of_a_publisher_works),
		TEST(every_call_of_a_subscriber_works),
		TEST(its_descriptor_works),
		TEST(closed_ones_are_refused),
		TEST(it_adopts_and_is_adopted_as_any_other),
		TEST(who_waits_for_a_message_keeps_nobody_out),
		TEST(who_waits_for_a_subscriber_keeps_nobody_out),
		TEST(who_waits_for_an_audience_keeps_nobody_out),
		TEST(who_is_asked_may_use_it_and_keeps_nobody_out),
		TEST(who_is_told_may_look),
		TEST(a_loan_that_blocks_is_not_taken_back),
		TEST(a_child_after_fork_is_refused),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
