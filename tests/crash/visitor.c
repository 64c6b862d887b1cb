/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Visitor: a process without anything of floe that comes after a death, works at once, looks
 * whether everything is accounted for, and goes; and the one who cleans.
 */

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <floe/inspect.h>

#include "frame/frame.h"
#include "message.h"
#include "pattern.h"
#include "world.h"

static struct {
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	struct floe_publisher *source;
	uint64_t whose;
	int index; /* whose message came last */
	struct account account[FLOE_PUBLISHERS_MAX];
	bool known[FLOE_PUBLISHERS_MAX];
} self;

/* The first one of a ring that was there before comes after the history. */
static void begin_account(struct account *account, const struct floe_sample *sample)
{
	account->last = sample->sequence - 1 - sample->lost;
	account->received = 0;
	account->lost = 0;
}

static void take_all(void)
{
	struct floe_sample sample;
	int r;

	while ((r = floe_take(self.sub, &sample)) == 1) {
		int whom = floe_sample_publisher(self.sub, &sample);
		struct account *account;

		expect(whom >= 0 && whom < FLOE_PUBLISHERS_MAX);
		account = &self.account[whom];
		if (!self.known[whom])
			begin_account(account, &sample);
		self.known[whom] = true;
		account_add(account, &sample);
		message_read_header(self.sub, &sample);
		self.index = whom;
		floe_release(self.sub, &sample);
	}
	expect_equal(r, 0);
}

/* What can be lent is in nobody's hands: writing all of it changes nothing that others read. */
static void scribble(struct floe_publisher *pub)
{
	struct floe_loan loan[WORLD_SOURCE_POOL];
	uint32_t count = 0;

	while (count < WORLD_SOURCE_POOL && floe_loan(pub, MESSAGE_CHUNK, &loan[count]) == 1)
		memset(loan[count++].data, 0xdd, MESSAGE_CHUNK);
	while (count)
		floe_discard(pub, &loan[--count]);
}

/* What was relayed lies in another ring, which has a successor too. */
static void open_source(void)
{
	int r = world_open_source(&self.source);

	/* A victim that removes that topic just now keeps others out. */
	expect(r == 0 || (r == -EBUSY && atomic_load(&stage->stands)));
	if (r == 0)
		scribble(self.source);
}

static int64_t open_all(enum ring_kind kind)
{
	int r;

	memset(&self, 0, sizeof(self));
	self.whose = kind == RING_VISITOR ? MESSAGE_VISITOR : MESSAGE_VICTIM;
	r = world_open_publisher(&self.pub, kind);
	if (r == -EBUSY)
		return r;
	expect_equal(r, 0);
	scribble(self.pub);
	if (kind == RING_RELAY)
		open_source();
	expect_equal(
		floe_subscriber_open(&self.sub, WORLD_TOPIC,
				     SUBSCRIBER(.holds_max = WORLD_HOLDS, .history = WORLD_DEPTH)),
		0);
	take_all();
	return (int64_t)message_published(self.pub);
}

static void publish_one(size_t size)
{
	expect_equal(message_publish(self.pub, size, self.whose), 1);
	if (self.whose == MESSAGE_VICTIM)
		(void)atomic_fetch_add(&stage->all, 1);
	take_all();
	/* Its own message has come, and was the last one. */
	expect_equal(self.account[self.index].last, message_published(self.pub));
	expect_equal(self.account[self.index].whose, self.whose);
}

static int64_t publish_some(int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		publish_one(i % 2 ? MESSAGE_INLINE : MESSAGE_CHUNK);
	return (int64_t)message_published(self.pub);
}

static int64_t count_chunks(void)
{
	int last;

	return world_count_loans(self.pub, &last);
}

static void close_all(void)
{
	floe_subscriber_close(self.sub);
	floe_publisher_close(self.pub);
	floe_publisher_close(self.source);
	self.source = NULL;
	self.sub = NULL;
	self.pub = NULL;
}

static struct floe_view *open_view(void)
{
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	return view;
}

static void expect_living_nodes(struct floe_view *view)
{
	struct floe_node_info node[8];
	int count = floe_view_nodes(view, node, sizeof(node[0]), 8);

	expect(count >= 0 && count <= 8);
	for (int i = 0; i < count; i++)
		expect(node[i].state == FLOE_STATE_ALIVE || stage->relayed);
}

/* Whoever came has cleaned the places of the dead, and nothing is broken. */
static void look(void)
{
	struct floe_subscriber_info sub[8];
	struct floe_publisher_info pub[8];
	struct floe_view *view = open_view();
	int count = floe_view_subscribers(view, WORLD_TOPIC, sub, sizeof(sub[0]), 8);

	expect(count >= 0 && count <= 8);
	for (int i = 0; i < count; i++)
		expect_equal(sub[i].state, FLOE_STATE_ALIVE);
	count = floe_view_publishers(view, WORLD_TOPIC, pub, sizeof(pub[0]), 8);
	expect(count >= 0 && count <= 8);
	for (int i = 0; i < count; i++)
		expect(pub[i].state == FLOE_STATE_ALIVE || pub[i].state == FLOE_STATE_CLOSED ||
		       pub[i].state == FLOE_STATE_DEAD);
	expect_living_nodes(view);
	floe_view_close(view);
}

static int64_t clean(void)
{
	struct floe_view *view = open_view();
	int r = floe_view_clean(view, 0, NULL, NULL);

	expect(r >= 0);
	expect_living_nodes(view);
	floe_view_close(view);
	return r;
}

int64_t visitor_serve(int command, int64_t argument)
{
	world_forbid_sleep();
	switch ((enum visitor_command)command) {
	case VISITOR_OPEN:
		return open_all((enum ring_kind)argument);
	case VISITOR_PUBLISH:
		return publish_some(argument);
	case VISITOR_INDEX:
		return self.index;
	case VISITOR_FLUSH:
		publish_one(MESSAGE_INLINE);
		break;
	case VISITOR_COUNT:
		return count_chunks();
	case VISITOR_LOOK:
		look();
		break;
	case VISITOR_CLOSE:
		close_all();
		break;
	case VISITOR_CLEAN:
		return clean();
	case VISITOR_DESCRIPTORS:
		return world_count_descriptors();
	case VISITOR_ALL:
		stage->pattern->visit(argument);
		break;
	}
	return 0;
}
