/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Survivor: who was there before the victim and must not feel its death. Whatever is promised
 * without waiting is done without a second attempt.
 */

#include <errno.h>
#include <string.h>
#include <time.h>

#include "frame/frame.h"
#include "message.h"
#include "nap.h"
#include "os/os.h"
#include "pattern.h"
#include "world.h"

/* Far beyond what noticing a death takes, and no pause either where it is not needed. */
#define PATIENCE_NS ((int64_t)60000000000)

#define NAP_NS 10000000

static struct {
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	struct floe_subscriber *second;
	struct floe_sample held[WORLD_HOLDS];
	uint32_t held_count;
	uint32_t policy;
	uint64_t published;
	struct account account[FLOE_PUBLISHERS_MAX];
} self;

static int64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void open_all(uint32_t policy)
{
	static const struct floe_pool pool = {MESSAGE_CHUNK, WORLD_SURVIVOR_POOL};

	world_seed("survivor");
	expect_equal(floe_subscriber_open(&self.sub, WORLD_TOPIC,
					  SUBSCRIBER(.holds_max = WORLD_HOLDS, .policy = policy)),
		     0);
	expect_equal(world_open_as(&self.pub, PUBLISHER(.depth = WORLD_DEPTH,
							.loans_max = WORLD_SURVIVOR_POOL + 1,
							.pools = &pool, .pools_count = 1)),
		     0);
	expect_equal(message_published(self.pub), 0);
	self.policy = policy;
}

static void close_all(void)
{
	floe_publisher_close(self.pub);
	floe_subscriber_close(self.second);
	floe_subscriber_close(self.sub);
	memset(&self, 0, sizeof(self));
}

/* Who drops the newest has got all that its lane had room for before it misses one. */
static void expect_queued(const struct account *account, const struct floe_sample *sample)
{
	if (self.policy == FLOE_POLICY_DROP_NEWEST && sample->lost)
		expect(!stage->roomy && account->received >= WORLD_LANE);
}

/* One message into `ret`: 1 or 0 */
static int take_one(struct floe_sample *ret)
{
	int r = floe_take(self.sub, ret), whom;

	if (r == 0)
		return 0;
	expect_equal(r, 1);
	whom = floe_sample_publisher(self.sub, ret);
	expect(whom >= 0 && whom < FLOE_PUBLISHERS_MAX);
	expect_queued(&self.account[whom], ret);
	account_add(&self.account[whom], ret);
	message_read_header(self.sub, ret);
	return 1;
}

static void take_all(void)
{
	struct floe_sample sample;

	while (take_one(&sample))
		floe_release(self.sub, &sample);
}

/* Keeps the victim's first one that lies in a chunk. */
static void hold_one(void)
{
	struct floe_sample *sample = &self.held[self.held_count];

	while (take_one(sample)) {
		if (sample->size == MESSAGE_CHUNK && message_read(sample) == MESSAGE_VICTIM) {
			self.held_count++;
			return;
		}
		floe_release(self.sub, sample);
	}
}

static void let_go(void)
{
	while (self.held_count) {
		struct floe_sample *sample = &self.held[--self.held_count];

		(void)message_read(sample);
		message_read_header(self.sub, sample);
		floe_release(self.sub, sample);
	}
}

/* A reliable victim may block it, until its death is noticed. */
static void publish_one(void)
{
	size_t size = self.published % 2 ? MESSAGE_INLINE : MESSAGE_CHUNK;
	int r = message_publish(self.pub, size, MESSAGE_SURVIVOR);

	if (r == 0) {
		expect_equal(floe_publisher_wait(self.pub, now_ns() + PATIENCE_NS), 1);
		r = message_publish(self.pub, size, MESSAGE_SURVIVOR);
	}
	expect_equal(r, 1);
	self.published++;
}

/* As many as a living victim lets through. */
static int64_t publish_some(int64_t count)
{
	int64_t sent = 0;

	while (sent < count &&
	       message_publish(self.pub, self.published % 2 ? MESSAGE_INLINE : MESSAGE_CHUNK,
			       MESSAGE_SURVIVOR) == 1) {
		self.published++;
		sent++;
		/* Neither blocked nor missed by itself. */
		if (self.policy != FLOE_POLICY_KEEP_LAST)
			take_all();
	}
	return sent;
}

static void publish_parts(void)
{
	expect_equal(message_publish_parts(self.pub, MESSAGE_SURVIVOR), 1);
	self.published += WORLD_PARTS;
}

static int wait_for_message(void *user, int64_t deadline_ns)
{
	return floe_wait(user, deadline_ns);
}

static void take_a_nap(void)
{
	struct floe_sample sample;

	take_all();
	expect_equal(floe_take(self.sub, &sample), 0);
	expect_equal(nap(wait_for_message, self.sub, NAP_NS), 0);
}

static void join(void)
{
	expect_equal(floe_subscriber_open(&self.second, WORLD_TOPIC, SUBSCRIBER(.holds_max = 40)),
		     0);
}

static void leave(void)
{
	floe_subscriber_close(self.second);
	self.second = NULL;
}

/* Each message arrives when it was sent, and not later. */
static void go_on(void)
{
	uint32_t own = FLOE_PUBLISHERS_MAX;

	take_all();
	for (uint32_t n = 0; n < 3 * WORLD_DEPTH + 1; n++) {
		publish_one();
		take_all();
	}
	for (uint32_t i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		if (self.account[i].whose == MESSAGE_SURVIVOR)
			own = i;
	expect(own < FLOE_PUBLISHERS_MAX);
	expect_equal(self.account[own].last, self.published);
	expect_equal(message_published(self.pub), self.published);
}

static void check_sums(void)
{
	struct floe_subscriber_counts counts;
	uint64_t received = 0, lost = 0;

	for (uint32_t i = 0; i < FLOE_PUBLISHERS_MAX; i++) {
		const struct account *account = &self.account[i];

		expect_equal(account->received + account->lost, account->last);
		received += account->received;
		lost += account->lost;
	}
	expect_equal(floe_subscriber_count(self.sub, &counts, sizeof(counts)), 0);
	/* More than in the accounts only if a ring was replaced by another one. */
	expect(counts.received >= received);
	expect(counts.lost >= lost);
	expect_equal(counts.held, self.held_count);
}

/* The ring is filled with inline messages, so what cannot be lent is held. */
static int64_t count_chunks(void)
{
	int last;
	int64_t count;

	for (uint32_t i = 0; i < WORLD_DEPTH; i++) {
		expect_equal(message_publish(self.pub, MESSAGE_INLINE, MESSAGE_SURVIVOR), 1);
		self.published++;
		take_all();
	}
	count = world_count_loans(self.pub, &last);
	expect_equal(last, 0);
	return count;
}

/* The last message of this publisher, or of the victim's ring, that came or is known to be lost. */
static int64_t last_seen(int64_t index)
{
	uint64_t last = 0;

	if (index >= 0)
		return (int64_t)self.account[index].last;
	for (uint32_t i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		if (self.account[i].whose == MESSAGE_VICTIM && self.account[i].last > last)
			last = self.account[i].last;
	return (int64_t)last;
}

static int64_t all_seen(void)
{
	uint64_t all = 0;

	for (uint32_t i = 0; i < FLOE_PUBLISHERS_MAX; i++) {
		const struct account *account = &self.account[i];

		if (account->whose == MESSAGE_VICTIM)
			all += account->before + account->last;
	}
	return (int64_t)all;
}

/* Beside a script that is not about messages. */
static void serve_pattern(const struct pattern *pattern, enum survivor_command command,
			  int64_t argument)
{
	switch (command) {
	case SURVIVOR_OPEN:
		world_seed("survivor");
		pattern->open();
		break;
	case SURVIVOR_ACT:
		pattern->act(argument);
		break;
	case SURVIVOR_GO_ON:
		pattern->go_on();
		break;
	case SURVIVOR_SETTLE:
		pattern->settle();
		break;
	case SURVIVOR_CLOSE:
		pattern->close();
		break;
	default:
		expect(false);
	}
}

int64_t survivor_serve(int command, int64_t argument)
{
	world_forbid_sleep();
	if (stage->pattern && command != SURVIVOR_DESCRIPTORS) {
		serve_pattern(stage->pattern, (enum survivor_command)command, argument);
		return 0;
	}
	switch ((enum survivor_command)command) {
	case SURVIVOR_NOTHING:
		break;
	case SURVIVOR_ACT:
	case SURVIVOR_SETTLE:
		expect(false);
	case SURVIVOR_OPEN:
		open_all((uint32_t)argument);
		break;
	case SURVIVOR_PUBLISH:
		return publish_some(argument);
	case SURVIVOR_PARTS:
		publish_parts();
		break;
	case SURVIVOR_NAP:
		take_a_nap();
		break;
	case SURVIVOR_HOLD:
		hold_one();
		break;
	case SURVIVOR_HELD:
		return self.held_count;
	case SURVIVOR_LET_GO:
		let_go();
		break;
	case SURVIVOR_JOIN:
		join();
		break;
	case SURVIVOR_LEAVE:
		leave();
		break;
	case SURVIVOR_TAKE:
		take_all();
		break;
	case SURVIVOR_GO_ON:
		go_on();
		break;
	case SURVIVOR_SEEN:
		return last_seen(argument);
	case SURVIVOR_COUNT:
		return count_chunks();
	case SURVIVOR_SEEN_ALL:
		return all_seen();
	case SURVIVOR_CHECK_SUMS:
		check_sums();
		break;
	case SURVIVOR_CLOSE:
		close_all();
		break;
	case SURVIVOR_DESCRIPTORS:
		return world_count_descriptors();
	}
	return 0;
}
