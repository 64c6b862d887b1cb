/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An observer that is behind fetches what it will read next; one that is not leaves those lines to their
 * publisher, which writes them next. What is fetched cannot be seen, so the instructions are counted.
 */

#include <floe/inspect.h>

#include "counted.h"
#include "steps.h"

#define MESSAGES 32 /* that one is behind */
#define FEW MESSAGES
#define CHUNK 1000

struct watching {
	struct floe_publisher *pub;
	struct floe_view *view;
	struct floe_observer *observer;
	const struct work *work;
};

struct work {
	char topic[8]; /* of its own, for its process is killed */
	bool behind;
	uint64_t before; /* messages of the publisher before this one */
};

static struct floe_publisher *send_to(const struct work *work)
{
	return publisher(work->topic, PUBLISHER(.depth = 2 * MESSAGES, .payload_max = CHUNK));
}

static void borrow(struct watching *w)
{
	struct floe_sample sample;

	expect_equal(floe_observer_borrow(w->observer, &sample), 1);
	expect_equal(sample.size, CHUNK);
}

static void send(struct watching *w)
{
	struct floe_loan loan;

	expect_equal(floe_loan(w->pub, CHUNK, &loan), 1);
	expect_equal(floe_publish(w->pub, &loan), 1);
}

/* Publisher 0 is another one afterwards, with a ring of its own. */
static void be_replaced(struct watching *w)
{
	struct floe_sample sample;

	for (uint64_t i = 0; i < w->work->before; i++) {
		send(w);
		borrow(w);
	}
	floe_publisher_close(w->pub);
	w->pub = send_to(w->work);
	expect_equal(floe_observer_borrow(w->observer, &sample), 0);
}

static void *watch(const void *argument)
{
	static struct watching w;

	w.work = argument;
	w.pub = send_to(w.work);
	/* So that the topic stays when that one leaves, and its ring does not. */
	(void)send_to(w.work);
	expect_equal(floe_view_open(&w.view, NULL, NULL, NULL), 0);
	expect_equal(floe_observer_open(&w.observer, w.view, w.work->topic, NULL), 0);
	if (w.work->before)
		be_replaced(&w);
	return &w;
}

static void look_on(void *state)
{
	struct watching *w = state;

	for (int i = 0; i < MESSAGES; i++) {
		send(w);
		if (!w->work->behind)
			borrow(w);
	}
	for (int i = 0; i < MESSAGES; i++)
		if (w->work->behind)
			borrow(w);
}

static uint64_t count(bool behind, uint64_t before)
{
	static const struct counted_work counted = {watch, look_on};
	static unsigned number;
	struct work work = {.behind = behind, .before = before};
	uint64_t steps;

	(void)snprintf(work.topic, sizeof(work.topic), "t%u", number++);
	steps = counted_steps(&counted, &work);
	printf("# %s, after %llu: %llu instructions\n", behind ? "behind" : "not",
	       (unsigned long long)before, (unsigned long long)steps);
	(void)fflush(stdout);
	return steps;
}

static void who_is_behind_fetches_ahead_and_nobody_else(void)
{
	uint64_t with_it = count(false, 0), behind = count(true, 0);

	expect(with_it + FEW < behind);
	/* How far the publisher before had got says nothing of this one. */
	expect(count(false, 1000) < with_it + FEW);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(who_is_behind_fetches_ahead_and_nobody_else),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
