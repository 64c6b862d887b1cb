/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Somebody takes part and writes nonsense into all that he may write, while victims do what they
 * always do: publish and take on his topic and on another, join and leave, look on, clean up. They
 * may be told -EPROTO or get wrong bytes from him. They do not crash, every call comes back, and
 * what they have of decent peers is exact.
 *
 * FLOE_HOSTILE_SECONDS: how long each attack lasts.
 */

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <floe/inspect.h>

#include "api/peer.h"
#include "api/steps.h"
#include "attack.h"
#include "edge.h"
#include "channel/accord_layout.h"
#include "channel/part.h"
#include "channel/port_layout.h"
#include "channel/relay_layout.h"
#include "channel/segment.h"
#include "channel/segment_layout.h"
#include "frame/sanitized.h"
#include "registry/feeds.h"

#define TOPIC "t"
#define QUIET "quiet" /* where nobody attacks */
#define WORDS 40
#define LANE 256 /* more than there is slack */
#define MILLISECONDS ((int64_t)1000000)

/* What is played now, in all processes: publishers have lanes; a loan is to be had at any time. */
static uint32_t lanes;
static bool lent_always;

static int64_t get_end(void)
{
	const char *given = getenv("FLOE_HOSTILE_SECONDS");

	return now_ns() + (given ? (int64_t)strtoul(given, NULL, 10) * 1000 : 400) * MILLISECONDS;
}

static void expect_known(int r, const char *call)
{
	static const int known[] = {0, 1, -EPROTO, -EACCES, -ENOBUFS, -EMFILE, -EBUSY, -EPROTOTYPE};

	for (size_t i = 0; i < COUNT(known); i++)
		if (r == known[i])
			return;
	printf("# %s says %d, %s\n", call, r, r < 0 ? strerror(-r) : "");
	frame_fail(__FILE__, __LINE__, "a result that is documented");
}

/*
 * The decent pair: numbered words, in two processes
 */

/* Publishes until the end; on a topic that is attacked others may block it. */
static void publish_numbers(int wire, void *topic)
{
	struct floe_publisher *pub = publisher(
		topic, PUBLISHER(.depth = 64, .payload_max = WORDS * sizeof(uint64_t),
				 .lanes_max = lanes, .lane_depth = lanes ? LANE : 0));
	uint64_t sent = 0;

	tell(wire, 1);
	for (int64_t end = get_end(); now_ns() < end;) {
		struct floe_loan loan;
		int r = floe_loan(pub, sizeof(uint64_t) * (sent % 2 ? WORDS : 1), &loan);

		expect_known(r, "floe_loan");
		expect(r == 1 || !lent_always);
		if (r != 1)
			continue;
		for (size_t i = 0; i < loan.size / sizeof(uint64_t); i++)
			((uint64_t *)loan.data)[i] = sent * 1000 + i;
		r = floe_publish(pub, &loan);
		expect(r == 0 || r == 1);
		sent += r == 1;
		floe_discard(pub, &loan);
		if (r == 0)
			expect(floe_publisher_wait(pub, now_ns() + MILLISECONDS) >= 0);
	}
	tell(wire, sent);
	(void)hear(wire);
	floe_publisher_close(pub);
}

/* Is it one of the numbered messages, whole? */
static bool is_number(const struct floe_sample *sample)
{
	const uint64_t *words = sample->data;

	for (size_t i = 0; i < sample->size / sizeof(uint64_t); i++)
		if (words[i] != (sample->sequence - 1) * 1000 + i)
			return false;
	return sample->size == sizeof(uint64_t) * (sample->sequence % 2 ? 1 : WORDS);
}

static void read_all(const struct floe_sample *sample)
{
	static volatile unsigned char sink;
	const unsigned char *bytes = sample->data;

	for (size_t i = 0; i < sample->size; i++)
		sink = (unsigned char)(sink + bytes[i]);
}

struct listening {
	struct floe_subscriber *sub;
	uint32_t decent; /* which publisher is */
	uint64_t taken;  /* of it */
	uint64_t lost;
	uint64_t last;
	bool exact;
};

static int listen_once(struct listening *l)
{
	struct floe_sample sample;
	int r = floe_take(l->sub, &sample);

	expect_known(r, "floe_take");
	if (r != 1)
		return r;
	read_all(&sample);
	if (floe_sample_publisher(l->sub, &sample) == (int)l->decent && l->exact) {
		expect(is_number(&sample));
		if (l->last)
			expect_equal(sample.sequence, l->last + sample.lost + 1);
		l->last = sample.sequence;
		l->lost += sample.lost;
		l->taken++;
	}
	floe_release(l->sub, &sample);
	return 1;
}

struct listener {
	const char *topic;
	uint32_t policy;
	bool exact; /* what comes of the decent publisher is right */
};

/* Takes until it is told how many were sent, and then the rest. */
static void take_numbers(int wire, void *argument)
{
	const struct listener *given = argument;
	struct listening l = {.exact = given->exact};

	l.sub = subscriber(given->topic, SUBSCRIBER(.policy = given->policy, .spin_ns = 1000));
	tell(wire, 1);
	for (int64_t end = get_end(); now_ns() < end;)
		if (listen_once(&l) == 0)
			expect_known(floe_wait(l.sub, now_ns() + MILLISECONDS), "floe_wait");
	tell(wire, 1);
	for (uint64_t sent = hear(wire), i = 0; given->exact && l.last < sent && i < 100000; i++)
		(void)listen_once(&l);
	if (given->policy == FLOE_POLICY_RELIABLE)
		expect_equal(l.lost, 0);
	tell(wire, l.taken + l.lost);
	floe_subscriber_close(l.sub);
}

struct pair {
	struct peer publisher;
	struct peer subscriber;
	bool exact;
};

static struct pair start_pair(const struct listener *listener)
{
	struct pair pair = {.exact = listener->exact};

	pair.publisher = peer_start(publish_numbers, (void *)(uintptr_t)listener->topic);
	expect_equal(hear(pair.publisher.wire), 1);
	pair.subscriber = peer_start(take_numbers, (void *)(uintptr_t)listener);
	expect_equal(hear(pair.subscriber.wire), 1);
	return pair;
}

static void end_pair(struct pair *pair)
{
	uint64_t sent = hear(pair->publisher.wire);
	uint64_t begun;

	expect_equal(hear(pair->subscriber.wire), 1);
	begun = ask(pair->subscriber.wire, sent);
	printf("# %llu sent\n", (unsigned long long)sent);
	/* It joined after the first: what came before is neither taken nor lost. */
	if (pair->exact)
		expect(begun > 0 && begun <= sent);
	tell(pair->publisher.wire, 1);
	peer_end(&pair->subscriber);
	peer_end(&pair->publisher);
}

/*
 * Who comes, looks and goes
 */

static void observe(struct floe_view *view)
{
	struct floe_observer *observer;
	struct floe_observer_options options = {.size = sizeof(options), .history = 8};
	struct floe_sample sample;

	if (floe_observer_open(&observer, view, TOPIC, &options) < 0)
		return;
	for (int i = 0; i < 30; i++)
		if (floe_observer_next(observer, 0, &sample) == 1)
			read_all(&sample);
	floe_observer_close(observer);
}

static void look(void)
{
	static struct floe_node_info nodes[16];
	static struct floe_topic_info topics[4];
	static struct floe_publisher_info publishers[FLOE_PUBLISHERS_MAX];
	static struct floe_subscriber_info subscribers[16];
	char schema[64];
	struct floe_view *view;

	if (floe_view_open(&view, NULL, NULL, NULL) < 0)
		return;
	(void)floe_view_nodes(view, nodes, sizeof(nodes[0]), COUNT(nodes));
	(void)floe_view_topics(view, topics, sizeof(topics[0]), COUNT(topics));
	(void)floe_view_publishers(view, TOPIC, publishers, sizeof(publishers[0]),
				   COUNT(publishers));
	(void)floe_view_subscribers(view, TOPIC, subscribers, sizeof(subscribers[0]),
				    COUNT(subscribers));
	(void)floe_view_schema(view, TOPIC, schema, sizeof(schema));
	observe(view);
	(void)floe_view_clean(view, 1, NULL, NULL);
	(void)floe_view_clean(view, 0, NULL, NULL);
	floe_view_close(view);
}

static void join_and_leave(void)
{
	struct floe_error error = {""};
	struct floe_type type = {.name = "n", .size = 8, .schema = "n"};
	struct floe_publisher *pub = NULL;
	struct floe_subscriber *sub = NULL;
	int r = floe_subscriber_open(
		&sub, TOPIC,
		SUBSCRIBER(.history = 8, .type = &type, .error = &error,
			   .policy = lanes ? FLOE_POLICY_DROP_NEWEST : FLOE_POLICY_KEEP_LAST));

	expect_known(r, "floe_subscriber_open");
	/* The plan of who attacks, so that his ring is adopted when he seems to be gone. */
	r = floe_publisher_open(
		&pub, TOPIC,
		PUBLISHER(.depth = 8, .payload_max = 512, .lanes_max = lanes, .error = &error));
	expect_known(r, "floe_publisher_open");
	for (uint64_t i = 0; pub && i < 20; i++)
		(void)try_publish(pub, i % 2 ? 500 : 8, i);
	for (int i = 0; sub && i < 30; i++) {
		struct floe_sample sample;

		r = floe_take(sub, &sample);
		expect_known(r, "floe_take");
		if (r == 1) {
			read_all(&sample);
			floe_release(sub, &sample);
		}
	}
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void come_and_go(int wire, void *argument)
{
	uint64_t rounds = 0;

	(void)argument;
	for (int64_t end = get_end(); now_ns() < end; rounds++) {
		join_and_leave();
		look();
	}
	tell(wire, rounds);
}

/*
 * Attacks
 */

static void attack(enum attack_target target)
{
	static struct listener quiet = {QUIET, FLOE_POLICY_KEEP_LAST, true};
	static struct listener loud = {TOPIC, FLOE_POLICY_KEEP_LAST, true};
	struct attack wanted = {TOPIC, target, random_seed()};
	struct pair pairs[2];
	struct peer visitor, attacker;

	lanes = target == ATTACK_LANES || target == ATTACK_DROPPER ? ATTACK_LANES_MAX : 0;
	lent_always = target == ATTACK_DROPPER;
	loud.policy = target == ATTACK_LANES     ? FLOE_POLICY_DROP_NEWEST
		      : target == ATTACK_DROPPER ? FLOE_POLICY_RELIABLE
						 : FLOE_POLICY_KEEP_LAST;
	/* Who sets a hint back can make that what others hold is written: wrong bytes, no more. */
	loud.exact = target != ATTACK_HINTS;
	pairs[0] = start_pair(&loud); /* its publisher is number 0 */
	pairs[1] = start_pair(&quiet);
	attacker = peer_start(attack_life, &wanted);
	expect_equal(hear(attacker.wire), 1);
	visitor = peer_start(come_and_go, NULL);
	printf("# %llu came and went\n", (unsigned long long)hear(visitor.wire));
	peer_end(&visitor);
	for (size_t i = 0; i < COUNT(pairs); i++)
		end_pair(&pairs[i]);
	peer_kill(&attacker);
	look();
	join_and_leave();
}

static void a_publisher_that_writes_nonsense_hurts_nobody(void)
{
	attack(ATTACK_SEGMENT);
}

static void who_says_that_he_left_and_writes_on_hurts_nobody(void)
{
	attack(ATTACK_LEFT);
}

static void a_republisher_that_writes_nonsense_hurts_nobody(void)
{
	attack(ATTACK_RELAY);
}

static void a_subscriber_that_writes_nonsense_hurts_nobody(void)
{
	attack(ATTACK_NODE);
}

static void lanes_full_of_nonsense_hurt_nobody(void)
{
	attack(ATTACK_LANES);
}

static void a_cursor_that_lies_about_a_lane_hurts_its_author_alone(void)
{
	attack(ATTACK_DROPPER);
}

static void nonsense_in_the_hints_ends_nobody(void)
{
	attack(ATTACK_HINTS);
}

/*
 * Values that mean something to the library itself
 */

/* SEEN_NONE is what a subscriber remembers when it must look again; a hint is no place for it. */
static void a_hint_may_have_any_value(void)
{
	struct floe_subscriber *sub = subscriber(TOPIC, NULL);
	struct floe_publisher *pub;
	struct floe_sample sample;
	struct hints_shared *hints = attack_find_hints();

	store_relaxed(&hints->publishers, UINT64_MAX);
	expect_equal(floe_take(sub, &sample), 0);
	expect_equal(floe_wait(sub, now_ns() + MILLISECONDS), 0);
	pub = publisher(TOPIC, NULL);
	publish(pub, 8, 1);
	store_relaxed(&hints->publishers, UINT64_MAX);
	expect_known(floe_take(sub, &sample), "floe_take");
	floe_publisher_close(pub);
	for (int i = 0; i < 3; i++) {
		store_relaxed(&hints->publishers, i ? UINT64_MAX : 7);
		expect_known(floe_take(sub, &sample), "floe_take");
	}
	floe_subscriber_close(sub);
}

/*
 * A file that claims to be as large as files can be, and has next to no memory
 */

#define TEBIBYTE ((uint64_t)1 << 40)
#define FAR (TEBIBYTE / 2)
#define HEAD_SIZE 8192

static void find_file(const char *topic, const char *name, char *ret_path, size_t size)
{
	char pattern[512];
	glob_t files;

	(void)snprintf(pattern, sizeof(pattern), "%s/*/topics/%s/%s", getenv("FLOE_DIR"), topic,
		       name);
	expect_equal(glob(pattern, 0, NULL, &files), 0);
	(void)snprintf(ret_path, size, "%s", files.gl_pathv[0]);
	globfree(&files);
}

static int open_file(const char *topic, const char *name)
{
	char path[512];
	int fd;

	find_file(topic, name, path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	expect(fd >= 0);
	return fd;
}

static int open_ring(const char *topic)
{
	return open_file(topic, "pub.0");
}

static void unlink_ring(const char *topic)
{
	char path[512];

	find_file(topic, "pub.0", path, sizeof(path));
	expect_equal(unlink(path), 0);
}

static int64_t count_blocks(int fd)
{
	struct stat seen;

	expect_equal(fstat(fd, &seen), 0);
	return seen.st_blocks;
}

/* Its pools fill the file, and all of their chunks have memory, as it says. */
static struct segment_shared *inflate(int fd, uint64_t size)
{
	struct segment_shared *segment;

	expect_equal(ftruncate(fd, (off_t)size), 0);
	segment = mmap(NULL, HEAD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(segment != MAP_FAILED);
	segment->size = size;
	segment->quota = segment->flags & FLOE_ELASTIC ? size : 0;
	if (!(segment->flags & FLOE_ELASTIC)) {
		uint64_t count = (size - segment->pool[0].offset) / segment->pool[0].chunk_size;

		segment->pool[0].chunk_count_max = count < UINT32_MAX ? count : UINT32_MAX;
		store_relaxed(&segment->pool[0].chunk_count, segment->pool[0].chunk_count_max);
	}
	return segment;
}

static struct slot_shared *first_slot(struct segment_shared *segment)
{
	return (struct slot_shared *)(void *)((unsigned char *)segment + segment->slots_offset) + 1;
}

static void send_from_afar(struct segment_shared *segment, uint64_t offset, uint64_t size)
{
	struct slot_shared *slot = (struct slot_shared *)(void *)((unsigned char *)segment +
								  segment->slots_offset);
	uint64_t next = load_relaxed(&segment->head) + 1;

	slot += next % segment->depth;
	store_relaxed(&slot->sequence, 2 * next - 1);
	fence_release();
	store_relaxed(&slot->what, offset);
	store_relaxed(&slot->word[SLOT_CHUNK_SIZE], size);
	store_release(&slot->sequence, 2 * next);
	store_release(&segment->head, next);
}

static void look_on(const char *topic)
{
	struct floe_observer_options all = {.size = sizeof(all), .history = 8};
	struct floe_publisher_info info;
	struct floe_observer *observer;
	struct floe_sample sample;
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect(floe_view_publishers(view, topic, &info, sizeof(info), 1) >= 1);
	expect_equal(floe_observer_open(&observer, view, topic, &all), 0);
	for (int i = 0; i < 3; i++)
		expect(floe_observer_next(observer, 0, &sample) <= 0);
	floe_observer_close(observer);
	expect(floe_view_clean(view, 1, NULL, NULL) >= 0);
	floe_view_close(view);
}

/* All that others do with it leaves it as empty as it was: so nobody went through it. */
static void a_ring_of_a_tebibyte_of_nothing_costs_nothing(void)
{
	struct floe_publisher *pub = publisher(TOPIC, PUBLISHER(.depth = 8, .payload_max = 4096));
	int fd = open_ring(TOPIC);
	struct segment_shared *segment = inflate(fd, TEBIBYTE);
	struct floe_subscriber *sub = subscriber(TOPIC, NULL);
	int64_t before = count_blocks(fd);
	struct floe_sample sample;

	send_from_afar(segment, FAR, 4096);
	expect_equal(floe_take(sub, &sample), -EPROTO);
	look_on(TOPIC);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	pub = publisher(TOPIC, PUBLISHER(.depth = 8, .payload_max = 4096));
	sub = subscriber(TOPIC, NULL);
	publish(pub, 4096, 5);
	receive(sub, 4096, 5);
	expect_equal(count_blocks(fd), before);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_equal(munmap(segment, HEAD_SIZE), 0);
	close(fd);
}

static void stay_subscribed(int wire, void *topic)
{
	struct floe_subscriber *sub = subscriber(topic, NULL);

	tell(wire, 1);
	(void)hear(wire);
	floe_subscriber_close(sub);
}

static void inflate_nodes(size_t count)
{
	char pattern[512];
	glob_t files;

	(void)snprintf(pattern, sizeof(pattern), "%s/*/nodes/*", getenv("FLOE_DIR"));
	expect_equal(glob(pattern, 0, NULL, &files), 0);
	expect_equal(files.gl_pathc, count);
	for (size_t i = 0; i < count; i++)
		expect_equal(truncate(files.gl_pathv[i], (off_t)1 << 44), 0);
	globfree(&files);
}

/* Together they are larger than the addresses of a process. */
static void nodes_of_many_tebibytes_of_nothing_keep_nobody_out(void)
{
	struct peer peers[10];
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	struct floe_view *view;

	for (size_t i = 0; i < COUNT(peers); i++) {
		peers[i] = peer_start(stay_subscribed, TOPIC);
		expect_equal(hear(peers[i].wire), 1);
	}
	inflate_nodes(COUNT(peers));
	pub = publisher(TOPIC, PUBLISHER(.depth = 8, .payload_max = 4096));
	sub = subscriber(TOPIC, NULL);
	publish(pub, 4096, 5);
	receive(sub, 4096, 5);
	expect(floe_view_open(&view, NULL, NULL, NULL) == 0);
	expect(floe_view_clean(view, 1, NULL, NULL) >= 0);
	for (size_t i = 0; i < COUNT(peers); i++)
		peer_kill(&peers[i]);
	expect(floe_view_clean(view, 0, NULL, NULL) >= 0);
	floe_view_close(view);
	publish(pub, 4096, 6);
	receive(sub, 4096, 6);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

#define HUGE_SIZE ((uint64_t)REGION_SIZE_MAX)
#define LEAST_SIZE ((uint64_t)1 << 22)
#define HUGE_COUNT (4 + 23)

/* Four that are together as large as all addresses of a process, and what fills the gaps. A ring of the last
 * index is read all the same. */
static void rings_of_many_tebibytes_of_nothing_keep_nobody_out(void)
{
	struct floe_publisher *huge[HUGE_COUNT], *pub;
	struct floe_subscriber *sub, *other;
	struct floe_publisher_info info;
	struct floe_observer *observer;
	struct floe_sample sample;
	struct floe_view *view;
	char name[16];
	int told = 0;

	for (unsigned i = 0; i < HUGE_COUNT; i++) {
		int fd;

		huge[i] = publisher(TOPIC, PUBLISHER(.depth = 8, .payload_max = 4096));
		(void)snprintf(name, sizeof(name), "pub.%u", i);
		fd = open_file(TOPIC, name);
		expect_equal(
			munmap(inflate(fd, i < 4 ? HUGE_SIZE : HUGE_SIZE >> (i - 3)), HEAD_SIZE),
			0);
		close(fd);
	}
	expect_equal(HUGE_SIZE >> (HUGE_COUNT - 1 - 3), LEAST_SIZE);
	pub = publisher(TOPIC, PUBLISHER(.depth = 8, .payload_max = 4096));
	for (int i = 0; i < 3; i++) {
		sub = subscriber(TOPIC, NULL);
		other = subscriber(TOPIC, NULL);
		publish(pub, 4096, 5);
		for (int r = floe_take(sub, &sample); r != 1; r = floe_take(sub, &sample)) {
			expect_equal(r, -EPROTO);
			told++;
		}
		expect_equal(told, i + 1);
		expect(is_filled(sample.data, 4096, 5));
		floe_release(sub, &sample);
		expect_nothing(sub);
		expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
		expect(floe_view_publishers(view, TOPIC, &info, sizeof(info), 1) >= 1);
		expect_equal(floe_observer_open(&observer, view, TOPIC, NULL), 0);
		publish(pub, 4096, 6);
		expect_equal(floe_observer_next(observer, 0, &sample), 1);
		receive(sub, 4096, 6);
		floe_observer_close(observer);
		floe_view_close(view);
		floe_subscriber_close(other);
		floe_subscriber_close(sub);
	}
	floe_publisher_close(pub);
	for (unsigned i = 0; i < HUGE_COUNT; i++)
		floe_publisher_close(huge[i]);
}

/* What is larger than there is a reason for is let go with who read it: the next one is mapped again. */
static void large_rings_have_addresses_again_when_they_are_closed(void)
{
	struct floe_publisher *pub = publisher(TOPIC, PUBLISHER(.depth = 8, .payload_max = 4096));
	int fd = open_ring(TOPIC);

	expect_equal(munmap(inflate(fd, TEBIBYTE), HEAD_SIZE), 0);
	for (uint64_t i = 0; i < 100; i++) {
		struct floe_subscriber *sub = subscriber(TOPIC, NULL);

		publish(pub, 4096, i);
		receive(sub, 4096, i);
		floe_subscriber_close(sub);
	}
	floe_publisher_close(pub);
	close(fd);
}

static void limit_addresses(rlim_t size)
{
	struct rlimit limit;

	expect_equal(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = size;
	expect_equal(setrlimit(RLIMIT_AS, &limit), 0);
}

/* Others are read, and it is told of once. */
static void a_ring_that_finds_no_addresses_is_left_out(void)
{
	struct floe_publisher *large = publisher(TOPIC, PUBLISHER(.depth = 8));
	int fd = open_ring(TOPIC);
	struct floe_publisher *pub = publisher(TOPIC, PUBLISHER(.depth = 8));
	struct floe_subscriber *sub;
	struct floe_sample sample;

#ifdef SANITIZED
	skip("a sanitizer takes addresses of its own");
#endif
	expect_equal(munmap(inflate(fd, TEBIBYTE), HEAD_SIZE), 0);
	limit_addresses(TEBIBYTE);
	sub = subscriber(TOPIC, NULL);
	publish(pub, 100, 1);
	expect_equal(floe_take(sub, &sample), -EPROTO);
	receive(sub, 100, 1);
	publish(pub, 100, 2);
	receive(sub, 100, 2);
	expect_nothing(sub);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	floe_publisher_close(large);
	close(fd);
}

/* Who goes on with a ring gives it the addresses that it needs, and no more. */
static void a_ring_that_is_larger_than_it_says_has_no_heir(void)
{
	struct floe_subscriber *sub = subscriber(TOPIC, NULL);

	for (uint64_t larger = 0; larger < 2; larger++) {
		struct floe_publisher *pub = publisher(TOPIC, PUBLISHER(.depth = 8 + larger));
		int fd;

		publish(pub, 100, 1);
		receive(sub, 100, 1);
		fd = open_file(TOPIC, larger ? "pub.1" : "pub.0");
		expect_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) + (off_t)larger * HEAD_SIZE), 0);
		close(fd);
		floe_publisher_close(pub);
		pub = publisher(TOPIC, PUBLISHER(.depth = 8 + larger));
		expect_equal(publisher_counts(pub).published, 1 - larger);
		floe_publisher_close(pub);
	}
	floe_subscriber_close(sub);
}

/* It is as large as a topic file is, or none. */
static void a_topic_file_of_many_tebibytes_is_none(void)
{
	struct floe_publisher *pub = publisher(QUIET, NULL);
	struct floe_observer *observer;
	struct floe_view *view;
	int fd = open_file(QUIET, "topic");

	expect_equal(ftruncate(fd, (off_t)HUGE_SIZE), 0);
	close(fd);
	expect_equal(try_publisher(QUIET, NULL, "too large"), -EPROTO);
	expect_equal(try_subscriber(QUIET, NULL, "too large"), -EPROTO);
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_observer_open(&observer, view, QUIET, NULL), -EPROTO);
	floe_view_close(view);
	floe_publisher_close(pub);
}

/* A message of a gibibyte of holes: who takes it gets what he may read, who copies does not. */
static void an_elastic_ring_of_holes_costs_nothing(void)
{
	struct floe_publisher *pub = publisher(
		TOPIC,
		PUBLISHER(.depth = 8, .payload_max = (size_t)1 << 30, .flags = FLOE_ELASTIC));
	int fd = open_ring(TOPIC);
	struct segment_shared *segment = mmap(NULL, HEAD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
					      fd, 0);
	struct floe_subscriber *sub = subscriber(TOPIC, NULL);
	int64_t before = count_blocks(fd);
	struct floe_sample sample;

	expect(segment != MAP_FAILED);
	send_from_afar(segment, HEAD_SIZE, (uint64_t)1 << 30);
	look_on(TOPIC);
	expect_known(floe_take(sub, &sample), "floe_take");
	floe_release(sub, &sample);
	expect_equal(count_blocks(fd), before);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_equal(munmap(segment, HEAD_SIZE), 0);
	close(fd);
}

/* As many bytes have memory as are claimed, but elsewhere: who copies reads zeros and makes none. */
static void holes_in_an_elastic_ring_that_has_memory_stay_holes(void)
{
	struct floe_publisher *pub = publisher(
		TOPIC,
		PUBLISHER(.depth = 8, .payload_max = (size_t)1 << 30, .flags = FLOE_ELASTIC));
	struct floe_observer *observer = NULL;
	int fd = open_ring(TOPIC);
	struct segment_shared *segment = mmap(NULL, HEAD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
					      fd, 0);
	struct floe_view *view = NULL;
	struct floe_sample sample;
	int64_t before;

	expect(segment != MAP_FAILED);
	publish(pub, (size_t)4 << 20, 1);
	before = count_blocks(fd);
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_observer_open(&observer, view, TOPIC, NULL), 0);
	send_from_afar(segment, (uint64_t)1 << 29, (uint64_t)2 << 20);
	expect_equal(floe_observer_next(observer, 0, &sample), 1);
	read_all(&sample);
	expect_equal(count_blocks(fd), before);
	floe_observer_close(observer);
	floe_view_close(view);
	floe_publisher_close(pub);
	expect_equal(munmap(segment, HEAD_SIZE), 0);
	close(fd);
}

/* The same of one whose file has lost its name: nobody can ask what it has, and nobody fills it. */
static void holes_in_an_elastic_ring_without_a_name_stay_holes(void)
{
	struct floe_publisher *pub = publisher(
		TOPIC,
		PUBLISHER(.depth = 8, .payload_max = (size_t)1 << 30, .flags = FLOE_ELASTIC));
	struct floe_observer *observer = NULL;
	int fd = open_ring(TOPIC);
	struct segment_shared *segment = mmap(NULL, HEAD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
					      fd, 0);
	struct floe_view *view = NULL;
	struct floe_sample sample;
	int64_t before;

	expect(segment != MAP_FAILED);
	publish(pub, (size_t)4 << 20, 1);
	before = count_blocks(fd);
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_observer_open(&observer, view, TOPIC, NULL), 0);
	unlink_ring(TOPIC);
	send_from_afar(segment, (uint64_t)1 << 29, (uint64_t)1 << 30);
	expect(floe_observer_next(observer, 0, &sample) <= 0);
	expect_equal(count_blocks(fd), before);
	floe_observer_close(observer);
	floe_view_close(view);
	floe_publisher_close(pub);
	expect_equal(munmap(segment, HEAD_SIZE), 0);
	close(fd);
}

static void limit_descriptors(rlim_t count)
{
	struct rlimit limit;

	expect_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = count < limit.rlim_max ? count : limit.rlim_max;
	expect_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Who has no descriptor to ask what a ring with a name has is told so, and asks again: only then it is
 * known that nothing is there. */
static void what_cannot_be_asked_for_now_is_not_lost(void)
{
	struct floe_publisher *pub = publisher(
		TOPIC,
		PUBLISHER(.depth = 8, .payload_max = (size_t)1 << 30, .flags = FLOE_ELASTIC));
	struct floe_observer *observer = NULL;
	int fd = open_ring(TOPIC);
	struct segment_shared *segment = mmap(NULL, HEAD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
					      fd, 0);
	struct floe_view *view = NULL;
	struct floe_sample sample;
	struct rlimit before;

	expect(segment != MAP_FAILED);
	expect_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_observer_open(&observer, view, TOPIC, NULL), 0);
	send_from_afar(segment, (uint64_t)1 << 20, FEED_NAMELESS_MAX + 4096);
	limit_descriptors(0);
	expect_equal(floe_observer_next(observer, 0, &sample), -EMFILE);
	expect_equal(floe_observer_next(observer, 0, &sample), -EMFILE);
	limit_descriptors(before.rlim_cur);
	expect_equal(floe_observer_next(observer, 0, &sample), 0);
	/* The publisher itself has sent none yet: the first of these is in place of that one. */
	publish(pub, 100, 1);
	publish(pub, 100, 2);
	expect_equal(floe_observer_next(observer, 0, &sample), 1);
	expect_equal(sample.sequence, 2);
	expect_equal(sample.lost, 1);
	floe_observer_close(observer);
	floe_view_close(view);
	floe_publisher_close(pub);
	expect_equal(munmap(segment, HEAD_SIZE), 0);
	close(fd);
}

/*
 * Relays that lead into holes of a third party
 */

#define HOLE ((uint64_t)1 << 29)
#define RING_SIZE ((size_t)1 << 18)

/* The first that is in use in the ring that is mapped here. */
static struct relay_shared *find_relay(unsigned char *base)
{
	struct segment_shared *segment = (struct segment_shared *)(void *)base;
	struct relay_shared *relay;

	relay = (struct relay_shared *)(void *)(base + segment->slots_offset +
						segment->depth * sizeof(struct slot_shared) +
						segment->loans_max * sizeof(struct loan_shared));
	while (load_relaxed(&relay->holder) == 0)
		relay++;
	return relay;
}

static void look_at_relayed(struct floe_observer *observer, struct segment_shared *segment,
			    uint64_t size)
{
	struct floe_sample sample;

	send_from_afar(segment, load_relaxed(&first_slot(segment)->what), size);
	expect_equal(floe_observer_next(observer, 0, &sample), 1);
	expect_equal(sample.size, size);
	read_all(&sample);
}

/* Whoever looks at what it relays reads zeros, and the ring of the third takes not a page more. */
static void holes_of_others_stay_holes_whatever_is_relayed_of_them(void)
{
	struct floe_publisher *source = publisher(
		QUIET,
		PUBLISHER(.depth = 8, .payload_max = (size_t)1 << 30, .flags = FLOE_ELASTIC));
	struct floe_subscriber *in = subscriber(QUIET, NULL);
	struct floe_publisher *pub = publisher(
		TOPIC, PUBLISHER(.depth = 16, .payload_max = 4096, .relays_max = 255));
	int third = open_ring(QUIET), fd = open_ring(TOPIC);
	unsigned char *base = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct floe_observer *observer = NULL;
	struct floe_view *view = NULL;
	struct floe_sample sample;
	int64_t before;

	expect(base != MAP_FAILED);
	publish(source, (size_t)4 << 20, 1);
	publish(source, 4096, 2);
	receive(in, (size_t)4 << 20, 1);
	sample = take(in, 4096, 2);
	expect_equal(floe_republish(pub, in, &sample), 1);
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_observer_open(&observer, view, TOPIC, NULL), 0);
	store_relaxed(&find_relay(base)->offset, HOLE);
	before = count_blocks(third);
	look_at_relayed(observer, (struct segment_shared *)(void *)base, 4096);
	look_at_relayed(observer, (struct segment_shared *)(void *)base, (uint64_t)3 << 20);
	expect_equal(count_blocks(third), before);
	floe_observer_close(observer);
	floe_view_close(view);
	floe_publisher_close(pub);
	floe_subscriber_close(in);
	floe_publisher_close(source);
	expect_equal(munmap(base, RING_SIZE), 0);
	close(fd);
	close(third);
}

/*
 * Relays that lead nowhere, more than one call leaves out
 */

#define RELAYED 600
#define LEFT_OUT 255

/* What is left is told of, also to who waits for edges. */
static void relays_that_lead_nowhere_keep_nobody_in_one_call(void)
{
	struct floe_publisher *source = publisher(QUIET, PUBLISHER(.payload_max = 4096));
	struct floe_subscriber *in = subscriber(QUIET, NULL);
	struct floe_publisher *pub = publisher(
		TOPIC, PUBLISHER(.depth = 1024, .payload_max = 4096, .relays_max = 255));
	struct floe_subscriber *sub = subscriber(TOPIC, NULL);
	int fd = open_ring(TOPIC);
	unsigned char *base = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct segment_shared *segment = (struct segment_shared *)(void *)base;
	struct relay_shared *relay;
	struct floe_sample sample;
	int epoll = edge_epoll(floe_subscriber_fd(sub));

	expect(base != MAP_FAILED);
	publish(source, 4096, 1);
	sample = take(in, 4096, 1);
	expect_equal(floe_republish(pub, in, &sample), 1);
	receive(sub, 4096, 1);
	relay = find_relay(base);
	store_relaxed(&relay->life, load_relaxed(&relay->life) + 4);
	for (int i = 0; i < RELAYED; i++)
		send_from_afar(segment, load_relaxed(&first_slot(segment)->what), 4096);
	expect_equal(floe_take(sub, &sample), 0);
	expect_equal(subscriber_counts(sub).lost, LEFT_OUT);
	expect_equal(floe_wait(sub, -1), 1);
	for (int i = 0; i < RELAYED / LEFT_OUT; i++) {
		edge_await(epoll);
		expect_equal(floe_take(sub, &sample), 0);
	}
	expect_equal(subscriber_counts(sub).lost, RELAYED);
	close(epoll);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	floe_subscriber_close(in);
	floe_publisher_close(source);
	expect_equal(munmap(base, RING_SIZE), 0);
	close(fd);
}

/*
 * Messages in parts whose rest is never there, more than one call gives up
 */

#define ATTEMPTS 3 /* of one call */
#define CALLS 4

/* The first part of two; in place of the second there is one of a later round. */
static void send_half(struct segment_shared *segment, uint64_t next, uint64_t chunk)
{
	struct slot_shared *slots = first_slot(segment) - 1;
	struct slot_shared *first = slots + next % segment->depth;

	store_relaxed(&first->what, chunk | SLOT_PART);
	store_relaxed(&first->word[SLOT_CHUNK_SIZE], 100);
	store_relaxed(&first->word[SLOT_CHUNK_MARK], part_mark((struct part){0, 2}));
	store_relaxed(&slots[(next + 1) % segment->depth].sequence,
		      2 * (next + 1 + segment->depth));
	store_release(&first->sequence, 2 * next);
}

static void halves_of_messages_keep_nobody_in_one_call(void)
{
	struct floe_publisher *pub = publisher(TOPIC, PUBLISHER(.depth = 64, .payload_max = 4096));
	struct floe_subscriber *sub = subscriber(TOPIC, NULL);
	int fd = open_ring(TOPIC);
	unsigned char *base = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct segment_shared *segment = (struct segment_shared *)(void *)base;
	struct floe_sample sample[2];
	uint64_t next = 2;
	int epoll;

	expect(base != MAP_FAILED);
	publish(pub, 4096, 1);
	receive(sub, 4096, 1);
	epoll = edge_epoll(floe_subscriber_fd(sub));
	for (int i = 0; i < CALLS * ATTEMPTS; i++, next += 2)
		send_half(segment, next, load_relaxed(&first_slot(segment)->what));
	for (int i = 0; i < CALLS; i++) {
		expect_equal(floe_take_parts(sub, sample, COUNT(sample)), 0);
		edge_await(epoll);
	}
	expect_equal(subscriber_counts(sub).lost, next - 2 - 1);
	close(epoll);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_equal(munmap(base, RING_SIZE), 0);
	close(fd);
}

/*
 * Offers that no publisher can make
 */

static void name_any(struct accord_shared *offer)
{
	offer->attribute[0].any = 1;
}

static void steer_terminals(struct accord_shared *offer)
{
	memcpy(offer->attribute[0].key, "\x1b[2J", 5);
}

static void say_no_text(struct accord_shared *offer)
{
	memcpy(offer->attribute[0].value, "\xff", 2);
}

static void call_a_header_so(struct accord_shared *offer)
{
	memcpy(offer->header.name, "\n", 2);
}

static void call_a_key_a_path(struct accord_shared *offer)
{
	memcpy(offer->attribute[1].key, "a/b", 4);
}

static void call_a_key_a_folder(struct accord_shared *offer)
{
	memcpy(offer->attribute[1].key, "..", 3);
}

static void give_a_key_a_value(struct accord_shared *offer)
{
	memcpy(offer->attribute[1].key, "a=b", 4);
}

static void give_a_key_no_name(struct accord_shared *offer)
{
	offer->attribute[1].key[0] = 0;
}

static void never_end_a_key(struct accord_shared *offer)
{
	memset(offer->attribute[1].key, 'k', sizeof(offer->attribute[1].key));
}

/* Which of the two would it be? */
static void say_it_twice(struct accord_shared *offer)
{
	memcpy(offer->attribute[1].key, offer->attribute[0].key, sizeof(offer->attribute[0].key));
}

static void expect_refused(void (*spoil)(struct accord_shared *offer))
{
	static const struct floe_attribute map[] = {{"frame", "map"}, {"unit", "m"}};
	static const struct floe_attribute odom = {"frame", "odom"};
	struct floe_publisher *pub = publisher(TOPIC,
					       PUBLISHER(.attributes = map, .attributes_count = 2));
	int fd = open_ring(TOPIC);
	unsigned char *base = mmap(NULL, HEAD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct floe_attribute_info info;
	struct floe_view *view;

	expect(base != MAP_FAILED);
	spoil((struct accord_shared *)(void *)(base + segment_accord_offset((void *)base)));
	expect_equal(try_subscriber(TOPIC, SUBSCRIBER(.attributes = &odom, .attributes_count = 1),
				    "damaged (accord)"),
		     -EPROTO);
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_view_attributes(view, TOPIC, 0, &info, sizeof(info), 1), -EPROTO);
	floe_view_close(view);
	floe_publisher_close(pub);
	expect_equal(munmap(base, HEAD_SIZE), 0);
	close(fd);
}

static void an_offer_that_nobody_can_make_is_refused(void)
{
	expect_refused(name_any);
	expect_refused(steer_terminals);
	expect_refused(say_no_text);
	expect_refused(call_a_header_so);
	expect_refused(call_a_key_a_path);
	expect_refused(call_a_key_a_folder);
	expect_refused(give_a_key_a_value);
	expect_refused(give_a_key_no_name);
	expect_refused(never_end_a_key);
	expect_refused(say_it_twice);
}

/* A header that has no room in a slot, and a payload that all the same says that it lies there. */
static void who_says_that_nothing_travels_inline_and_sends_it_so_has_no_header(void)
{
	static const struct floe_type header = {.size = 64};
	struct floe_publisher *pub = publisher(TOPIC, PUBLISHER(.header = &header, .depth = 1));
	struct floe_subscriber *sub = subscriber(TOPIC, NULL);
	int fd = open_ring(TOPIC);
	unsigned char *base = mmap(NULL, HEAD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct segment_shared *segment = (void *)base;
	struct floe_sample sample;
	size_t size;

	expect(base != MAP_FAILED);
	expect_equal(segment->header_inline, 0);
	publish(pub, 200, 1);
	sample = take(sub, 200, 1);
	expect(floe_sample_header(sub, &sample, NULL) != NULL);
	floe_release(sub, &sample);
	publish(pub, 200, 2);
	store_release(&((struct slot_shared *)(void *)(base + segment->slots_offset))->what,
		      SLOT_INLINE | 8);
	expect_equal(floe_take(sub, &sample), 1);
	expect_equal(sample.size, 8);
	expect(!floe_sample_header(sub, &sample, &size));
	floe_release(sub, &sample);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_equal(munmap(base, HEAD_SIZE), 0);
	close(fd);
}

/*
 * Limits that nobody set: who shows them, who adopts them, who reserves memory for them
 */

#define LEAST 2
#define MOST 10
#define MIB ((size_t)1 << 20)

static const uint64_t limits[] = {0,         1, LEAST, MOST, MOST + 1, 1 << 20, (uint64_t)1 << 63,
				  UINT64_MAX};

#define LIMITED(...) \
	PUBLISHER(.loans_max = LEAST, .loans_ceiling = MOST, .depth = 1, .holds_max = 1, \
		  __VA_ARGS__)
#define LIMITED_ELASTIC \
	LIMITED(.flags = FLOE_ELASTIC, .payload_max = MIB, .quota = LEAST * MIB, \
		.quota_ceiling = MOST * MIB)

static struct segment_shared *map_head(const char *topic)
{
	int fd = open_ring(topic);
	struct segment_shared *segment = mmap(NULL, HEAD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
					      fd, 0);

	expect(segment != MAP_FAILED);
	close(fd);
	return segment;
}

/*
 * A file that ends where its ring does: who is behind looks ahead, and no further
 */

static void nobody_looks_ahead_behind_the_ring(void)
{
	struct floe_publisher *pub = publisher(TOPIC, PUBLISHER(.depth = 1, .loans_max = 1));
	struct segment_shared *segment = map_head(TOPIC);
	uint64_t depth = (HEAD_SIZE - segment->slots_offset) / FLOE_CACHELINE - 1;
	struct floe_observer_options all = {.size = sizeof(all), .history = depth};
	struct floe_observer *observer = NULL;
	struct floe_view *view = NULL;
	struct floe_sample sample;
	int fd;

	expect_equal(munmap(segment, HEAD_SIZE), 0);
	floe_publisher_close(pub);
	pub = publisher(TOPIC, PUBLISHER(.depth = depth, .loans_max = 1));
	for (uint64_t i = 0; i < depth + depth / 2; i++)
		publish(pub, 8, i);
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_observer_open(&observer, view, TOPIC, &all), 0);
	fd = open_ring(TOPIC);
	expect_equal(ftruncate(fd, HEAD_SIZE), 0);
	close(fd);
	for (uint64_t i = 0; i < depth; i++)
		expect_equal(floe_observer_borrow(observer, &sample), 1);
	floe_observer_close(observer);
	floe_view_close(view);
	floe_publisher_close(pub);
}

/* The only port of this process that may be raised so far, in the file of its node. */
static struct port_shared *map_port(unsigned char **ret_file, size_t *ret_size)
{
	char pattern[512];
	glob_t files;
	int fd;

	(void)snprintf(pattern, sizeof(pattern), "%s/*/nodes/*", getenv("FLOE_DIR"));
	expect_equal(glob(pattern, 0, NULL, &files), 0);
	fd = open(files.gl_pathv[0], O_RDWR | O_CLOEXEC);
	globfree(&files);
	*ret_size = (size_t)lseek(fd, 0, SEEK_HOLE);
	*ret_file = mmap(NULL, *ret_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(*ret_file != MAP_FAILED);
	close(fd);
	for (size_t at = 0; at + sizeof(struct port_shared) <= *ret_size; at += 64) {
		struct port_shared *port = (struct port_shared *)(void *)(*ret_file + at);

		if (load_relaxed(&port->state) == PORT_OPEN && port->holds_max == MOST &&
		    strcmp(port->topic, TOPIC) == 0)
			return port;
	}
	frame_fail(__FILE__, __LINE__, "a port");
	return NULL;
}

/*
 * Who comes in the place of another one, between two looks
 */

static void break_head(const char *topic)
{
	struct segment_shared *segment = map_head(topic);

	segment->depth = 0;
	expect_equal(munmap(segment, HEAD_SIZE), 0);
}

/* Nobody would wait for a reliable subscriber there before that has looked again. */
static void what_was_refused_and_is_gone_is_forgotten(void)
{
	struct floe_subscriber *sub = subscriber(TOPIC, SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE,
								   .holds_max = LEAST,
								   .holds_ceiling = MOST));
	struct floe_publisher *pub = publisher(TOPIC, PUBLISHER(.depth = 2));
	struct floe_sample sample;
	unsigned char *file;
	size_t size;
	struct port_shared *port = map_port(&file, &size);

	break_head(TOPIC);
	expect_equal(floe_take(sub, &sample), -EPROTO);
	expect_equal(load_relaxed(&port->cursor[0]), CURSOR_NEVER);
	expect_nothing(sub);
	unlink_ring(TOPIC);
	floe_publisher_close(pub);
	/* Another one comes elsewhere: that is told of. */
	pub = publisher(TOPIC, PUBLISHER(.depth = 2));
	expect_nothing(sub);
	expect_equal(load_relaxed(&port->cursor[0]), 0);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
	expect_equal(munmap(file, size), 0);
}

/* All indexes are taken, and the last one is given to somebody else, who is read from his first message on, and
 * waits for who is reliable. */
static void replace_last(bool all_whole)
{
	struct floe_subscriber *sub = subscriber(TOPIC, SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE,
								   .holds_max = LEAST,
								   .holds_ceiling = MOST));
	struct floe_publisher *pub[FLOE_PUBLISHERS_MAX];
	struct floe_publisher **last = &pub[FLOE_PUBLISHERS_MAX - 1];
	struct floe_sample sample;
	uint64_t until = 0;
	unsigned char *file;
	size_t size;
	struct port_shared *port = map_port(&file, &size);

	for (size_t i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		pub[i] = publisher(TOPIC, PUBLISHER(.depth = 2));
	if (!all_whole) {
		break_head(TOPIC);
		expect_equal(floe_take(sub, &sample), -EPROTO);
	}
	expect_nothing(sub);
	expect_equal(load_relaxed(&port->cursor[FLOE_PUBLISHERS_MAX - 1]), 1);
	floe_publisher_close(*last);
	*last = publisher(TOPIC, PUBLISHER(.depth = 3));
	publish(*last, 8, 2);
	expect_equal(floe_wait(sub, 0), 1);
	expect_equal(load_relaxed(&port->cursor[FLOE_PUBLISHERS_MAX - 1]), 1);
	while (until < 10 && try_publish(*last, 8, 3 + until) == 1)
		until++;
	expect_equal(until, 2);
	receive(sub, 8, 2);
	for (uint64_t i = 0; i < until; i++)
		receive(sub, 8, 3 + i);
	expect_nothing(sub);
	for (size_t i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		floe_publisher_close(pub[i]);
	floe_subscriber_close(sub);
	expect_equal(munmap(file, size), 0);
}

static void who_comes_in_the_place_of_another_is_read_and_waits(void)
{
	replace_last(false);
}

static void who_comes_where_there_is_no_other_place_is_read_and_waits(void)
{
	replace_last(true);
}

/* Its ring has a second name, in somebody's index who is not there: it is known by its own. */
static void a_second_name_of_a_ring_keeps_nothing_there(void)
{
	struct floe_subscriber *sub = subscriber(
		TOPIC, SUBSCRIBER(.holds_max = LEAST, .holds_ceiling = MOST));
	struct floe_publisher *pub = publisher(TOPIC, PUBLISHER(.depth = 2));
	char path[512], other[512 + 8];
	unsigned char *file;
	size_t size;
	struct port_shared *port = map_port(&file, &size);

	publish(pub, 8, 1);
	receive(sub, 8, 1);
	find_file(TOPIC, "pub.0", path, sizeof(path));
	(void)snprintf(other, sizeof(other), "%.*s7", (int)strlen(path) - 1, path);
	expect_equal(link(path, other), 0);
	expect_equal(unlink(path), 0);
	floe_publisher_close(publisher(TOPIC, PUBLISHER(.depth = 3)));
	expect_nothing(sub);
	expect_equal(load_relaxed(&port->cursor[0]), 0);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
	expect_equal(munmap(file, size), 0);
}

static int lend_all(struct floe_publisher *pub, size_t size, struct floe_loan *loans)
{
	int count = 0;

	while (count < 2 * MOST && floe_loan(pub, size, &loans[count]) == 1)
		count++;
	for (int i = 0; i < count; i++)
		floe_discard(pub, &loans[i]);
	return count;
}

static uint64_t at_most(uint64_t limit, uint64_t most)
{
	return limit < most ? limit : most;
}

static void nobody_is_shown_more_than_a_limit_can_be(void)
{
	struct floe_publisher *pub = publisher(TOPIC, LIMITED_ELASTIC);
	struct floe_subscriber *sub = subscriber(
		TOPIC, SUBSCRIBER(.holds_max = LEAST, .holds_ceiling = MOST));
	struct segment_shared *segment = map_head(TOPIC);
	struct floe_publisher_info sends;
	struct floe_subscriber_info reads;
	struct floe_view *view;
	unsigned char *file;
	size_t size;
	struct port_shared *port = map_port(&file, &size);

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	for (size_t i = 0; i < COUNT(limits); i++) {
		store_relaxed(&segment->loans_limit, limits[i]);
		store_relaxed(&segment->quota_limit, limits[i]);
		store_relaxed(&port->holds_limit, limits[i]);
		expect_equal(floe_view_publishers(view, TOPIC, &sends, sizeof(sends), 1), 1);
		expect_equal(sends.loans_max, at_most(limits[i], MOST));
		expect_equal(sends.quota, at_most(limits[i], MOST * MIB));
		expect_equal(floe_view_subscribers(view, TOPIC, &reads, sizeof(reads), 1), 1);
		expect_equal(reads.holds_max, at_most(limits[i], MOST));
	}
	floe_view_close(view);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_equal(munmap(segment, HEAD_SIZE), 0);
	expect_equal(munmap(file, size), 0);
}

/* Whoever opens next goes on with what he finds there if it is possible, and with his own else. */
static void who_adopts_a_limit_has_no_more_than_there_is_room_for(void)
{
	struct floe_loan loans[2 * MOST];

	for (size_t i = 0; i < COUNT(limits); i++) {
		struct floe_subscriber *sub = subscriber(TOPIC, NULL);
		struct floe_publisher *pub = publisher(TOPIC, LIMITED());
		struct segment_shared *segment = map_head(TOPIC);
		uint64_t fits = limits[i] <= MOST && limits[i] > LEAST ? limits[i] : LEAST;

		publish(pub, 100, 1);
		floe_publisher_close(pub);
		store_relaxed(&segment->loans_limit, limits[i]);
		pub = publisher(TOPIC, LIMITED());
		expect_equal(publisher_counts(pub).published, 1);
		expect_equal(lend_all(pub, 100, loans), fits);
		expect_equal(load_relaxed(&segment->loans_limit), fits);
		/* Who wrote it goes on writing. */
		store_relaxed(&segment->loans_limit, limits[i]);
		expect_equal(lend_all(pub, 100, loans), fits);
		expect_equal(floe_publisher_limit_loans(pub, MOST), 0);
		expect_equal(lend_all(pub, 100, loans), MOST);
		expect_equal(floe_publisher_limit_loans(pub, MOST + 1), -EINVAL);
		expect_equal(munmap(segment, HEAD_SIZE), 0);
		floe_publisher_close(pub);
		floe_subscriber_close(sub);
	}
}

static void who_adopts_a_quota_has_no_more_than_there_is_room_for(void)
{
	struct floe_loan loans[2 * MOST];

	for (size_t i = 0; i < COUNT(limits); i++) {
		struct floe_subscriber *sub = subscriber(TOPIC, NULL);
		struct floe_publisher *pub = publisher(TOPIC, LIMITED_ELASTIC);
		struct segment_shared *segment = map_head(TOPIC);
		uint64_t limit = limits[i] < 1 << 20 ? limits[i] * MIB : limits[i];
		uint64_t fits = limit <= MOST * MIB && limit > LEAST * MIB ? limit : LEAST * MIB;

		publish(pub, 40, 1);
		floe_publisher_close(pub);
		store_relaxed(&segment->quota_limit, limit);
		pub = publisher(TOPIC, LIMITED_ELASTIC);
		expect_equal(publisher_counts(pub).published, 1);
		expect_equal(publisher_counts(pub).quota, fits);
		store_relaxed(&segment->quota_limit, limit);
		expect_equal(floe_publisher_limit_loans(pub, MOST), 0);
		expect_equal(lend_all(pub, MIB, loans), fits / MIB);
		expect_equal(publisher_counts(pub).quota, fits);
		expect_equal(floe_publisher_limit_memory(pub, MOST * MIB + 4096), -EINVAL);
		expect_equal(munmap(segment, HEAD_SIZE), 0);
		floe_publisher_close(pub);
		floe_subscriber_close(sub);
	}
}

/* A publisher reserves chunks for what its subscribers may hold, as far as they have places for it. */
static void nobody_reserves_more_than_a_port_can_hold(void)
{
	struct floe_publisher *pub = publisher(TOPIC, LIMITED(.payload_max = 4096));
	struct floe_subscriber *sub = subscriber(
		TOPIC, SUBSCRIBER(.holds_max = LEAST, .holds_ceiling = MOST));
	uint64_t length = 0;
	unsigned char *file;
	size_t size;
	struct port_shared *port = map_port(&file, &size);

	for (size_t i = 0; i < COUNT(limits); i++) {
		struct floe_subscriber *other;

		store_release(&port->holds_limit, limits[i]);
		/* Somebody comes, so it looks at all of them again. */
		other = subscriber(TOPIC, NULL);
		publish(pub, 4096, ++length);
		receive(other, 4096, length);
		expect(publisher_counts(pub).chunks <= 1 + LEAST + 1 + MOST + 8);
		floe_subscriber_close(other);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_equal(munmap(file, size), 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_publisher_that_writes_nonsense_hurts_nobody),
		TEST(who_says_that_he_left_and_writes_on_hurts_nobody),
		TEST(a_republisher_that_writes_nonsense_hurts_nobody),
		TEST(a_subscriber_that_writes_nonsense_hurts_nobody),
		TEST(lanes_full_of_nonsense_hurt_nobody),
		TEST(a_cursor_that_lies_about_a_lane_hurts_its_author_alone),
		TEST(nonsense_in_the_hints_ends_nobody),
		TEST(a_hint_may_have_any_value),
		TEST(a_ring_of_a_tebibyte_of_nothing_costs_nothing),
		TEST(nodes_of_many_tebibytes_of_nothing_keep_nobody_out),
		TEST(rings_of_many_tebibytes_of_nothing_keep_nobody_out),
		TEST(large_rings_have_addresses_again_when_they_are_closed),
		TEST(a_ring_that_finds_no_addresses_is_left_out),
		TEST(a_ring_that_is_larger_than_it_says_has_no_heir),
		TEST(a_topic_file_of_many_tebibytes_is_none),
		TEST(what_was_refused_and_is_gone_is_forgotten),
		TEST(who_comes_in_the_place_of_another_is_read_and_waits),
		TEST(who_comes_where_there_is_no_other_place_is_read_and_waits),
		TEST(a_second_name_of_a_ring_keeps_nothing_there),
		TEST(an_elastic_ring_of_holes_costs_nothing),
		TEST(holes_in_an_elastic_ring_that_has_memory_stay_holes),
		TEST(holes_in_an_elastic_ring_without_a_name_stay_holes),
		TEST(what_cannot_be_asked_for_now_is_not_lost),
		TEST(nobody_looks_ahead_behind_the_ring),
		TEST(holes_of_others_stay_holes_whatever_is_relayed_of_them),
		TEST(relays_that_lead_nowhere_keep_nobody_in_one_call),
		TEST(halves_of_messages_keep_nobody_in_one_call),
		TEST(an_offer_that_nobody_can_make_is_refused),
		TEST(who_says_that_nothing_travels_inline_and_sends_it_so_has_no_header),
		TEST(nobody_is_shown_more_than_a_limit_can_be),
		TEST(who_adopts_a_limit_has_no_more_than_there_is_room_for),
		TEST(who_adopts_a_quota_has_no_more_than_there_is_room_for),
		TEST(nobody_reserves_more_than_a_port_can_hold),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
