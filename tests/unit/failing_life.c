/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The public calls while system calls fail. Each story is told again and again, and each time one
 * more call is let through before one fails, or all from there on do, until a telling meets no
 * failure. Every public call must then work, or say why not and leave its outputs alone; with the
 * real system again everybody who is there exchanges messages, everything closes, nothing is left,
 * and newcomers find the topic as if nothing had been.
 */
#include "unit/failing_cast.h"

#include <ftw.h>

struct story {
	const char *title;
	void (*tell)(void);
};

static const struct story *story;
static int64_t mapped_before; /* what belongs to the process, not to a handle */

/*
 * Telling a story
 */

/* nftw(3) passes no argument to its callback. */
static long long left_count;

static int count_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	if (place->level > 0) {
		left_count++;
		(void)fprintf(stderr, "left: %s\n", path);
	}
	return 0;
}

static void expect_nothing_left(bool newcomers_left)
{
	expect_so(failing_os.descriptors == 0, "descriptors are left", failing_os.descriptors);
	expect_so(failing_os.mapped == mapped_before, "mappings are left",
		  failing_os.mapped - mapped_before);
	/* Where everything fails, undoing does, too. */
	if (failed_in_close || tried.stays)
		clean();
	left_count = 0;
	/* Who was told that nothing is there has removed nothing; the next users do. */
	if (tried.code == -ENOENT && !newcomers_left)
		return;
	expect_equal(nftw(getenv("FLOE_DIR"), count_one, 16, FTW_PHYS), 0);
	expect_so(left_count == 0, "files are left", left_count);
}

static void expect_newcomers_to_talk(void)
{
	open_writer(0, &small);
	open_reader(0, &(struct floe_subscriber_options){0});
	expect_so(say(0), "a fresh writer is dumb", 0);
	hear(0);
	expect_so(cast.reader[0].last[0] == number, "a fresh reader is deaf", 0);
	close_all();
	expect_nothing_left(true);
}

/* False: nothing failed, the story is through. */
static bool tell(struct failing_plan plan)
{
	bool failed;

	tried = plan;
	failed_in_close = false;
	failing_os_plan(plan);
	story->tell();
	failed = failing_os.failed > 0;
	let_all_through();
	expect_all_to_talk();
	close_all();
	expect_nothing_left(false);
	failed_in_close = false;
	expect_newcomers_to_talk();
	return failed;
}

/* The same, but the failures are in the closing. */
static bool tell_end(struct failing_plan plan)
{
	bool failed;

	tried = plan;
	failed_in_close = false;
	let_all_through();
	story->tell();
	failing_os_plan(plan);
	close_all();
	failed = failing_os.failed > 0;
	let_all_through();
	expect_nothing_left(false);
	failed_in_close = false;
	expect_newcomers_to_talk();
	return failed;
}

/* Every call fails once in one way, and some of them in each of the others. */
static void tell_all(const struct story *told, bool (*how)(struct failing_plan plan))
{
	static const struct {
		int code;
		uint64_t step;
		bool stays;
	} ways[] = {
		{-EMFILE, 1, false},  {-ENOSPC, 7, true},   {-ENOMEM, 11, false},
		{-EINTR, 11, false},  {-EMFILE, 11, true},  {-EPERM, 13, true},
		{-EACCES, 13, false}, {-ENOENT, 13, false}, {-EINTR, 17, true},
		{-ENOENT, 17, true},
	};

	story = told;
	title = told->title;
	clean(); /* the table of handles is mapped once and for ever, and so are the omens' pages */
	let_all_through();
	open_writer(0, &small);
	close_all();
	mapped_before = failing_os.mapped;
	for (size_t i = 0; i < FLOE_COUNT(ways); i++)
		for (uint64_t at = 1 + i % ways[i].step;; at += ways[i].step)
			if (!how((struct failing_plan){
				    .at = at, .code = ways[i].code, .stays = ways[i].stays}))
				break;
}

#define STORY(function) (&(struct story){#function, function})

static void tell_with_failures(const struct story *told)
{
	failing_os_begin();
	tell_all(told, tell);
	tell_all(told, tell_end);
	writers_go_first = true;
	tell_all(told, tell_end);
	failing_os_end();
}

/*
 * The stories
 */

static void a_writer_alone(void)
{
	open_writer(0, &small);
	(void)say(0);
}

static void a_publisher_opens(void)
{
	tell_with_failures(STORY(a_writer_alone));
}

static void a_reader_alone(void)
{
	open_reader(0, &(struct floe_subscriber_options){.type = &type});
	hear(0);
}

static void a_subscriber_opens(void)
{
	tell_with_failures(STORY(a_reader_alone));
}

static void two_writers_two_readers(void)
{
	open_writer(0, &small);
	open_reader(0, &(struct floe_subscriber_options){.type = &type});
	talk();
	open_writer(1, &small);
	open_reader(1, &(struct floe_subscriber_options){.history = 2});
	talk();
	close_reader(0);
	talk();
}

static void messages_are_exchanged(void)
{
	tell_with_failures(STORY(two_writers_two_readers));
}

static void a_writer_comes_back(void)
{
	open_writer(0, &small);
	open_reader(0, &(struct floe_subscriber_options){0});
	talk();
	close_writer(0);
	open_writer(0, &small);
	talk();
}

static void a_closed_ring_is_adopted(void)
{
	tell_with_failures(STORY(a_writer_comes_back));
}

static void a_writer_with_a_block(void)
{
	static _Alignas(FLOE_CACHELINE) unsigned char block[65536];
	struct floe_publisher_options o = small;

	o.memory = block;
	o.memory_size = sizeof(block);
	open_reader(0, &(struct floe_subscriber_options){0});
	open_writer(0, &o);
	talk();
	close_writer(0);
	open_writer(0, &o);
	talk();
}

static void a_callers_block_is_used(void)
{
	tell_with_failures(STORY(a_writer_with_a_block));
}

static void a_writer_with_pools(void)
{
	static const struct floe_pool pools[] = {{64, 4}, {WORDS * sizeof(uint64_t), 8}};
	struct floe_publisher_options o = small;

	o.pools = pools;
	o.pools_count = FLOE_COUNT(pools);
	open_writer(0, &o);
	open_reader(0, &(struct floe_subscriber_options){.holds_max = 16});
	for (int i = 0; i < 16; i++) {
		(void)say(0);
		(void)hear_one(&cast.reader[0]);
	}
}

static void fixed_pools_run_out(void)
{
	tell_with_failures(STORY(a_writer_with_pools));
}

static void readers_that_hold_much(void)
{
	open_writer(0, &small);
	for (size_t i = 0; i < READERS; i++) {
		open_reader(i, &(struct floe_subscriber_options){.holds_max = 10 + i});
		for (int j = 0; j < 10; j++) {
			(void)say(0);
			for (size_t k = 0; k <= i; k++)
				if (cast.reader[k].held_count < 10)
					(void)hear_one(&cast.reader[k]);
		}
	}
}

static void a_pool_grows(void)
{
	tell_with_failures(STORY(readers_that_hold_much));
}

static int wait_for_message(size_t i, int64_t deadline_ns)
{
	int r = cast.reader[i].sub ? judge(floe_wait(cast.reader[i].sub, deadline_ns), "floe_wait")
				   : 0;

	expect_so(r <= 1, "floe_wait", r);
	return r;
}

static void a_reader_that_waits(void)
{
	open_reader(0, &(struct floe_subscriber_options){0});
	(void)wait_for_message(0, 0);
	open_writer(0, &small);
	(void)wait_for_message(0, os->now_ns() + SHORT_NS);
	if (say(0) && failing_os.failed == 0)
		expect_so(wait_for_message(0, -1) == 1, "what was sent is not there", 0);
	hear(0);
	(void)wait_for_message(0, 1);
	(void)wait_for_message(0, os->now_ns() + SHORT_NS);
}

static void a_subscriber_waits(void)
{
	tell_with_failures(STORY(a_reader_that_waits));
}

static int wait_for_reader(size_t i)
{
	int r = cast.writer[i] ? judge(floe_publisher_wait(cast.writer[i], os->now_ns() + SHORT_NS),
				       "floe_publisher_wait")
			       : 0;

	expect_so(r <= 1, "floe_publisher_wait", r);
	return r;
}

static void a_reader_that_misses_nothing(void)
{
	struct reader *reader = &cast.reader[0];

	open_writer(0, &small);
	open_reader(0, &(struct floe_subscriber_options){.policy = FLOE_POLICY_RELIABLE});
	for (int i = 0; i < 6; i++)
		(void)say(0);
	(void)wait_for_reader(0);
	(void)hear_one(reader);
	if (wait_for_reader(0) == 1)
		(void)say(0);
	while (hear_one(reader)) {
		uint64_t lost = reader->held[0].lost;

		expect_so(lost == 0 || is_final(tried.code), "a reliable reader has lost",
			  (long long)lost);
		forget(reader);
	}
}

static void a_reliable_subscriber_blocks(void)
{
	tell_with_failures(STORY(a_reader_that_misses_nothing));
}

static void look_at_all(struct floe_view *view)
{
	struct floe_node_info node[2];
	struct floe_topic_info topic[2];
	struct floe_publisher_info publisher[4];
	struct floe_subscriber_info subscriber[4];
	char schema[64];

	expect_so(judge(floe_view_nodes(view, node, sizeof(node[0]), 2), "floe_view_nodes") <= 1,
		  "nodes", 0);
	expect_so(judge(floe_view_topics(view, topic, sizeof(topic[0]), 2), "floe_view_topics") <=
			  1,
		  "topics", 0);
	(void)judge(floe_view_publishers(view, TOPIC, publisher, sizeof(publisher[0]), 4),
		    "floe_view_publishers");
	(void)judge(floe_view_subscribers(view, TOPIC, subscriber, sizeof(subscriber[0]), 4),
		    "floe_view_subscribers");
	(void)judge((int)floe_view_schema(view, TOPIC, schema, sizeof(schema)), "floe_view_schema");
	expect_so(judge(floe_view_clean(view, 1, NULL, NULL), "floe_view_clean") <= 0,
		  "the living are taken for dead", 0);
	(void)judge(floe_view_clean(view, 0, NULL, NULL), "floe_view_clean");
}

static void observe(void)
{
	struct floe_sample sample;

	if (judge(floe_observer_open(&cast.observer, cast.view, TOPIC, NULL),
		  "floe_observer_open") < 0)
		cast.observer = NULL;
	(void)say(0);
	for (int i = 0; i < 3 && cast.observer; i++)
		(void)judge(floe_observer_next(cast.observer, i == 0, &sample),
			    "floe_observer_next");
}

static void somebody_looks_on(void)
{
	open_writer(0, &small);
	open_reader(0, &(struct floe_subscriber_options){0});
	talk();
	if (judge(floe_view_open(&cast.view, NULL, NULL, NULL), "floe_view_open") < 0)
		return;
	look_at_all(cast.view);
	observe();
	talk();
}

static void views_and_observers_look(void)
{
	tell_with_failures(STORY(somebody_looks_on));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_publisher_opens),
		TEST(a_subscriber_opens),
		TEST(messages_are_exchanged),
		TEST(a_closed_ring_is_adopted),
		TEST(a_callers_block_is_used),
		TEST(fixed_pools_run_out),
		TEST(a_pool_grows),
		TEST(a_subscriber_waits),
		TEST(a_reliable_subscriber_blocks),
		TEST(views_and_observers_look),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
