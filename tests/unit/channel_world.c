/* SPDX-License-Identifier: Apache-2.0 */
#include "channel_world.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/arith.h"
#include "bookkeeping.h"
#include "frame/frame.h"
#include "os/os.h"

struct block {
	struct block *next;
	struct bookkeeping memory;
};

static void *allocate(struct world *w, size_t size)
{
	struct block *block;

	if (w->allocate)
		return w->allocate(size_align(size, FLOE_CACHELINE));
	block = malloc(sizeof(*block));
	expect(block != NULL);
	block->memory = bookkeeping_make(size_align(size, FLOE_CACHELINE));
	memset(block->memory.memory, 0, block->memory.size);
	block->next = w->blocks;
	w->blocks = block;
	return block->memory.memory;
}

void world_begin(struct world *w)
{
	memset(w, 0, sizeof(*w));
	for (uint32_t i = 0; i < READERS_MAX; i++)
		w->reader[i].world = w;
}

void world_end(struct world *w)
{
	while (w->blocks) {
		struct block *block = w->blocks;

		w->blocks = block->next;
		bookkeeping_end(&block->memory);
		free(block);
	}
}

/* As topic.c does. */
static void tell(shared_u64 *epoch)
{
	(void)add_seq_cst(epoch, 1);
	(void)os->wake(futex_half(epoch), INT_MAX);
}

/*
 * Writers
 */

static int refresh_members(void *user, struct publisher *pub)
{
	struct writer *writer = user;
	struct member members[READERS_MAX];
	uint32_t count = 0;

	for (uint32_t i = 0; i < READERS_MAX; i++) {
		const struct reader *reader = &writer->world->reader[i];

		if (load_seq_cst(&reader->present))
			members[count++] = (struct member){
				.port = reader->port,
				.node = reader,
				.holds_max = reader->port->holds_max,
				.reliable = reader->port->policy == FLOE_POLICY_RELIABLE,
				.drops = reader->port->policy == FLOE_POLICY_DROP_NEWEST,
				.lane = lane_of(reader->port->index),
				.queue_max = reader->port->depth,
			};
	}
	publisher_set_members(pub, members, count);
	return 0;
}

static int is_member_alive(void *user, const struct member *member)
{
	(void)user;
	return ((const struct reader *)member->node)->alive;
}

static const struct publisher_calls publisher_calls = {
	.refresh = refresh_members,
	.is_alive = is_member_alive,
};

/* Whoever sets up tables finds in their memory what was there before. */
static struct tables make_tables(struct world *w, size_t size)
{
	uint64_t *word = allocate(w, size);

	for (size_t i = 0; i < size / sizeof(*word); i++)
		word[i] = w->garbage;
	return (struct tables){word, size};
}

static void make_relays(struct writer *writer, struct publisher_plan *plan)
{
	uint32_t max = (uint32_t)writer->plan.relays_max;

	if (!max)
		return;
	relays_init(&writer->relays, allocate(writer->world, relays_memory_size(max)), max);
	plan->relays = &writer->relays;
}

int writer_adopt(struct writer *writer)
{
	struct segment_shared *segment = (struct segment_shared *)(void *)writer->memory;
	struct publisher_plan plan = {
		.segment = segment,
		.hints = &writer->world->hints,
		.member_max = READERS_MAX,
		.lanes = writer->lanes,
		.lanes_max = writer->plan.lanes_max,
		.lane_depth = writer->plan.lane_depth,
		.calls = &publisher_calls,
		.user = writer,
	};
	size_t manager_size = size_align(manager_memory_size(writer->plan.pool, 1), FLOE_CACHELINE);
	unsigned char *tables;
	int r;

	plan.memory_size = publisher_memory_size(writer->plan.depth, writer->plan.loans_max,
						 writer->plan.pool[0].chunk_count_max +
							 (uint32_t)writer->plan.relays_max,
						 READERS_MAX);
	writer->tables = make_tables(writer->world, manager_size + plan.memory_size);
	tables = writer->tables.memory;
	plan.memory = tables + manager_size;
	r = manager_init(&plan.manager, tables, manager_size, writer->plan.pool, 1);
	expect_equal(r, 0);
	make_relays(writer, &plan);
	r = publisher_init(&writer->publisher, &plan);
	if (r == 0)
		writer->sent = writer->publisher.ring.next - 1;
	return r;
}

struct writer *writer_begin(struct world *w, uint32_t i, const struct writer_options *options)
{
	struct writer *writer = &w->writer[i];
	uint32_t depth = options->depth ? options->depth : 4;
	uint32_t loans_max = options->loans_max ? options->loans_max : 1;
	uint32_t chunks = depth + loans_max + options->holds + options->spare +
			  options->lanes * options->lane_depth;
	struct segment_sizes sizes;

	*writer = (struct writer){
		.world = w,
		.named = true,
		.file = ++w->files,
		.kinds = options->kinds ? options->kinds : KIND_BOTH,
		.plan =
			{
				.depth = depth,
				.loans_max = loans_max,
				.flags = options->flags,
				.index = i,
				.relays_max = options->relays,
				.lanes_max = options->lanes,
				.lane_depth = options->lane_depth,
				.payload_max = CHUNK_SIZE,
				.pool_count = 1,
				.pool[0] =
					{
						.chunk_size = CHUNK_SIZE,
						.chunk_count = chunks,
						.chunk_count_max = chunks + options->later,
					},
			},
	};
	sizes = segment_lay_out(&writer->plan);
	writer->size = sizes.size_max;
	writer->memory = allocate(w, writer->size);
	segment_format((struct segment_shared *)(void *)writer->memory, &writer->plan, &sizes);
	expect_equal(writer_adopt(writer), 0);
	tell(&w->hints.publishers);
	return writer;
}

void writer_leave(struct writer *writer)
{
	writer->named = false;
	tell(&writer->world->hints.publishers);
}

static void expect_nobody_holds(const struct world *w, const void *data)
{
	for (uint32_t i = 0; i < READERS_MAX; i++)
		for (uint32_t h = 0; h < w->reader[i].held_count; h++)
			expect(!w->reader[i].alive || w->reader[i].held[h].data != data);
}

static int send(struct writer *writer, bool marked)
{
	uint64_t sequence = writer->publisher.ring.next;
	struct floe_loan loan;
	int r = publisher_loan(&writer->publisher, message_size(writer, sequence), &loan);

	if (r != 1)
		return r;
	expect_nobody_holds(writer->world, loan.data);
	message_fill(loan.data, loan.size, sequence);
	r = marked ? publisher_publish_marked(&writer->publisher, &loan, sequence)
		   : publisher_publish(&writer->publisher, &loan);
	if (r == 1)
		writer->sent = sequence;
	else
		publisher_discard(&writer->publisher, &loan);
	return r;
}

int writer_send(struct writer *writer)
{
	return send(writer, false);
}

int writer_send_marked(struct writer *writer)
{
	return send(writer, true);
}

void writer_send_many(struct writer *writer, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		expect_equal(writer_send(writer), 1);
}

int writer_send_parts(struct writer *writer, uint32_t count)
{
	uint64_t first = writer->publisher.ring.next;
	struct floe_loan loan[HELD_MAX] = {0};
	int r = 1;

	for (uint32_t i = 0; i < count && r == 1; i++) {
		r = publisher_loan(&writer->publisher, message_size(writer, first + i), &loan[i]);
		if (r != 1)
			break;
		expect_nobody_holds(writer->world, loan[i].data);
		message_fill(loan[i].data, loan[i].size, first + i);
	}
	if (r == 1)
		r = publisher_publish_parts(&writer->publisher, loan, count);
	if (r == 1)
		writer->sent = first + count - 1;
	for (uint32_t i = 0; i < count; i++) {
		expect(r != 1 || !loan[i].data);
		publisher_discard(&writer->publisher, &loan[i]);
	}
	return r;
}

/* Of relays that nobody needs any more. */
static void give_back_holds(struct writer *writer, struct reader *from)
{
	struct relays *relays = &writer->relays;

	for (uint32_t i = relays->idle_count; i-- > 0;)
		if (subscriber_take_back(&from->subscriber, relays->relay[relays->idle[i]].ticket))
			relays_settle(relays, i);
}

int writer_relay(struct writer *writer, struct reader *from, uint32_t i)
{
	static const char topic[FLOE_TOPIC_NAME_MAX + 1] = "source";
	struct floe_sample *sample = &from->held[i];
	struct held *held = subscriber_find(&from->subscriber, sample);
	struct relay_plan plan = {
		.holder = 1,
		.life = load_relaxed(&from->port->life),
		.offset = (uint64_t)((const unsigned char *)sample->data - held->feed->base),
		.file = held->feed->file,
		.index = held->feed->index,
		.topic = topic,
		.ticket = subscriber_next_ticket(held),
	};
	int r;

	give_back_holds(writer, from);
	r = publisher_republish(&writer->publisher, sample->size, &plan);
	if (r == 0 && writer->relays.idle_count) {
		give_back_holds(writer, from);
		r = publisher_republish(&writer->publisher, sample->size, &plan);
	}
	if (r != 1)
		return r;
	writer->sent++;
	subscriber_hand_over(&from->subscriber, held, sample);
	*sample = from->held[--from->held_count];
	return 1;
}

void writer_check(const struct writer *writer)
{
	const char *wrong = NULL;

	expect_equal(manager_check(&writer->publisher.manager), 0);
	if (publisher_check(&writer->publisher, &wrong) < 0)
		frame_fail(__FILE__, __LINE__, wrong);
}

/*
 * Readers
 */

static void add_feed(struct reader *reader, const struct writer *writer)
{
	struct feed feed = {
		.index = writer->plan.index,
		.file = writer->file,
		.mapping = REGION_NULL,
		.region = REGION_NULL,
	};
	const struct segment_shared *segment = (const void *)writer->memory;
	struct account *account = &reader->account[writer->plan.index];
	const struct feed *added;

	feed.region.base = writer->memory;
	feed.region.size = feed.region.reserved = writer->size;
	feed.relays_max = (uint32_t)segment->relays_max;
	feed.relays = (const void *)(writer->memory + segment_relays_offset(segment->slots_offset,
									    segment->depth,
									    segment->loans_max));
	feed.lanes_offset = segment_lanes_offset(segment);
	feed.lanes_max = segment->lanes_max;
	feed.lane_depth = segment->lane_depth;
	ring_reader_init(&feed.reader, segment, segment->slots_offset, segment->depth);
	expect_equal(
		subscriber_add_feed(&reader->subscriber, &feed, reader->joining, reader->history),
		0);
	added = subscriber_find_feed(&reader->subscriber, writer->file);
	*account = (struct account){
		.last = ring_reader_next(&added->reader) - 1,
		.start = ring_reader_next(&added->reader) - 1,
		.begun = true,
	};
}

static int refresh_feeds(void *user, struct subscriber *sub)
{
	struct reader *reader = user;

	for (uint32_t i = 0; i < WRITERS_MAX; i++) {
		const struct writer *writer = &reader->world->writer[i];
		struct feed *feed = writer->memory ? subscriber_find_feed(sub, writer->file) : NULL;

		if (feed && !writer->named)
			subscriber_let_go(sub, feed);
		if (!feed && writer->memory && writer->named)
			add_feed(reader, writer);
	}
	return 0;
}

static int look_again(void *user, struct feed *feed)
{
	const struct reader *reader = user;

	if (reader->cannot_look < 0)
		return reader->cannot_look;
	feed->region.reserved = feed->region.size;
	return 0;
}

static void detach(void *user, struct feed *feed)
{
	struct reader *reader = user;

	(void)feed;
	reader->world->detached++;
}

static int find_origin(void *user, struct subscriber *sub, const struct relay_shared *relay,
		       const struct relay_seen *seen, const struct origin **ret_origin)
{
	const struct reader *reader = user;

	(void)sub;
	(void)relay;
	(void)seen;
	*ret_origin = &reader->origin;
	return reader->origin.base ? 1 : -EPROTO;
}

static const struct subscriber_calls subscriber_calls = {
	.refresh = refresh_feeds,
	.look_again = look_again,
	.detach = detach,
	.find_origin = find_origin,
};

struct reader *reader_join(struct world *w, uint32_t i, const struct reader_options *options)
{
	struct reader *reader = &w->reader[i];
	uint32_t holds_max = options->holds_max ? options->holds_max : 2;
	struct subscriber_plan plan = {
		.hints = &w->hints,
		.calls = &subscriber_calls,
		.user = reader,
	};

	*reader = (struct reader){
		.world = w,
		.port = options->port ? options->port : allocate(w, port_size(holds_max)),
		.history = options->history,
		.joining = true,
	};
	/* As node.c does. */
	if (options->port)
		memset(&reader->port->policy, 0,
		       (options->dirty ? offsetof(struct port_shared, hold) : reader->port->size) -
			       offsetof(struct port_shared, policy));
	reader->port->size = port_size(holds_max);
	/* Who drops the newest has the last places, which say the lane. */
	reader->port->index = options->policy == FLOE_POLICY_DROP_NEWEST ? lane_of(i) : i;
	reader->port->holds_max = holds_max;
	store_relaxed(&reader->port->holds_limit, holds_max);
	reader->port->policy = options->policy;
	reader->port->depth = options->depth;
	store_release(&reader->port->state, PORT_OPEN);
	reader->alive = true;
	store_seq_cst(&reader->present, 1);
	tell(&w->hints.subscribers);
	(void)os->barrier_all();
	plan.port = reader->port;
	reader->tables = make_tables(w, subscriber_memory_size(holds_max));
	plan.memory = reader->tables.memory;
	subscriber_init(&reader->subscriber, &plan);
	expect_equal(subscriber_refresh(&reader->subscriber), 0);
	reader->joining = false;
	return reader;
}

/* The port's memory stays: a publisher may look at it until it has heard of this. */
static void forget(struct reader *reader)
{
	struct world *w = reader->world;

	store_seq_cst(&reader->present, 0);
	*reader = (struct reader){.world = w};
	tell(&w->hints.subscribers);
}

void reader_leave(struct reader *reader)
{
	reader->held_count = 0;
	subscriber_deinit(&reader->subscriber);
	store_release(&reader->port->state, PORT_FREE);
	forget(reader);
}

void reader_die(struct reader *reader)
{
	reader->alive = false;
	reader->held_count = 0;
}

void reader_clean(struct reader *reader)
{
	forget(reader);
}

/* Which publisher this sample is of, from the feed that it is held of. */
static uint32_t index_of(struct reader *reader, const struct floe_sample *sample)
{
	struct subscriber *sub = &reader->subscriber;
	const struct held *held = subscriber_find(sub, sample);

	expect(held != NULL);
	expect(held->feed >= sub->feeds);
	expect(held->feed < sub->feeds + sub->feed_count);
	return held->feed->index;
}

uint32_t reader_publisher(struct reader *reader, uint32_t i)
{
	return index_of(reader, &reader->held[i]);
}

/* A part comes right behind the part before it, or it does not come. */
static void count_part(struct account *account, struct part part, uint64_t lost)
{
	if (part.index) {
		expect_equal(lost, 0);
		expect_equal(account->part.index + 1, part.index);
		expect_equal(account->part.count, part.count);
	}
	account->part = part;
}

static void keep(struct reader *reader, const struct floe_sample *sample)
{
	struct subscriber *sub = &reader->subscriber;
	struct account *account = &reader->account[index_of(reader, sample)];

	account->received++;
	account->lost += sample->lost;
	count_part(account, subscriber_part_of(sub, subscriber_find(sub, sample)), sample->lost);
	expect_equal(sample->sequence, account->last + sample->lost + 1);
	expect(message_is(sample->data, sample->size, sample->sequence));
	account->last = sample->sequence;
	expect(reader->held_count < HELD_MAX);
	reader->held[reader->held_count++] = *sample;
}

int reader_take(struct reader *reader)
{
	struct floe_sample sample = {0};
	int r = subscriber_take(&reader->subscriber, &sample);

	if (r == 1)
		keep(reader, &sample);
	else
		reader->world->refused += r == -EPROTO;
	return r;
}

int reader_take_parts(struct reader *reader)
{
	struct subscriber *sub = &reader->subscriber;
	struct floe_sample sample[HELD_MAX] = {0};
	uint32_t held = subscriber_held(sub);
	int r = subscriber_take_parts(sub, sample, HELD_MAX);

	reader->world->refused += r == -EPROTO;
	expect_equal(subscriber_held(sub), held + (r > 0 ? (uint32_t)r : 0));
	for (int i = 0; i < r; i++) {
		struct part part = subscriber_part_of(sub, subscriber_find(sub, &sample[i]));

		expect_equal(part.count - part.index, r - i);
		keep(reader, &sample[i]);
	}
	return r;
}

void reader_check(const struct reader *reader)
{
	for (uint32_t i = 0; i < reader->held_count; i++)
		expect(message_is(reader->held[i].data, reader->held[i].size,
				  reader->held[i].sequence));
}

void reader_release(struct reader *reader, uint32_t i)
{
	reader_check(reader);
	subscriber_release(&reader->subscriber, &reader->held[i]);
	expect(reader->held[i].data == NULL);
	reader->held[i] = reader->held[--reader->held_count];
}

void reader_release_all(struct reader *reader)
{
	while (reader->held_count)
		reader_release(reader, reader->held_count - 1);
}

void reader_drain(struct reader *reader)
{
	int r;

	reader_release_all(reader);
	while ((r = reader_take(reader)) == 1)
		reader_release_all(reader);
	expect_equal(r, 0);
}

void reader_drain_parts(struct reader *reader)
{
	int r;

	reader_release_all(reader);
	while ((r = reader_take_parts(reader)) > 0)
		reader_release_all(reader);
	expect_equal(r, 0);
}

void expect_exact(const struct reader *reader, const struct writer *writer)
{
	const struct account *account = &reader->account[writer->plan.index];

	expect(account->begun);
	expect_equal(account->last, writer->sent);
	expect_equal(account->received + account->lost, account->last - account->start);
}
