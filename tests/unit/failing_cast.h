/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_FAILING_CAST_H
#define UNIT_FAILING_CAST_H

/*
 * A cast of publishers and subscribers of one topic, for tests in which system calls fail: what
 * each public call says is judged, and that it leaves its outputs alone when it fails. Who could
 * not be opened stays away; all others go on.
 *
 * The messages are numbered and say who wrote them, so that none can be mixed up or come twice.
 */

#include <errno.h>
#include <floe/inspect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame/frame.h"
#include "unit/failing_os.h"

#define TOPIC "life"
#define WRITERS 2
#define READERS 3
#define WORDS 500 /* of a message: too long for a slot */
#define HOLDS_MAX 40
#define SHORT_NS 100000

struct reader {
	struct floe_subscriber *sub;
	uint64_t last[WRITERS]; /* number of the last message heard of each */
	struct floe_sample held[HOLDS_MAX];
	size_t held_count;
};

static struct {
	struct floe_publisher *writer[WRITERS];
	bool fixed[WRITERS]; /* its memory cannot grow */
	struct reader reader[READERS];
	struct floe_view *view;
	struct floe_observer *observer;
} cast;

/* What is being tried, for the one who reads why it failed. */
static const char *title;
static struct failing_plan tried;
static uint64_t number;      /* of the last message, all writers */
static bool failed_in_close; /* then the one who cleans finds something */
static bool writers_go_first;
static struct floe_publisher *const no_publisher = (void *)&cast;
static struct floe_subscriber *const no_subscriber = (void *)&cast;

static inline void expect_so(bool so, const char *what, long long value)
{
	if (so)
		return;
	(void)fprintf(stderr, "'%s', %s call %llu fails with %s: %s (%lld)\n", title,
		      tried.stays ? "from" : "only", (unsigned long long)tried.at,
		      strerrorname_np(-tried.code), what, value);
	frame_fail(__FILE__, __LINE__, what);
}

/* An answer about the thing itself, not about the moment: who gets it need not ask again. */
static inline bool is_final(int code)
{
	return code == -ENOENT || code == -EACCES || code == -EPERM;
}

/* What failed is passed up; or it is one of what the header names. */
static inline bool may_say(int r)
{
	static const int documented[] = {-ENOMEM, -ENOSPC, -EACCES, -EPROTO,
					 -EMFILE, -EBUSY,  -ENOENT, -ESTALE};

	for (size_t i = 0; i < FLOE_COUNT(documented); i++)
		if (r == documented[i])
			return true;
	return r == tried.code;
}

static inline int judge(int r, const char *call)
{
	if (r < 0) {
		expect_so(failing_os.failed > 0, call, r);
		expect_so(may_say(r), call, r);
	}
	return r;
}

/*
 * The cast
 */

static const struct floe_type type = {
	.name = "words",
	.size = WORDS * sizeof(uint64_t),
	.alignment = 8,
	.hash = 7,
	.schema = "uint64 words[500]",
};

static const struct floe_publisher_options small = {
	.depth = 4,
	.loans_max = 2,
	.payload_max = WORDS * sizeof(uint64_t),
	.holds_max = 2,
	.type = &type,
};

static inline void open_writer(size_t i, const struct floe_publisher_options *options)
{
	struct floe_publisher_options o = *options;
	struct floe_publisher *pub = no_publisher;
	struct floe_error error = {.text = ""};
	int r;

	o.size = sizeof(o);
	o.error = &error;
	r = judge(floe_publisher_open(&pub, TOPIC, &o), "floe_publisher_open");
	if (r < 0) {
		expect_so(pub == no_publisher, "a failed open has touched *ret", r);
		expect_so(error.text[0], "a failed open has no sentence", r);
	}
	cast.writer[i] = r < 0 ? NULL : pub;
	cast.fixed[i] = o.pools || o.memory;
}

static inline void open_reader(size_t i, const struct floe_subscriber_options *options)
{
	struct floe_subscriber_options o = *options;
	struct floe_subscriber *sub = no_subscriber;
	struct floe_error error = {.text = ""};
	int r;

	o.size = sizeof(o);
	o.error = &error;
	o.spin_ns = 1;
	r = judge(floe_subscriber_open(&sub, TOPIC, &o), "floe_subscriber_open");
	if (r < 0) {
		expect_so(sub == no_subscriber, "a failed open has touched *ret", r);
		expect_so(error.text[0], "a failed open has no sentence", r);
	}
	cast.reader[i] = (struct reader){.sub = r < 0 ? NULL : sub};
}

static inline void close_writer(size_t i)
{
	uint64_t before = failing_os.failed;

	floe_publisher_close(cast.writer[i]);
	cast.writer[i] = NULL;
	failed_in_close |= failing_os.failed > before;
}

static inline void close_reader(size_t i)
{
	uint64_t before = failing_os.failed;

	floe_subscriber_close(cast.reader[i].sub);
	cast.reader[i] = (struct reader){0};
	failed_in_close |= failing_os.failed > before;
}

static inline void close_all(void)
{
	floe_observer_close(cast.observer);
	cast.observer = NULL;
	floe_view_close(cast.view);
	cast.view = NULL;
	for (size_t i = 0; i < WRITERS && writers_go_first; i++)
		close_writer(i);
	for (size_t i = 0; i < READERS; i++)
		close_reader(i);
	for (size_t i = 0; i < WRITERS; i++)
		close_writer(i);
}

/*
 * What they do
 */

static inline uint64_t word_of(size_t writer, uint64_t message, size_t i)
{
	return message * 1000000 + writer * 1000 + i;
}

static inline bool lend(size_t i, struct floe_loan *ret_loan)
{
	struct floe_loan untouched = {.data = &cast, .size = 1, .ticket = 2};
	int r;

	*ret_loan = untouched;
	r = judge(floe_loan(cast.writer[i], WORDS * sizeof(uint64_t), ret_loan), "floe_loan");
	if (r == 1)
		return true;
	expect_so(!memcmp(ret_loan, &untouched, sizeof(untouched)),
		  "floe_loan has touched a loan that it did not give", r);
	expect_so(r < 0 || cast.fixed[i], "a publisher that grows has no chunk", r);
	return false;
}

/* 1 sent, 0 not */
static inline int say(size_t i)
{
	struct floe_loan loan, before;
	uint64_t *words;
	int r;

	if (!cast.writer[i] || !lend(i, &loan))
		return 0;
	number++;
	words = loan.data;
	for (size_t w = 0; w < WORDS; w++)
		words[w] = word_of(i, number, w);
	before = loan;
	r = judge(floe_publish(cast.writer[i], &loan), "floe_publish");
	if (r != 1)
		expect_so(!memcmp(&loan, &before, sizeof(loan)),
			  "floe_publish has taken a loan that it did not send", r);
	floe_discard(cast.writer[i], &loan);
	expect_so(!loan.data, "a loan that was sent or discarded is not empty", r);
	return r == 1;
}

static inline void check_message(struct reader *reader, const struct floe_sample *sample)
{
	const uint64_t *words = sample->data;
	uint64_t message = words[0] / 1000000;
	size_t writer = words[0] / 1000 % 1000;

	expect_so(sample->size == WORDS * sizeof(uint64_t), "the size is another",
		  (long long)sample->size);
	expect_so(writer < WRITERS, "a message of nobody", (long long)words[0]);
	for (size_t i = 0; i < WORDS; i++)
		expect_so(words[i] == word_of(writer, message, i), "a message is mixed up",
			  (long long)words[i]);
	expect_so(message > reader->last[writer], "a message comes again", (long long)message);
	reader->last[writer] = message;
}

/* 1; 0 nothing there, or it failed */
static inline int hear_one(struct reader *reader)
{
	struct floe_sample *sample = &reader->held[reader->held_count];
	struct floe_sample untouched = {.data = &cast, .size = 1, .ticket = 2};
	int r;

	if (!reader->sub)
		return 0;
	*sample = untouched;
	r = judge(floe_take(reader->sub, sample), "floe_take");
	if (r == 1) {
		check_message(reader, sample);
		reader->held_count++;
		return 1;
	}
	expect_so(!memcmp(sample, &untouched, sizeof(untouched)),
		  "floe_take has touched a sample that it did not give", r);
	return 0;
}

static inline void forget(struct reader *reader)
{
	while (reader->held_count > 0) {
		floe_release(reader->sub, &reader->held[--reader->held_count]);
		expect_so(!reader->held[reader->held_count].data, "a released sample is not empty",
			  0);
	}
}

static inline void hear(size_t i)
{
	while (hear_one(&cast.reader[i]))
		forget(&cast.reader[i]);
}

static inline void talk(void)
{
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < WRITERS; i++) {
			(void)say(i);
			for (size_t j = 0; j < READERS; j++)
				hear(j);
		}
}

/*
 * Afterwards
 */

static inline void let_all_through(void)
{
	failing_os_plan((struct failing_plan){0});
}

/* Whoever is open goes on, if he was not told something final. */
static inline void expect_all_to_talk(void)
{
	for (size_t i = 0; i < READERS; i++) {
		forget(&cast.reader[i]);
		while (cast.reader[i].sub && floe_wait(cast.reader[i].sub, 0) != 0)
			hear(i);
	}
	for (size_t i = 0; i < WRITERS; i++) {
		if (is_final(tried.code) || !cast.writer[i])
			continue;
		expect_so(say(i), "a writer is dumb afterwards", (long long)i);
		for (size_t j = 0; j < READERS; j++) {
			hear(j);
			expect_so(!cast.reader[j].sub || cast.reader[j].last[i] == number,
				  "a reader is deaf afterwards", (long long)j);
		}
	}
}

static inline void clean(void)
{
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_so(floe_view_clean(view, 0, NULL, NULL) >= 0, "cleaning failed", 0);
	floe_view_close(view);
}

#endif
