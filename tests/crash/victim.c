/* SPDX-License-Identifier: Apache-2.0 */
#include "victim.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <floe/inspect.h>

#include "frame/frame.h"
#include "message.h"
#include "os/os.h"
#include "pattern.h"
#include "scene.h"
#include "still.h"
#include "trace.h"

/* A wait that finds nothing ends soon. */
#define SHORT_NS 50000
#define TICK_NS 10000
#define ATTEMPTS 100
#define PLACES_TRIED 4

static const struct script *script;

static struct {
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	struct floe_loan loan;
	struct floe_loan part[WORLD_PARTS];
	struct floe_sample sample[WORLD_HOLDS];
	uint32_t sample_count;
	uint64_t published;
	struct floe_publisher *source;
	struct floe_subscriber *inlet; /* of the source's topic */
	struct floe_sample passing;
} self;

/*
 * Where memory comes to lie is the kernel's choice, and depends on all that is mapped already. What lies
 * where large pages cannot be is mapped once more: that is a way of its own, which a victim goes each time.
 * Only where the kernel itself sees to it that all lies well it goes the other one, each time as well.
 */
TRACE_NOT_OURS static void let_lie_badly(size_t size, int flags, int fd, uint64_t offset)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (int i = 0; i < PLACES_TRIED && size >= OS_LARGE_PAGE; i++) {
		unsigned char *place = mmap(NULL, size, PROT_NONE, flags & ~MAP_POPULATE, fd,
					    (off_t)offset);

		if (place == MAP_FAILED)
			return;
		expect_equal(munmap(place, size), 0);
		if (((uintptr_t)place - offset) % OS_LARGE_PAGE)
			return;
		/* With a page at its end taken that is no place any more. */
		expect(mmap(place + size - page, page, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			    0) != MAP_FAILED);
	}
}

static int map(void **ret, size_t size, int protection, int flags, int fd, uint64_t offset)
{
	let_lie_badly(size, flags, fd, offset);
	return os_real.map(ret, size, protection, flags, fd, offset);
}

/* A clock that goes on by being read: how long a walk takes does not change its way. */
static int64_t steps_ns;

static int64_t read_steps(void)
{
	steps_ns += TICK_NS;
	return steps_ns;
}

static void begin_clock(void)
{
	static struct os table;

	/* What is stamped must be the same each time; who waits needs a clock as others have it. */
	if (script->ring != RING_STAMPED)
		steps_ns = os_real.now_ns();
	table = os_real;
	table.map = map;
	table.now_ns = read_steps;
	table.get_random = world_draw;
	table.stat = still_stat;
	table.stat_at = still_stat_at;
	table.identify = still_identify;
	os = &table;
}

void victim_begin(void)
{
	steps_ns = os_real.now_ns();
}

static int64_t soon_ns(void)
{
	return os->now_ns() + SHORT_NS;
}

/*
 * Publisher
 */

static void open_publisher(void)
{
	expect_equal(world_open_publisher(&self.pub, script->ring), 0);
	self.published = message_published(self.pub);
	atomic_store(&stage->sent, self.published);
}

static void loan(size_t size)
{
	int r = floe_loan(self.pub, size, &self.loan);

	expect_usual(r == 1);
	expect(r == 0 || r == 1);
}

static void loan_chunk(void)
{
	loan(MESSAGE_CHUNK);
}

static void loan_inline(void)
{
	loan(MESSAGE_INLINE);
}

static void loan_large(void)
{
	loan(MESSAGE_LARGE);
}

static void fill(void)
{
	if (!self.loan.data)
		return;
	message_write(self.loan.data, self.loan.size, MESSAGE_VICTIM, self.published + 1);
	message_write_header(self.pub, &self.loan, self.published + 1);
}

static int publish_loan(void)
{
	int r = self.loan.data ? floe_publish(self.pub, &self.loan) : 0;

	expect(r == 0 || r == 1);
	if (r < 1)
		return r;
	atomic_store(&stage->sent, ++self.published);
	(void)atomic_fetch_add(&stage->all, 1);
	return r;
}

static void publish(void)
{
	int r = publish_loan();

	expect_usual(r == 1);
}

static void publish_blocked(void)
{
	int r = publish_loan();

	expect_usual(r == 0);
}

static void loan_parts(void)
{
	for (int i = 0; i < WORLD_PARTS; i++) {
		size_t size = i % 2 ? MESSAGE_INLINE : MESSAGE_CHUNK;
		int r = floe_loan(self.pub, size, &self.part[i]);

		expect_usual(r == 1);
		expect(r == 0 || r == 1);
	}
}

static void fill_parts(void)
{
	for (uint32_t i = 0; i < WORLD_PARTS; i++)
		if (self.part[i].data)
			message_write(self.part[i].data, self.part[i].size, MESSAGE_VICTIM,
				      self.published + 1 + i);
}

static void publish_parts(void)
{
	expect_equal(floe_publish_parts(self.pub, self.part, WORLD_PARTS), 1);
	self.published += WORLD_PARTS;
	atomic_store(&stage->sent, self.published);
	(void)atomic_fetch_add(&stage->all, WORLD_PARTS);
}

static void discard(void)
{
	floe_discard(self.pub, &self.loan);
	expect(!self.loan.data);
}

/* Until the pool has no free chunk: one is lent, three are in the ring, the others are retired. */
static void use_up_chunks(void)
{
	while (self.published < WORLD_POOL) {
		loan_chunk();
		fill();
		(void)publish_loan();
		if (self.loan.data)
			floe_discard(self.pub, &self.loan);
		if (atomic_load(&stage->met))
			break;
	}
}

/* So many that a lane is full with them, and no more. */
static void use_up_lane(void)
{
	for (uint32_t i = 0; i < WORLD_LANE; i++) {
		loan_chunk();
		fill();
		publish();
	}
}

/* Until somebody reliable would lose one. */
static void fill_ring(void)
{
	for (uint32_t i = 0; i < WORLD_DEPTH; i++) {
		loan_chunk();
		fill();
		publish();
		discard();
	}
}

static void wait_blocked(void)
{
	int r = floe_publisher_wait(self.pub, soon_ns());

	expect_usual(r == 0);
	expect(r >= 0);
}

static void raise_loans(void)
{
	atomic_store(&stage->loans_most, WORLD_LOANS_RAISED);
	expect_equal(floe_publisher_limit_loans(self.pub, WORLD_LOANS_RAISED), 0);
	atomic_store(&stage->loans_least, WORLD_LOANS_RAISED);
}

static void raise_memory(void)
{
	expect_equal(floe_publisher_limit_memory(self.pub, WORLD_MEMORY), 0);
}

static void close_publisher(void)
{
	floe_publisher_close(self.pub);
	self.pub = NULL;
}

/*
 * Subscriber
 */

static void open_subscriber_as(uint32_t policy)
{
	expect_equal(
		floe_subscriber_open(&self.sub, WORLD_TOPIC,
				     SUBSCRIBER(.holds_max = WORLD_HOLDS, .history = WORLD_DEPTH,
						.policy = policy, .spin_ns = 1)),
		0);
}

static void open_subscriber(void)
{
	open_subscriber_as(FLOE_POLICY_KEEP_LAST);
}

static void open_reliable(void)
{
	open_subscriber_as(FLOE_POLICY_RELIABLE);
}

static void open_dropper(void)
{
	open_subscriber_as(FLOE_POLICY_DROP_NEWEST);
}

/* All that it reads has the header and the attribute. */
static void open_wishing(void)
{
	expect_equal(floe_subscriber_open(
			     &self.sub, WORLD_TOPIC,
			     SUBSCRIBER(.holds_max = WORLD_HOLDS, .history = WORLD_DEPTH,
					.spin_ns = 1, .header = &world_header,
					.attributes = &world_attribute, .attributes_count = 1)),
		     0);
}

static int take_one(void)
{
	struct floe_sample *sample = &self.sample[self.sample_count];
	int r = floe_take(self.sub, sample);

	expect(r == 0 || r == 1);
	if (r == 1)
		self.sample_count++;
	return r;
}

static void limit_holds(void)
{
	expect_equal(floe_subscriber_limit_holds(self.sub, 1), 0);
	expect_equal(floe_subscriber_limit_holds(self.sub, WORLD_HOLDS), 0);
}

static void take(void)
{
	int r = take_one();

	expect_usual(r == 1);
}

static void take_parts(void)
{
	uint32_t room = WORLD_HOLDS - self.sample_count;
	int r = floe_take_parts(self.sub, &self.sample[self.sample_count], room);

	expect_usual(r == (int)room);
	expect(r >= 0 || (atomic_load(&stage->met) && (r == -EMSGSIZE || r == -ENOBUFS)));
	if (r > 0)
		self.sample_count += (uint32_t)r;
}

static void take_nothing(void)
{
	int r = take_one();

	expect_usual(r == 0);
}

static void release(void)
{
	if (self.sample_count)
		floe_release(self.sub, &self.sample[--self.sample_count]);
}

/* What it holds is what it was. */
static void look(void)
{
	for (uint32_t i = 0; i < self.sample_count; i++) {
		(void)message_read(&self.sample[i]);
		message_read_header(self.sub, &self.sample[i]);
	}
}

static void release_all(void)
{
	look();
	while (self.sample_count)
		release();
}

static void take_all(void)
{
	release_all();
	while (take_one() == 1)
		release_all();
}

static void wait_ready(void)
{
	int r = floe_wait(self.sub, soon_ns());

	expect_usual(r == 1);
	expect(r >= 0);
}

static void wait_asleep(void)
{
	int r = floe_wait(self.sub, soon_ns());

	expect_usual(r == 0);
	expect(r >= 0);
}

/* From now on each take and release settles it. */
static void make_descriptor(void)
{
	expect(floe_subscriber_fd(self.sub) >= 0);
}

static bool is_readable(int wait_ms)
{
	struct pollfd entry = {.fd = floe_subscriber_fd(self.sub), .events = POLLIN};

	return poll(&entry, 1, wait_ms) == 1;
}

/* The kernel may need a moment for it, on a busy machine. */
static void expect_readable(void)
{
	expect_usual(is_readable((int)(scene_patience() * 1000)));
}

/* On a busy machine its own time may have come meanwhile, or this clock be so far behind that it
 * comes at once: a take with the right time settles it. */
static void expect_silent(void)
{
	for (int i = 0; i < ATTEMPTS && !atomic_load(&stage->met) && is_readable(0); i++) {
		steps_ns = os_real.now_ns();
		take_nothing();
	}
	expect_usual(!is_readable(0));
}

static void close_subscriber(void)
{
	look();
	floe_subscriber_close(self.sub);
	self.sub = NULL;
}

/*
 * Relay: it reads a topic of its own and passes on what it gets, without a copy
 */

static void open_source(void)
{
	expect_equal(world_open_source(&self.source), 0);
}

static void open_inlet(void)
{
	expect_equal(floe_subscriber_open(&self.inlet, WORLD_SOURCE,
					  SUBSCRIBER(.holds_max = WORLD_RELAYS + 1, .spin_ns = 1)),
		     0);
}

/* The next message of its ring, as a sample. */
static void supply(void)
{
	struct floe_loan chunk;
	int r = floe_loan(self.source, MESSAGE_CHUNK, &chunk);

	expect_equal(r, 1);
	message_write(chunk.data, chunk.size, MESSAGE_VICTIM, self.published + 1);
	expect_equal(floe_publish(self.source, &chunk), 1);
	expect_equal(floe_take(self.inlet, &self.passing), 1);
}

static void republish(void)
{
	int r = floe_republish(self.pub, self.inlet, &self.passing);

	expect_usual(r == 1);
	expect(r == 0 || r == 1);
	if (r < 1) {
		floe_release(self.inlet, &self.passing);
		return;
	}
	atomic_store(&stage->sent, ++self.published);
	(void)atomic_fetch_add(&stage->all, 1);
}

/* Until no relay is free. */
static void use_up_relays(void)
{
	while (self.published < WORLD_RELAYS) {
		supply();
		republish();
		if (atomic_load(&stage->met))
			break;
	}
}

static void close_inlet(void)
{
	floe_subscriber_close(self.inlet);
}

static void close_source(void)
{
	floe_publisher_close(self.source);
}

/*
 * Cleaner
 */

static void clean(void)
{
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect(floe_view_clean(view, 0, NULL, NULL) >= 0);
	floe_view_close(view);
}

/*
 * Scripts. The world is small: a ring of three, eight chunks, so that each path comes soon.
 */

/* clang-format off */
const struct script scripts[] = {
	{
		.name = "publisher",
		.steps = {
			{"open", open_publisher},
			{"loan-chunk", loan_chunk},
			{NULL, fill},
			{"publish-chunk", publish},
			{"loan-inline", loan_inline},
			{NULL, fill},
			{"publish-inline", publish, SURVIVOR_HOLD},
			{NULL, use_up_chunks, SURVIVOR_TAKE},
			{NULL, loan_chunk},
			{"discard", discard},
			{NULL, loan_chunk},
			{NULL, fill},
			{NULL, publish},
			{"loan-reclaim", loan_chunk},
			{NULL, fill},
			{"publish-wake", publish, SURVIVOR_NAP},
			{NULL, loan_chunk},
			{NULL, fill},
			{"publish-refresh", publish, SURVIVOR_JOIN},
			{NULL, loan_chunk, SURVIVOR_LEAVE},
			{"close", close_publisher},
		},
	},
	{
		.name = "parts",
		.at_once = WORLD_PARTS,
		.steps = {
			{NULL, open_publisher},
			{NULL, loan_chunk},
			{NULL, fill},
			{NULL, publish},
			{NULL, loan_chunk, SURVIVOR_HOLD},
			{NULL, fill},
			{NULL, publish},
			{NULL, loan_parts},
			{NULL, fill_parts},
			{"publish", publish_parts},
			{NULL, loan_parts},
			{NULL, fill_parts},
			{"publish-wake", publish_parts, SURVIVOR_NAP},
			{"close", close_publisher},
		},
	},
	{
		.name = "parts-heir",
		.predecessors = {{"parts", "publish"}},
		.steps = {
			{"adopt", open_publisher},
			{NULL, loan_chunk},
			{NULL, fill},
			{"publish", publish},
			{"close", close_publisher},
		},
	},
	{
		.name = "taker",
		.steps = {
			{NULL, open_subscriber},
			{"take-parts", take_parts, SURVIVOR_PARTS},
			{NULL, look},
			{NULL, release_all},
			{NULL, take, SURVIVOR_PARTS},
			{"take-rest", take_parts},
			{NULL, release_all},
			{NULL, look, SURVIVOR_PARTS},
			{"take-lapped", take_parts, SURVIVOR_PARTS},
			{"close", close_subscriber},
		},
	},
	{
		.name = "stamped",
		.ring = RING_STAMPED,
		.steps = {
			{"open", open_publisher},
			{NULL, loan_chunk},
			{NULL, fill},
			{"publish-chunk", publish},
			{NULL, loan_inline},
			{NULL, fill},
			{"publish-inline", publish, SURVIVOR_HOLD},
			{NULL, loan_chunk},
			{NULL, fill},
			{"publish-wake", publish, SURVIVOR_NAP},
			{"close", close_publisher},
		},
	},
	{
		.name = "headed",
		.ring = RING_HEADED,
		.steps = {
			{"open", open_publisher},
			{"loan-chunk", loan_chunk},
			{NULL, fill},
			{"publish-chunk", publish},
			{NULL, loan_inline},
			{NULL, fill},
			{"publish-inline", publish, SURVIVOR_HOLD},
			{NULL, use_up_chunks, SURVIVOR_TAKE},
			{"loan-reclaim", loan_chunk},
			{NULL, fill},
			{"publish-wake", publish, SURVIVOR_NAP},
			{"close", close_publisher},
		},
	},
	{
		.name = "headed-heir",
		.ring = RING_HEADED,
		.predecessors = {{"headed", "publish-chunk"}},
		.steps = {
			{"adopt", open_publisher},
			{NULL, loan_chunk},
			{NULL, fill},
			{"publish", publish},
			{"close", close_publisher},
		},
	},
	{
		.name = "wishing",
		.ring = RING_HEADED,
		.steps = {
			{"open", open_wishing, SURVIVOR_PUBLISH, WORLD_DEPTH},
			{"take-chunk", take},
			{"take-inline", take},
			{NULL, look},
			{"release-inline", release},
			{"release-chunk", release},
			{NULL, take_all},
			{"take-lapped", take, SURVIVOR_PUBLISH, 3 * WORLD_DEPTH},
			{NULL, look},
			{"close", close_subscriber},
		},
	},
	{
		.name = "block",
		.ring = RING_BLOCK,
		.needs_root = true,
		.steps = {
			{"open", open_publisher},
			{"loan-chunk", loan_chunk},
			{NULL, fill},
			{"publish-chunk", publish},
			{NULL, loan_inline},
			{NULL, fill},
			{"publish-inline", publish, SURVIVOR_HOLD},
			{NULL, use_up_chunks, SURVIVOR_TAKE},
			{"loan-reclaim", loan_chunk},
			{NULL, fill},
			{"publish-wake", publish, SURVIVOR_NAP},
			{"close", close_publisher},
		},
	},
	{
		.name = "blocked",
		.survivor_policy = FLOE_POLICY_RELIABLE,
		.steps = {
			{NULL, open_publisher},
			{NULL, fill_ring},
			{NULL, loan_chunk},
			{NULL, fill},
			{"publish", publish_blocked},
			{"wait", wait_blocked},
			{"publish-unblocked", publish, SURVIVOR_TAKE},
			{"close", close_publisher},
		},
	},
	{
		.name = "growing",
		.ring = RING_GROWING,
		.steps = {
			{"open", open_publisher},
			{NULL, loan_chunk},
			{NULL, fill},
			{"publish-grow", publish, SURVIVOR_JOIN},
			{NULL, loan_chunk, SURVIVOR_LEAVE},
			{NULL, fill},
			{"publish-refresh", publish},
			{"close", close_publisher},
		},
	},
	{
		.name = "limits",
		.ring = RING_GROWING,
		.steps = {
			{NULL, open_publisher},
			{NULL, loan_chunk},
			{NULL, fill},
			{NULL, publish},
			{"raise", raise_loans},
			{"loan", loan_chunk},
			{NULL, fill},
			{"publish", publish},
			{"close", close_publisher},
		},
	},
	{
		.name = "raised",
		.ring = RING_GROWING,
		.predecessors = {{"limits", "raise"}},
		.steps = {
			{"adopt", open_publisher},
			{NULL, loan_chunk},
			{NULL, fill},
			{"publish", publish},
			{"close", close_publisher},
		},
	},
	{
		.name = "elastic",
		.ring = RING_ELASTIC,
		.steps = {
			{"open", open_publisher},
			{"loan-first", loan_chunk},
			{NULL, fill},
			{"publish", publish},
			{"loan-grow", loan_large, SURVIVOR_HOLD},
			{NULL, fill},
			{"publish-large", publish},
			{NULL, fill_ring, SURVIVOR_TAKE},
			{"loan-shrink", loan_chunk},
			{NULL, fill},
			{NULL, publish},
			{NULL, loan_large},
			{"discard", discard},
			{"loan-drop", loan_chunk},
			{"raise", raise_memory},
			{"close", close_publisher},
		},
	},
	{
		.name = "inheritor",
		.ring = RING_ELASTIC,
		.predecessors = {{"elastic", "loan-shrink"}},
		.steps = {
			{"adopt", open_publisher},
			{"loan-settle", loan_chunk},
			{NULL, fill},
			{"publish", publish},
			{"loan-grow", loan_large},
			{"close", close_publisher},
		},
	},
	{
		.name = "relay",
		.ring = RING_RELAY,
		.steps = {
			{NULL, open_source},
			{NULL, open_inlet},
			{"open", open_publisher},
			{NULL, supply},
			{"republish-first", republish},
			{NULL, supply},
			{"republish", republish},
			{NULL, loan_chunk, SURVIVOR_HOLD},
			{NULL, fill},
			{"publish", publish},
			{NULL, use_up_relays, SURVIVOR_TAKE},
			{NULL, supply},
			{"republish-reclaim", republish},
			{"close-inlet", close_inlet},
			{"close-source", close_source},
			{"close", close_publisher},
		},
	},
	{
		.name = "relay-next",
		.ring = RING_RELAY,
		.predecessors = {{"relay", "republish"}},
		.steps = {
			{"adopt", open_publisher},
			{NULL, open_source},
			{NULL, open_inlet},
			{NULL, supply},
			{"republish", republish},
			{"close", close_publisher},
			{NULL, close_inlet},
			{NULL, close_source},
		},
	},
	{
		.name = "relay-cleaned",
		.ring = RING_RELAY,
		.predecessors = {{"relay", "close-source"}},
		.steps = {
			{"clean", clean},
		},
	},
	{
		.name = "subscriber",
		.steps = {
			{"open", open_subscriber, SURVIVOR_PUBLISH, WORLD_DEPTH},
			{"limit-holds", limit_holds},
			{"take-chunk", take},
			{"take-inline", take},
			{"release-inline", release},
			{NULL, look},
			{"release-chunk", release},
			{NULL, take_all},
			{"take-nothing", take_nothing},
			{"wait-ready", wait_ready, SURVIVOR_PUBLISH, 1},
			{NULL, take_all},
			{"wait-asleep", wait_asleep},
			{"take-lapped", take, SURVIVOR_PUBLISH, 3 * WORLD_DEPTH},
			{NULL, look},
			{NULL, take},
			{NULL, look},
			{"close", close_subscriber},
		},
	},
	{
		.name = "polled",
		.steps = {
			{NULL, open_subscriber, SURVIVOR_PUBLISH, WORLD_DEPTH},
			{"descriptor", make_descriptor},
			{NULL, expect_readable},
			{"take-chunk", take},
			{"release-chunk", release},
			{NULL, take_all},
			{"take-nothing", take_nothing},
			{NULL, expect_silent},
			{NULL, expect_readable, SURVIVOR_PUBLISH, 1},
			{"take-last", take},
			{"release-last", release},
			{"close", close_subscriber},
		},
	},
	{
		.name = "reliable",
		.steps = {
			{"open", open_reliable, SURVIVOR_PUBLISH, WORLD_DEPTH},
			{"take", take},
			{NULL, look},
			{"release", release},
			{NULL, take_all},
			{"close", close_subscriber},
		},
	},
	{
		.name = "lane",
		.survivor_policy = FLOE_POLICY_DROP_NEWEST,
		.queued = true,
		.roomy = true,
		.steps = {
			{"open", open_publisher},
			{NULL, loan_chunk},
			{NULL, fill},
			{"publish-chunk", publish},
			{"loan-inline", loan_inline},
			{NULL, fill},
			{"publish-inline", publish, SURVIVOR_HOLD},
			{NULL, use_up_lane, SURVIVOR_TAKE},
			{"loan-reclaim", loan_chunk, SURVIVOR_TAKE},
			{NULL, fill},
			{"publish-wake", publish, SURVIVOR_NAP},
			{"close", close_publisher},
		},
	},
	{
		.name = "lane-full",
		.survivor_policy = FLOE_POLICY_DROP_NEWEST,
		.queued = true,
		.steps = {
			{NULL, open_publisher},
			{NULL, use_up_lane},
			{"loan", loan_chunk},
			{NULL, fill},
			{"publish-chunk", publish},
			{NULL, loan_inline},
			{NULL, fill},
			{"publish-inline", publish},
			{NULL, fill_ring},
			{"loan-reclaim", loan_chunk},
			{NULL, fill},
			{NULL, publish},
			{NULL, fill_ring},
			{NULL, loan_chunk, SURVIVOR_HOLD},
			{NULL, fill},
			{"publish-gap", publish},
			{"close", close_publisher},
		},
	},
	{
		.name = "lane-parts",
		.survivor_policy = FLOE_POLICY_DROP_NEWEST,
		.queued = true,
		.roomy = true,
		.at_once = WORLD_PARTS,
		.steps = {
			{NULL, open_publisher},
			{NULL, loan_chunk},
			{NULL, fill},
			{NULL, publish},
			{NULL, loan_parts, SURVIVOR_HOLD},
			{NULL, fill_parts},
			{"publish", publish_parts},
			{NULL, loan_parts, SURVIVOR_TAKE},
			{NULL, fill_parts},
			{"publish-wake", publish_parts, SURVIVOR_NAP},
			{"close", close_publisher},
		},
	},
	{
		.name = "lane-relay",
		.ring = RING_RELAY,
		.survivor_policy = FLOE_POLICY_DROP_NEWEST,
		.queued = true,
		.roomy = true,
		.steps = {
			{NULL, open_source},
			{NULL, open_inlet},
			{NULL, open_publisher},
			{NULL, supply},
			{"republish-first", republish},
			{NULL, supply},
			{"republish", republish},
			{"close-inlet", close_inlet},
			{"close-source", close_source},
			{"close", close_publisher},
		},
	},
	{
		.name = "lane-heir",
		.survivor_policy = FLOE_POLICY_DROP_NEWEST,
		.queued = true,
		.roomy = true,
		.predecessors = {{"lane", "publish-chunk"}},
		.steps = {
			{"adopt", open_publisher},
			{"loan", loan_chunk},
			{NULL, fill},
			{"publish", publish},
			{"close", close_publisher},
		},
	},
	{
		.name = "lane-parts-heir",
		.survivor_policy = FLOE_POLICY_DROP_NEWEST,
		.queued = true,
		.roomy = true,
		.predecessors = {{"lane-parts", "publish"}},
		.steps = {
			{"adopt", open_publisher, SURVIVOR_TAKE},
			{NULL, loan_chunk},
			{NULL, fill},
			{"publish", publish},
			{"close", close_publisher},
		},
	},
	{
		.name = "dropper",
		.queued = true,
		.steps = {
			{"open", open_dropper, SURVIVOR_PUBLISH, WORLD_DEPTH},
			{"take-early", take},
			{NULL, look},
			{"release-early", release},
			{NULL, take_all},
			{"take-nothing", take_nothing},
			{NULL, release_all},
			{"take-first", take, SURVIVOR_PUBLISH, 2 * WORLD_LANE},
			{"take-inline", take},
			{NULL, look},
			{"release-inline", release},
			{"release-first", release},
			{NULL, take_all},
			{"wait-ready", wait_ready, SURVIVOR_PUBLISH, 1},
			{"take-gap", take},
			{NULL, take_all},
			{"wait-asleep", wait_asleep},
			{NULL, take, SURVIVOR_PUBLISH, 3 * WORLD_LANE},
			{"close", close_subscriber},
		},
	},
	{
		.name = "lane-cleaner",
		.survivor_policy = FLOE_POLICY_DROP_NEWEST,
		.queued = true,
		.roomy = true,
		.predecessors = {{"lane", "publish-chunk"}, {"dropper", "take-first"}},
		.steps = {
			{"clean", clean},
		},
	},
	{
		.name = "successor",
		.predecessors = {{"publisher", "publish-chunk"}},
		.steps = {
			{"adopt", open_publisher},
			{NULL, loan_chunk},
			{NULL, fill},
			{"publish", publish},
			{"close", close_publisher},
		},
	},
	{
		.name = "heir",
		.predecessors = {{"publisher", "loan-reclaim"}},
		.steps = {
			{"adopt", open_publisher},
			{"loan-reclaim", loan_chunk},
			{NULL, fill},
			{"publish", publish},
		},
	},
	{
		.name = "cleaner",
		.predecessors = {{"publisher", "publish-chunk"}, {"subscriber", "take-inline"}},
		.steps = {
			{"clean", clean},
		},
	},
	{
		.name = "undertaker",
		.alone = true,
		.predecessors = {{"publisher", "publish-chunk"}, {"alone", "take"}},
		.steps = {
			{"clean", clean},
		},
	},
	{
		.name = "alone",
		.alone = true,
		.steps = {
			{"open-subscriber", open_subscriber},
			{"open-publisher", open_publisher},
			{NULL, loan_chunk},
			{NULL, fill},
			{NULL, publish},
			{"take", take},
			{"close-publisher", close_publisher},
			{"close-subscriber", close_subscriber},
		},
	},
	{
		.name = "board-writer",
		.pattern = &pattern_board,
		.steps = {
			{"open", board_writer_open},
			{"write-first", board_write_small},
			{"write", board_write_small},
			{"write-large", board_write_large},
			{"prepare", board_prepare},
			{"commit", board_commit},
			{"close", board_writer_close},
		},
	},
	{
		.name = "board-heir",
		.pattern = &pattern_board,
		.predecessors = {{"board-writer", "write-large"}},
		.steps = {
			{"take-over", board_writer_open},
			{"write", board_write_large},
			{"write-small", board_write_small},
			{"close", board_writer_close},
		},
	},
	{
		.name = "board-reader",
		.pattern = &pattern_board,
		.steps = {
			{"open", board_reader_open},
			{"find", board_find},
			{"read", board_read},
			{"read-again", board_read_again},
			{"read-new", board_read, SURVIVOR_ACT, ACT_WRITE},
			{"borrow", board_borrow},
			{"list", board_list},
			{"close", board_reader_close},
		},
	},
	{
		.name = "notifier",
		.pattern = &pattern_event,
		.steps = {
			{"open", event_notifier_open},
			{"notify", event_notify},
			{"notify-far", event_notify_far, SURVIVOR_ACT, ACT_HEAR},
			{"notify-wake", event_notify, SURVIVOR_ACT, ACT_NAP},
			{"notify-second", event_notify_far},
			{"close", event_notifier_close},
		},
	},
	{
		.name = "notifier-heir",
		.pattern = &pattern_event,
		.predecessors = {{"notifier", "notify-far"}},
		.steps = {
			{"take-over", event_notifier_open},
			{"notify", event_notify_far},
			{"close", event_notifier_close},
		},
	},
	{
		.name = "listener",
		.pattern = &pattern_event,
		.steps = {
			{"open", event_listener_open},
			{"wait-asleep", event_wait_asleep},
			{"take", event_take, SURVIVOR_ACT, ACT_NOTIFY},
			{"wait-ready", event_wait_ready, SURVIVOR_ACT, ACT_NOTIFY},
			{NULL, event_take_all},
			{"descriptor", event_descriptor},
			{"take-settle", event_take_all, SURVIVOR_ACT, ACT_NOTIFY},
			{"close", event_listener_close},
		},
	},
	{
		.name = "server",
		.pattern = &pattern_serving,
		.steps = {
			{"open", serving_open},
			{"take", serving_take, SURVIVOR_ACT, ACT_ASK},
			{"stream", serving_stream},
			{"answer", serving_answer, SURVIVOR_ACT, ACT_HEAR},
			{"take-second", serving_take},
			{"end", serving_end},
			{NULL, serving_take, SURVIVOR_ACT, ACT_ASK},
			{"close", serving_close},
		},
	},
	{
		.name = "client",
		.pattern = &pattern_asking,
		.steps = {
			{"open", asking_open},
			{"loan-first", asking_loan},
			{"send", asking_send},
			{"take", asking_take, SURVIVOR_ACT, ACT_STREAM},
			{"release", asking_release},
			{"take-last", asking_take_last, SURVIVOR_ACT, ACT_ANSWER},
			{NULL, asking_release},
			{"ask", asking_send_again},
			{"cancel", asking_cancel},
			{"take-cancelled", asking_take_cancelled},
			{NULL, asking_send_again},
			{"close", asking_close, SURVIVOR_ACT, ACT_HEAR},
		},
	},
	{
		.name = "coordinator",
		.pattern = &pattern_terms,
		.steps = {
			{"terms", terms_lay_down},
			{"terms-again", terms_lay_down_again},
			{"quotas", terms_lay_down_quotas},
			{"take-away", terms_take_away},
		},
	},
};
/* clang-format on */

const size_t script_count = sizeof(scripts) / sizeof(scripts[0]);

const struct script *script_find(const char *name)
{
	for (size_t i = 0; i < script_count; i++)
		if (!strcmp(scripts[i].name, name))
			return &scripts[i];
	return NULL;
}

size_t script_count_steps(const struct script *wanted)
{
	size_t count = 0;

	while (count < STEPS_MAX && wanted->steps[count].run)
		count++;
	return count;
}

int64_t script_at_once(const struct script *wanted)
{
	return wanted->at_once ? wanted->at_once : 1;
}

size_t script_find_step(const struct script *wanted, const char *name)
{
	size_t i = 0;

	while (!wanted->steps[i].name || strcmp(wanted->steps[i].name, name) != 0)
		i++;
	return i;
}

bool script_is_comparable(const struct script *wanted)
{
	return wanted->ring != RING_BLOCK;
}

int victim_play(void *user)
{
	size_t count;

	script = user;
	begin_clock();
	if (script_is_comparable(script))
		world_seed(script->name);
	count = script_count_steps(script);
	for (size_t i = 0; i < count; i++) {
		trace_mark();
		script->steps[i].run();
	}
	trace_mark();
	return 0;
}
