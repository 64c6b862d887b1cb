/* SPDX-License-Identifier: Apache-2.0 */
#include "recorder.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "encoding.h"
#include "look.h"
#include "record/touch.h"
#include "wait.h"
#include "watch.h"

/* Messages of one topic before the next one's turn. */
#define TURN 64
/* Messages of one publisher that are taken together, and get the same time. */
#define TOGETHER 32u
/* What is larger is looked at alone before it is copied. */
#define LARGE 65536u
#define CHANNELS_MAX 65535u
#define SCHEMA_MAX 65536u
/* With so many bytes to go before it is overwritten a message can stay in its ring while we take a short
 * nap; a longer one takes as many bytes a nanosecond, four times what the fastest publisher that we
 * know of sends. */
#define SHORT_NAP_BYTES (UINT64_C(16) << 20)
#define NAP_BYTES_PER_NS 32
#define SHORT_NAP_NS (WAIT_SECOND / 2000)
#define LONG_NAP_NS (WAIT_SECOND / 200)
/* How late a message may be taken when nothing has come for a while; and before there is a topic, whose
 * ring then keeps what came first. */
#define NAP_MAX_NS (WAIT_SECOND / 2000)
#define NAP_PUNCTUAL_NS (WAIT_SECOND / 10000)
#define NAP_BEFORE_NS (WAIT_SECOND / 200)
/* A nap in which so much of a ring was filled was too long. */
#define HURRY 8
/* How much faster than the disk a publisher may be. */
#define HASTE 4

struct channel {
	uint16_t id;
	struct subject *subject;
	uint32_t publisher;        /* of the topic */
	uint64_t depth;            /* of its ring; 0: unknown */
	uint64_t messages;         /* given to the tape */
	_Atomic uint64_t given_up; /* of these, by the tape */
	_Atomic uint64_t lost;
};

/* A ring in which the tape looks at messages where they lie. */
struct ring {
	struct ring *next;
	struct floe_sample sample; /* one of them */
	_Atomic uint64_t referred; /* how many; the tape's thread counts them down */
};

struct subject {
	char name[FLOE_TOPIC_NAME_MAX + 1];
	struct watch watch;
	uint16_t schema; /* 0: none, or not yet */
	bool has_schema;
	char encoding[ENCODING_MAX + 1]; /* of its messages */
	bool was_too_large;              /* a message was, and that was told */
	/* Taken together, and from waiting[stored] on not stored yet: these may stay in their ring until the
	 * tape is less busy. */
	struct floe_sample waiting[TOGETHER];
	unsigned stored;
	unsigned waiting_count;
	int64_t waiting_ns; /* when they were taken */
	int64_t nap_ns;     /* so long they can wait */
	struct ring *rings;
	/* While it ends: what each publisher had sent when that began, how many there were, and how often in a
	 * row what was taken came after that. */
	uint64_t sent[FLOE_PUBLISHERS_MAX];
	uint64_t senders;
	uint64_t beyond;
	uint64_t taken;       /* since we asked whether to hurry */
	uint64_t depth_least; /* of its rings; UINT64_MAX: none is known */
	struct channel *channels[FLOE_PUBLISHERS_MAX];
};

struct recorder {
	struct frame *frame;
	struct tape *tape;
	struct subject **subjects;
	size_t subjects_count;
	bool has_looked; /* for all topics */
	bool is_ending;
	struct channel *by_id[CHANNELS_MAX + 1];
	_Atomic uint16_t channels_count; /* the tape's thread looks at them */
	uint16_t schemas_count;
	uint64_t stored;            /* given to the tape */
	_Atomic uint64_t given_up;  /* of these, by the tape */
	int64_t realtime_offset_ns; /* CLOCK_REALTIME less CLOCK_MONOTONIC */
};

static int64_t realtime_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * WAIT_SECOND + now.tv_nsec;
}

struct recorder *recorder_open(struct frame *frame)
{
	struct recorder *recorder = frame_alloc(1, sizeof(*recorder));

	/* Who may write a ring may make it shorter: we look at it as it is then, and lose what is gone. */
	(void)floe_guard_install();
	(void)touch_install();
	recorder->frame = frame;
	recorder->realtime_offset_ns = realtime_ns() - wait_now_ns();
	return recorder;
}

void recorder_set_tape(struct recorder *recorder, struct tape *tape)
{
	recorder->tape = tape;
}

static bool has_topic(const struct recorder *recorder, const char *name)
{
	for (size_t i = 0; i < recorder->subjects_count; i++)
		if (!strcmp(recorder->subjects[i]->name, name))
			return true;
	return false;
}

void recorder_add_topic(struct recorder *recorder, const char *name, uint64_t history)
{
	struct subject **larger;
	struct subject *subject;

	if (has_topic(recorder, name))
		return;
	subject = frame_alloc(1, sizeof(*subject));
	larger = frame_alloc(recorder->subjects_count + 1, sizeof(struct subject *));
	if (recorder->subjects_count)
		memcpy(larger, recorder->subjects,
		       recorder->subjects_count * sizeof(struct subject *));
	free(recorder->subjects);
	recorder->subjects = larger;
	(void)snprintf(subject->name, sizeof(subject->name), "%s", name);
	(void)snprintf(subject->encoding, sizeof(subject->encoding), "floe");
	subject->depth_least = UINT64_MAX;
	watch_init(&subject->watch, recorder->frame, subject->name, history);
	larger[recorder->subjects_count++] = subject;
}

int recorder_add_all(struct recorder *recorder, uint64_t history)
{
	struct look_topics topics = {0};
	int r = look_topics(&topics, recorder->frame->view);

	/* A topic that we did not know has come since we looked: all it has is new. */
	for (size_t i = 0; r == 0 && i < topics.count; i++)
		recorder_add_topic(recorder, topics.topics[i].info.name,
				   recorder->has_looked ? FLOE_DEPTH_MAX : history);
	recorder->has_looked |= r == 0 || r == -ENOENT;
	look_topics_end(&topics);
	return r;
}

/*
 * Schemas and channels
 */

static void add_number(struct buffer *map, const char *key, uint64_t number)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	buffer_add_pair(map, key, text);
}

static void add_map(struct buffer *content, const struct buffer *map)
{
	unsigned char *at = buffer_add(content, 4);

	if (at)
		(void)put_u32(at, (uint32_t)map->size);
	buffer_add_bytes(content, map->data, map->size);
}

static void find_topic(const struct recorder *recorder, const char *name,
		       struct floe_topic_info *ret)
{
	struct look_topics topics = {0};
	const struct look_topic *topic;

	memset(ret, 0, sizeof(*ret));
	if (look_topics(&topics, recorder->frame->view) == 0) {
		topic = look_find(&topics, name);
		if (topic)
			*ret = topic->info;
	}
	look_topics_end(&topics);
}

/* The text is whatever the topic's programs agreed on; its first line may say how others read it. */
static void add_schema(struct recorder *recorder, struct subject *subject,
		       const struct floe_topic_info *info)
{
	struct buffer content = {0};
	struct encoding encoding;
	char *text = frame_alloc(1, SCHEMA_MAX + 1);
	ssize_t size;
	unsigned char *at;

	subject->has_schema = true;
	if (!*info->type.name || recorder->schemas_count == UINT16_MAX) {
		free(text);
		return;
	}
	size = floe_view_schema(recorder->frame->view, subject->name, text, SCHEMA_MAX + 1);
	if (size < 0 || size > (ssize_t)SCHEMA_MAX)
		size = 0;
	encoding_read(&encoding, text, (size_t)size);
	(void)snprintf(subject->encoding, sizeof(subject->encoding), "%s", encoding.message);
	at = buffer_add(&content, 2);
	if (at)
		(void)put_u16(at, (uint16_t)(recorder->schemas_count + 1));
	buffer_add_string(&content, info->type.name);
	buffer_add_string(&content, encoding.schema);
	at = buffer_add(&content, 4);
	if (at)
		(void)put_u32(at, (uint32_t)((size_t)size - encoding.skip));
	buffer_add_bytes(&content, text + encoding.skip, (size_t)size - encoding.skip);
	if (!content.bad && tape_add_schema(recorder->tape, content.data, content.size) == 0)
		subject->schema = ++recorder->schemas_count;
	buffer_end(&content);
	free(text);
}

/* What a player needs to publish as this publisher did. */
static void describe(struct buffer *map, const struct floe_publisher_info *publisher,
		     const struct floe_topic_info *info, uint64_t index)
{
	add_number(map, "floe.publisher", index);
	if (publisher) {
		add_number(map, "floe.depth", publisher->depth);
		add_number(map, "floe.payload_max", publisher->payload_max);
		add_number(map, "floe.flags", publisher->flags);
		if (*publisher->process)
			buffer_add_pair(map, "floe.process", publisher->process);
	}
	if (!*info->type.name)
		return;
	add_number(map, "floe.type.size", info->type.size);
	add_number(map, "floe.type.alignment", info->type.alignment);
	add_number(map, "floe.type.hash", info->type.hash);
}

static int define_channel(struct recorder *recorder, const struct subject *subject, uint16_t id,
			  const struct buffer *map)
{
	struct buffer content = {0};
	unsigned char *at = buffer_add(&content, 4);
	int r;

	if (at)
		(void)put_u16(put_u16(at, id), subject->schema);
	buffer_add_string(&content, subject->name);
	buffer_add_string(&content, subject->encoding);
	add_map(&content, map);
	r = content.bad ? -ENOMEM : tape_add_channel(recorder->tape, content.data, content.size);
	buffer_end(&content);
	return r;
}

/* NULL: there are too many. */
static struct channel *add_channel(struct recorder *recorder, struct subject *subject,
				   uint64_t index)
{
	struct look_topic topic = {0};
	struct floe_topic_info info;
	struct floe_publisher_info *found = NULL;
	struct channel *channel;
	struct buffer map = {0};

	if (recorder->channels_count == CHANNELS_MAX)
		return NULL;
	channel = frame_alloc(1, sizeof(*channel));
	find_topic(recorder, subject->name, &info);
	if (!subject->has_schema)
		add_schema(recorder, subject, &info);
	topic.info = info;
	(void)snprintf(topic.info.name, sizeof(topic.info.name), "%s", subject->name);
	(void)look_inside(&topic, recorder->frame->view);
	for (size_t i = 0; i < topic.publishers_count; i++)
		if (topic.publishers[i].index == index)
			found = &topic.publishers[i];
	channel->id = (uint16_t)(recorder->channels_count + 1);
	channel->subject = subject;
	channel->publisher = (uint32_t)index;
	channel->depth = found ? found->depth : 0;
	if (channel->depth && channel->depth < subject->depth_least)
		subject->depth_least = channel->depth;
	describe(&map, found, &info, index);
	if (define_channel(recorder, subject, channel->id, &map) < 0) {
		free(channel);
		channel = NULL;
	} else {
		recorder->by_id[channel->id] = channel;
		recorder->channels_count++;
		subject->channels[index] = channel;
	}
	buffer_end(&map);
	look_topic_end(&topic);
	return channel;
}

/*
 * Messages
 */

static void add_lost(struct channel *channel, uint64_t count)
{
	if (count)
		(void)atomic_fetch_add_explicit(&channel->lost, count, memory_order_relaxed);
}

/* Messages that its publisher can send before this one is overwritten. What is the observer's own
 * copy does not count: its ring goes on. */
static uint64_t find_left(const struct subject *subject, const struct channel *channel,
			  const struct floe_sample *sample)
{
	int left = channel->depth ? floe_observer_left(subject->watch.observer, sample) : 0;

	return left > 0 && left != INT_MAX ? (uint64_t)left : 0;
}

/* Can the message stay where it is until we have slept and look again? */
static bool can_wait(struct subject *subject, const struct channel *channel,
		     const struct floe_sample *sample)
{
	uint64_t left = find_left(subject, channel, sample);
	uint64_t bytes = left * sample->size;

	subject->nap_ns = (int64_t)(bytes / NAP_BYTES_PER_NS);
	return left && (4 * left >= 3 * channel->depth ||
			(4 * left >= channel->depth && bytes >= SHORT_NAP_BYTES));
}

/* Will it be written before it is overwritten? */
static bool can_refer(const struct recorder *recorder, const struct subject *subject,
		      const struct channel *channel, const struct floe_sample *sample)
{
	uint64_t ahead = tape_backlog(recorder->tape) + sample->size;

	return tape_can_refer(recorder->tape, sample->data, sample->size) &&
	       find_left(subject, channel, sample) * sample->size >= HASTE * ahead;
}

/* 1 it has the message; 0 the message was overwritten; <0 */
static int copy(struct recorder *recorder, struct subject *subject,
		const struct chunk_message *message, const struct floe_sample *sample)
{
	int r;

	while ((r = tape_add(recorder->tape, message)) == 0) {
		struct tape_error error;

		/* The back-log is full. As long as it lasts, its publisher's ring keeps it. */
		tape_unlock(recorder->tape);
		if (tape_check(recorder->tape, &error) < 0)
			return 0;
		tape_wait(recorder->tape, wait_now_ns() + SHORT_NAP_NS);
		tape_lock(recorder->tape);
		if (floe_observer_left(subject->watch.observer, sample) == 0)
			return 0;
	}
	if (r < 0)
		return r;
	if (floe_observer_has(subject->watch.observer, sample) > 0)
		return 1;
	tape_drop_last(recorder->tape, 1);
	return 0;
}

/* The ring of this message, that stays although its publisher may go; NULL: it cannot. */
static struct ring *keep_ring(struct subject *subject, const struct floe_sample *sample)
{
	struct ring *ring = subject->rings;

	while (ring && ring->sample.ticket != sample->ticket)
		ring = ring->next;
	if (ring || floe_observer_keep(subject->watch.observer, sample, 1) != 1)
		return ring;
	ring = frame_alloc(1, sizeof(*ring));
	ring->sample = *sample;
	ring->next = subject->rings;
	subject->rings = ring;
	return ring;
}

/* Of those at which the tape does not look any more. */
static void let_go_of_rings(struct subject *subject)
{
	struct ring **at = &subject->rings;

	while (*at) {
		struct ring *ring = *at;

		if (atomic_load(&ring->referred)) {
			at = &ring->next;
			continue;
		}
		(void)floe_observer_keep(subject->watch.observer, &ring->sample, 0);
		*at = ring->next;
		free(ring);
	}
}

/* As tape_refer, which may have let go of it when it returns. */
static int refer(struct recorder *recorder, struct subject *subject,
		 const struct chunk_message *message, const struct floe_sample *sample)
{
	struct ring *ring = keep_ring(subject, sample);
	int r;

	if (!ring)
		return 0;
	(void)atomic_fetch_add(&ring->referred, 1);
	r = tape_refer(recorder->tape, message, (uint64_t)(uintptr_t)ring, sample->sequence);
	if (r != 1)
		(void)atomic_fetch_sub(&ring->referred, 1);
	return r;
}

static struct chunk_message describe_message(const struct recorder *recorder,
					     const struct channel *channel,
					     const struct floe_sample *sample, int64_t now_ns)
{
	return (struct chunk_message){
		.channel = channel->id,
		.sequence = (uint32_t)sample->sequence,
		.log_time = (uint64_t)now_ns,
		.publish_time = sample->time_ns
					? sample->time_ns + (uint64_t)recorder->realtime_offset_ns
					: (uint64_t)now_ns,
		.payload = sample->data,
		.size = sample->size,
	};
}

/* 1; 0 it waits; <0 */
static int store(struct recorder *recorder, struct subject *subject,
		 const struct floe_sample *sample, int64_t now_ns)
{
	uint32_t index = (uint32_t)(sample->ticket % FLOE_PUBLISHERS_MAX);
	struct channel *channel = subject->channels[index];
	struct chunk_message message;
	int r = 0;

	if (!channel)
		channel = add_channel(recorder, subject, index);
	if (!channel)
		return -EMFILE;
	message = describe_message(recorder, channel, sample, now_ns);
	/* The ring is the best back-log: what lies there takes no memory. */
	if (tape_is_busy(recorder->tape) && can_wait(subject, channel, sample))
		return 0;
	if (can_refer(recorder, subject, channel, sample))
		r = refer(recorder, subject, &message, sample);
	if (r == 0)
		r = copy(recorder, subject, &message, sample);
	channel->messages += r == 1;
	recorder->stored += r == 1;
	add_lost(channel, sample->lost + (r != 1));
	if (r == -E2BIG && !subject->was_too_large)
		frame_say(
			recorder->frame,
			"a message of '%s' of %zu bytes does not fit into the back-log and is left "
			"out: a larger --memory takes it",
			subject->name, sample->size);
	subject->was_too_large |= r == -E2BIG;
	return 1;
}

/* As many small ones as the open chunk has room for: copied first, then looked at whether they were there
 * all the while. How many; 0: the next one has to be looked at alone. */
static unsigned store_small(struct recorder *recorder, struct subject *subject, uint64_t count_max)
{
	const struct floe_sample *samples = subject->waiting + subject->stored;
	unsigned count = subject->waiting_count - subject->stored;
	struct channel *channel = subject->channels[samples->ticket % FLOE_PUBLISHERS_MAX];
	struct chunk_message messages[TOGETHER];
	unsigned added = 0;
	int whole;

	/* They may have been taken when more were wanted. */
	if (count > count_max)
		count = (unsigned)count_max;
	if (!channel || tape_is_busy(recorder->tape))
		return 0;
	while (added < count && samples[added].size < LARGE) {
		messages[added] = describe_message(recorder, channel, &samples[added],
						   subject->waiting_ns);
		added++;
	}
	added = tape_add_many(recorder->tape, messages, added);
	whole = floe_observer_has_many(subject->watch.observer, samples, added);
	if (whole < 0)
		whole = 0;
	tape_drop_last(recorder->tape, added - (unsigned)whole);
	if (whole)
		add_lost(channel, samples->lost);
	channel->messages += (unsigned)whole;
	recorder->stored += (unsigned)whole;
	return (unsigned)whole;
}

/* How many, up to count_max; 0 they wait; <0 */
static int store_some(struct recorder *recorder, struct subject *subject, uint64_t count_max)
{
	unsigned count = store_small(recorder, subject, count_max);
	int r = (int)count;

	if (count == 0)
		r = store(recorder, subject, &subject->waiting[subject->stored],
			  subject->waiting_ns);
	if (r > 0)
		subject->stored += (unsigned)r;
	return r;
}

static bool has_waiting(const struct subject *subject)
{
	return subject->stored < subject->waiting_count;
}

/* Publishers have their turns: who has met none but such messages so often has seen each publisher once. */
static bool has_all_that_was_sent(const struct subject *subject)
{
	return subject->beyond > subject->senders;
}

static void note_taken(struct subject *subject)
{
	const struct floe_sample *first = subject->waiting;

	if (first->sequence > subject->sent[first->ticket % FLOE_PUBLISHERS_MAX])
		subject->beyond++;
	else
		subject->beyond = 0;
}

/* 1 there are some that wait; 0; <0 */
static int take(struct subject *subject, bool is_ending, uint64_t count_max)
{
	int r;

	if (has_waiting(subject))
		return 1;
	if (is_ending && has_all_that_was_sent(subject))
		return 0;
	let_go_of_rings(subject);
	subject->watch.is_kept = subject->rings;
	r = watch_borrow(&subject->watch, subject->waiting,
			 count_max < TOGETHER ? (size_t)count_max : TOGETHER);
	subject->stored = 0;
	subject->waiting_count = r > 0 ? (unsigned)r : 0;
	if (r > 0)
		subject->waiting_ns = realtime_ns();
	if (r > 0 && is_ending)
		note_taken(subject);
	return r > 0 ? 1 : r;
}

/* How many; <0 */
static int take_turn(struct recorder *recorder, struct subject *subject, uint64_t count_max)
{
	unsigned taken = 0;

	while (taken < count_max && taken < TURN) {
		int r = take(subject, recorder->is_ending, count_max - taken);

		if (r < 0) {
			(void)frame_fail(recorder->frame, "'%s': %s", subject->name,
					 watch_reason(r));
			return r;
		}
		if (r == 0)
			break;
		r = store_some(recorder, subject, count_max - taken);
		if (r < 0) {
			(void)frame_fail(recorder->frame, "there are more than %u publishers",
					 CHANNELS_MAX);
			return r;
		}
		if (r == 0)
			break;
		taken += (unsigned)r;
	}
	subject->taken += taken;
	return (int)taken;
}

int recorder_step(struct recorder *recorder, uint64_t count_max)
{
	uint64_t taken = 0;

	tape_lock(recorder->tape);
	for (size_t i = 0; i < recorder->subjects_count && taken < count_max; i++) {
		int r = take_turn(recorder, recorder->subjects[i], count_max - taken);

		if (r < 0) {
			tape_unlock(recorder->tape);
			return r;
		}
		taken += (uint64_t)r;
	}
	tape_unlock(recorder->tape);
	return (int)taken;
}

/* How long nothing gets lost that waits; 0: something does not wait. */
static int64_t find_nap(const struct recorder *recorder)
{
	int64_t nap_ns = recorder->subjects_count ? LONG_NAP_NS : 0;

	for (size_t i = 0; i < recorder->subjects_count; i++) {
		const struct subject *subject = recorder->subjects[i];

		if (!has_waiting(subject))
			return 0;
		if (subject->nap_ns < nap_ns)
			nap_ns = subject->nap_ns;
	}
	return nap_ns && nap_ns < SHORT_NAP_NS ? SHORT_NAP_NS : nap_ns;
}

static void note_sent(const struct recorder *recorder, struct subject *subject)
{
	struct look_topic topic = {0};

	(void)snprintf(topic.info.name, sizeof(topic.info.name), "%s", subject->name);
	(void)look_inside(&topic, recorder->frame->view);
	for (size_t i = 0; i < topic.publishers_count; i++)
		subject->sent[topic.publishers[i].index] = topic.publishers[i].sequence;
	subject->senders = topic.publishers_count;
	look_topic_end(&topic);
}

void recorder_begin_end(struct recorder *recorder)
{
	recorder->is_ending = true;
	for (size_t i = 0; i < recorder->subjects_count; i++) {
		note_sent(recorder, recorder->subjects[i]);
		recorder->subjects[i]->watch.retry_ns = 0;
	}
}

bool recorder_has_waiting(const struct recorder *recorder)
{
	for (size_t i = 0; i < recorder->subjects_count; i++)
		if (has_waiting(recorder->subjects[i]))
			return true;
	return false;
}

uint64_t recorder_recorded(const struct recorder *recorder)
{
	return recorder->stored - atomic_load_explicit(&recorder->given_up, memory_order_relaxed);
}

bool recorder_wait(struct recorder *recorder)
{
	int64_t nap_ns = find_nap(recorder);

	if (nap_ns)
		tape_wait(recorder->tape, wait_now_ns() + nap_ns);
	return nap_ns;
}

int64_t recorder_nap_max(const struct recorder *recorder, bool is_punctual)
{
	for (size_t i = 0; i < recorder->subjects_count; i++)
		if (recorder->subjects[i]->watch.observer)
			return is_punctual ? NAP_PUNCTUAL_NS : NAP_MAX_NS;
	return NAP_BEFORE_NS;
}

bool recorder_is_hurried(struct recorder *recorder)
{
	bool is_hurried = false;

	for (size_t i = 0; i < recorder->subjects_count; i++) {
		struct subject *subject = recorder->subjects[i];

		is_hurried |= subject->taken && subject->taken >= subject->depth_least / HURRY;
		subject->taken = 0;
	}
	return is_hurried;
}

/*
 * For the tape
 */

static struct ring *ring_of(const struct chunk *chunk)
{
	return (struct ring *)(uintptr_t)chunk->ticket;
}

bool recorder_is_whole(void *recorder, struct chunk *chunk)
{
	const struct recorder *r = recorder;
	const struct channel *channel = r->by_id[chunk->entries[0].channel];
	const struct floe_sample sample = {.data = chunk->payload,
					   .sequence = chunk->sequence,
					   .ticket = ring_of(chunk)->sample.ticket};

	return find_left(channel->subject, channel, &sample) > 0;
}

void recorder_let_go(void *recorder, const struct chunk *chunk)
{
	(void)recorder;
	(void)atomic_fetch_sub(&ring_of(chunk)->referred, 1);
}

void recorder_lose(void *recorder, uint16_t channel, uint32_t count)
{
	struct recorder *r = recorder;

	add_lost(r->by_id[channel], count);
	(void)atomic_fetch_add_explicit(&r->by_id[channel]->given_up, count, memory_order_relaxed);
	(void)atomic_fetch_add_explicit(&r->given_up, count, memory_order_relaxed);
}

void recorder_forget(void *recorder, uint16_t channel, uint32_t count)
{
	const struct recorder *r = recorder;

	r->by_id[channel]->messages -= count;
}

static void list_one(void *user, const char *topic, uint32_t publisher, uint64_t messages,
		     uint64_t lost)
{
	char key[FLOE_TOPIC_NAME_MAX + 32];

	(void)messages;
	(void)snprintf(key, sizeof(key), "%s/%u", topic, publisher);
	add_number(user, key, lost);
}

void recorder_list_losses(void *recorder, struct buffer *map)
{
	recorder_each(recorder, list_one, map);
}

/*
 * The end
 */

void recorder_count(const struct recorder *recorder, struct recorder_counts *ret)
{
	*ret = (struct recorder_counts){.topics = recorder->subjects_count,
					.channels = recorder->channels_count};
	for (uint16_t i = 1; i <= recorder->channels_count; i++)
		ret->lost += atomic_load_explicit(&recorder->by_id[i]->lost, memory_order_relaxed);
	for (size_t i = 0; i < recorder->subjects_count; i++)
		ret->topics_found += recorder->subjects[i]->watch.observer != NULL;
}

void recorder_each(const struct recorder *recorder,
		   void (*each)(void *user, const char *topic, uint32_t publisher,
				uint64_t messages, uint64_t lost),
		   void *user)
{
	for (uint16_t i = 1; i <= recorder->channels_count; i++) {
		const struct channel *channel = recorder->by_id[i];

		each(user, channel->subject->name, channel->publisher,
		     channel->messages - channel->given_up, channel->lost);
	}
}

void recorder_close(struct recorder *recorder)
{
	for (size_t i = 0; i < recorder->subjects_count; i++) {
		let_go_of_rings(recorder->subjects[i]);
		watch_end(&recorder->subjects[i]->watch);
		free(recorder->subjects[i]);
	}
	for (uint16_t i = 1; i <= recorder->channels_count; i++)
		free(recorder->by_id[i]);
	free(recorder->subjects);
	free(recorder);
}
