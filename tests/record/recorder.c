/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a recorder takes, of publishers in this process that act between two of its steps: while it ends, and when
 * topics go and come again. Its clock stands still unless a test moves it; an observer's own goes on.
 */

/* The frame of the tools has one as well: it is linked under this name. */
#define frame_fail tools_frame_fail
#include "tools/recorder.h"
#include "tools/wait.h"
#include "tools/watch.h"
#undef frame_fail

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <floe/floe.h>

#include "frame/frame.h"
#include "record/reader.h"

#define PUBLISHERS 3u
/* What is borrowed together, at most. */
#define TOGETHER 32u
#define SIZE 100u
#define SECOND INT64_C(1000000000)

/*
 * For the tools
 */

static int64_t clock_ns = SECOND;

int64_t wait_now_ns(void)
{
	return clock_ns;
}

void *frame_alloc(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	expect(memory != NULL);
	return memory;
}

const char *frame_reason(int code)
{
	return strerror(-code);
}

static void print(const char *format, va_list arguments)
{
	(void)printf("# ");
	(void)vprintf(format, arguments);
	(void)printf("\n");
}

void frame_say(const struct frame *frame, const char *format, ...)
{
	va_list arguments;

	(void)frame;
	va_start(arguments, format);
	print(format, arguments);
	va_end(arguments);
}

int tools_frame_fail(const struct frame *frame, const char *format, ...)
{
	va_list arguments;

	(void)frame;
	va_start(arguments, format);
	print(format, arguments);
	va_end(arguments);
	return FRAME_FAILED;
}

/*
 * Steps
 */

static struct floe_publisher *open_publisher(const char *topic)
{
	const struct floe_publisher_options options = {
		.size = sizeof(options), .depth = 4096, .payload_max = SIZE};
	struct floe_publisher *publisher;

	expect_equal(floe_publisher_open(&publisher, topic, &options), 0);
	return publisher;
}

/* Each says which one of its publisher it is. */
static void publish(struct floe_publisher *publisher, uint64_t count, uint64_t *sent)
{
	while (count--) {
		struct floe_loan loan;

		expect_equal(floe_loan(publisher, SIZE, &loan), 1);
		memset(loan.data, 0, SIZE);
		memcpy(loan.data, &(uint64_t){++*sent}, sizeof(*sent));
		expect(floe_publish(publisher, &loan) >= 0);
	}
}

struct recording {
	struct frame frame;
	struct recorder *recorder;
	struct tape *tape;
};

static void open_recording(struct recording *ret)
{
	struct tape_plan plan = {
		.path = "recorder.mcap",
		.overwrite = true,
		.chunk_size = 1u << 20,
		.memory_max = 64u << 20,
		.is_whole = recorder_is_whole,
		.let_go = recorder_let_go,
		.lose = recorder_lose,
		.forget = recorder_forget,
		.list_losses = recorder_list_losses,
	};
	struct tape_error error;

	*ret = (struct recording){0};
	expect_equal(floe_view_open(&ret->frame.view, NULL, NULL, NULL), 0);
	ret->recorder = recorder_open(&ret->frame);
	plan.user = ret->recorder;
	expect_equal(tape_open(&ret->tape, &plan, &error), 0);
	recorder_set_tape(ret->recorder, ret->tape);
	recorder_add_topic(ret->recorder, "t", FLOE_DEPTH_MAX);
}

/* How many messages; each channel has its own from the first on. */
static uint64_t read_all(void)
{
	uint64_t last[PUBLISHERS + 1] = {0};
	struct fault fault = {0};
	struct reader reader;
	struct message message;
	uint64_t count = 0;

	expect_equal(reader_open(&reader, open("recorder.mcap", O_RDONLY | O_CLOEXEC),
				 READER_MEMORY_MAX, &fault),
		     0);
	while (reader_next(&reader, &message) == 1) {
		expect(message.channel <= PUBLISHERS);
		expect_equal(message.sequence, ++last[message.channel]);
		expect(memcmp(message.payload, &last[message.channel], sizeof(*last)) == 0);
		count++;
	}
	reader_close(&reader);
	(void)unlink("recorder.mcap");
	return count;
}

/* The file has what the recorder says. */
static void close_recording(struct recording *recording)
{
	struct recorder_counts counts;
	struct tape_counts tape;
	struct tape_error error;
	uint64_t recorded;

	expect_equal(tape_close(recording->tape, &tape, &error), 0);
	recorder_count(recording->recorder, &counts);
	recorded = recorder_recorded(recording->recorder);
	expect_equal(counts.lost, 0);
	recorder_close(recording->recorder);
	floe_view_close(recording->frame.view);
	expect_equal(read_all(), recorded);
}

/*
 * While it ends
 */

struct flood {
	struct floe_publisher *publishers[PUBLISHERS];
	uint64_t sent[PUBLISHERS];
	uint64_t recorded[PUBLISHERS];
	unsigned channels;
};

static void note_recorded(void *user, const char *topic, uint32_t publisher, uint64_t messages,
			  uint64_t lost)
{
	struct flood *flood = user;

	(void)topic;
	expect(publisher < PUBLISHERS);
	expect_equal(lost, 0);
	flood->recorded[publisher] = messages;
	flood->channels++;
}

/* True: it has ended, and between two of its steps each published as many as it takes in one. */
static bool end_in_flood(struct recording *recording, struct flood *flood, unsigned steps_max)
{
	recorder_begin_end(recording->recorder);
	for (unsigned i = 0; i < steps_max; i++) {
		int r = recorder_step(recording->recorder, UINT64_MAX);

		expect(r >= 0);
		if (r == 0 && !recorder_has_waiting(recording->recorder))
			return true;
		for (unsigned j = 0; j < PUBLISHERS; j++)
			publish(flood->publishers[j], 64, &flood->sent[j]);
	}
	return false;
}

/* The most that one of them had sent is what each of the others may have recorded by its turns. */
static void end_after(const uint64_t before[PUBLISHERS])
{
	struct recording recording;
	struct flood flood = {0};
	uint64_t most = 0;

	for (unsigned i = 0; i < PUBLISHERS; i++)
		flood.publishers[i] = open_publisher("t");
	open_recording(&recording);
	for (unsigned i = 0; i < PUBLISHERS; i++) {
		publish(flood.publishers[i], before[i], &flood.sent[i]);
		most = before[i] > most ? before[i] : most;
	}
	/* Each step takes two turns. */
	expect(end_in_flood(&recording, &flood, (unsigned)(PUBLISHERS * (most / TOGETHER + 4))));
	recorder_each(recording.recorder, note_recorded, &flood);
	expect_equal(flood.channels, PUBLISHERS);
	for (unsigned i = 0; i < PUBLISHERS; i++) {
		expect(flood.recorded[i] >= before[i]);
		expect(flood.recorded[i] <= most + TOGETHER * (PUBLISHERS + 2));
		floe_publisher_close(flood.publishers[i]);
	}
	close_recording(&recording);
}

static void who_publishes_without_a_pause_holds_up_no_end(void)
{
	end_after((const uint64_t[PUBLISHERS]){200, 200, 200});
}

/* Whichever of them has its turn first. */
static void what_was_sent_before_the_end_is_recorded_of_who_sent_more(void)
{
	end_after((const uint64_t[PUBLISHERS]){1000, 5, 100});
	end_after((const uint64_t[PUBLISHERS]){5, 1000, 1});
	end_after((const uint64_t[PUBLISHERS]){1, 33, 1000});
}

/* It had been looked for a moment ago. */
static void a_topic_is_looked_for_once_more_at_the_end(void)
{
	struct recording recording;
	struct floe_publisher *publisher;
	uint64_t sent = 0;

	open_recording(&recording);
	expect_equal(recorder_step(recording.recorder, UINT64_MAX), 0);
	publisher = open_publisher("t");
	publish(publisher, 3, &sent);
	expect_equal(recorder_step(recording.recorder, UINT64_MAX), 0);
	recorder_begin_end(recording.recorder);
	expect_equal(recorder_step(recording.recorder, UINT64_MAX), 3);
	floe_publisher_close(publisher);
	close_recording(&recording);
}

/*
 * The watch
 */

static struct frame watching;

static void begin_watch(struct watch *ret)
{
	expect_equal(floe_view_open(&watching.view, NULL, NULL, NULL), 0);
	watch_init(ret, &watching, "t", 0);
}

static void end_watch(struct watch *watch)
{
	watch_end(watch);
	floe_view_close(watching.view);
}

/* The next ones of a topic's only publisher, from that sequence on; an observer looks for a new topic every 50 ms.
 * Then there is none. */
static void expect_seen(struct watch *watch, uint64_t first, uint64_t count)
{
	struct floe_sample samples[TOGETHER];

	for (uint64_t seen = 0; seen < count;) {
		int r = watch_borrow(watch, samples, TOGETHER);

		expect(r >= 0);
		for (int i = 0; i < r; i++)
			expect_equal(samples[i].sequence, first + seen++);
		if (r == 0)
			usleep(1000);
	}
	expect_equal(watch_borrow(watch, samples, TOGETHER), 0);
}

static void a_topic_that_comes_later_is_seen_from_its_first_message(void)
{
	struct floe_publisher *publisher;
	struct watch watch;
	uint64_t sent = 0;

	begin_watch(&watch);
	for (int i = 0; i < 3; i++) {
		expect_seen(&watch, 0, 0);
		expect(watch.observer == NULL);
		publisher = open_publisher("t");
		sent = 0;
		publish(publisher, 3, &sent);
		/* Not yet. */
		expect_seen(&watch, 0, 0);
		clock_ns += SECOND;
		expect_seen(&watch, 1, 3);
		publish(publisher, 2, &sent);
		floe_publisher_close(publisher);
		expect_seen(&watch, 4, 2);
		clock_ns += SECOND;
	}
	end_watch(&watch);
}

/* Although it was there when one began to look, and history was not asked for. */
static void so_is_one_that_is_made_again_between_two_looks(void)
{
	struct floe_publisher *publisher = open_publisher("t");
	struct watch watch;
	uint64_t sent = 0;

	begin_watch(&watch);
	publish(publisher, 2, &sent);
	expect_seen(&watch, 0, 0);
	publish(publisher, 1, &sent);
	expect_seen(&watch, 3, 1);
	floe_publisher_close(publisher);
	expect_seen(&watch, 0, 0);
	publisher = open_publisher("t");
	sent = 0;
	publish(publisher, 3, &sent);
	clock_ns += SECOND;
	expect_seen(&watch, 1, 3);
	floe_publisher_close(publisher);
	end_watch(&watch);
}

/* By the observer that has the rings of those before it, and which nobody opens anew: then what was seen would be seen
 * again. */
static void a_topic_that_is_made_again_is_followed_while_its_rings_are_kept(void)
{
	struct floe_publisher *publisher = open_publisher("t");
	const struct floe_observer *observer;
	struct watch watch;
	uint64_t sent = 0;

	begin_watch(&watch);
	expect_seen(&watch, 0, 0);
	observer = watch.observer;
	publish(publisher, 1, &sent);
	expect_seen(&watch, 1, 1);
	watch.is_kept = true;
	for (int i = 0; i < 3; i++) {
		floe_publisher_close(publisher);
		expect_seen(&watch, 0, 0);
		expect(watch.has_gone);
		expect(watch.observer == observer);
		publisher = open_publisher("t");
		sent = 0;
		publish(publisher, 3, &sent);
		expect_seen(&watch, 1, 3);
		expect(watch.observer == observer);
	}
	watch.is_kept = false;
	expect_seen(&watch, 0, 0);
	publish(publisher, 2, &sent);
	expect_seen(&watch, 4, 2);
	expect(watch.observer == observer);
	/* Nothing is kept any more: it goes with its topic. */
	floe_publisher_close(publisher);
	expect_seen(&watch, 0, 0);
	expect(watch.observer == NULL);
	end_watch(&watch);
}

/* The topic is still gone. */
static void who_has_gone_is_let_go_of_when_nothing_is_kept_any_more(void)
{
	struct floe_publisher *publisher = open_publisher("t");
	struct watch watch;
	uint64_t sent = 0;

	begin_watch(&watch);
	expect_seen(&watch, 0, 0);
	publish(publisher, 1, &sent);
	expect_seen(&watch, 1, 1);
	watch.is_kept = true;
	floe_publisher_close(publisher);
	expect_seen(&watch, 0, 0);
	expect(watch.observer != NULL);
	watch.is_kept = false;
	clock_ns += SECOND;
	expect_seen(&watch, 0, 0);
	expect(watch.observer == NULL);
	publisher = open_publisher("t");
	sent = 0;
	publish(publisher, 3, &sent);
	clock_ns += SECOND;
	expect_seen(&watch, 1, 3);
	floe_publisher_close(publisher);
	end_watch(&watch);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(who_publishes_without_a_pause_holds_up_no_end),
		TEST(what_was_sent_before_the_end_is_recorded_of_who_sent_more),
		TEST(a_topic_is_looked_for_once_more_at_the_end),
		TEST(a_topic_that_comes_later_is_seen_from_its_first_message),
		TEST(so_is_one_that_is_made_again_between_two_looks),
		TEST(a_topic_that_is_made_again_is_followed_while_its_rings_are_kept),
		TEST(who_has_gone_is_let_go_of_when_nothing_is_kept_any_more),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
