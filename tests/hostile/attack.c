/* SPDX-License-Identifier: Apache-2.0 */
#include "attack.h"

#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <floe/board.h>
#include <floe/event.h>
#include <floe/service.h>

#include "api/peer.h"
#include "api/steps.h"
#include "channel/lane.h"
#include "channel/relay_layout.h"
#include "channel/segment.h"
#include "channel/segment_layout.h"
#include "frame/frame.h"
#include "registry/node_layout.h"

#define KEPT_MAX 65536
#define DEPTH 8
#define PAYLOAD 512
#define RELAYS 12
#define SOURCE "u.source" /* after every topic that is attacked */
#define HINTS_OFFSET 64
#define IN_ORDER 3000 /* messages, before the ring itself is spoilt */

/* What may be written, and how it looked when it was right. */
struct ground {
	unsigned char *at;
	size_t size;
	uint64_t seed;
	_Alignas(64) unsigned char kept[KEPT_MAX];
};

static struct ground ground;

static uint64_t dice(uint64_t sides)
{
	return random_next(&ground.seed) % sides;
}

/* A file that was made without a name has none in maps(5): it is told by its inode. NULL: it is not
 * mapped for writing here. */
static unsigned char *find_mapping_of(const char *path)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long long begin, inode;
	char line[4608], permissions[5];
	unsigned char *found = NULL;
	struct stat seen;

	expect(maps);
	while (!found && stat(path, &seen) == 0 && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%llx-%*x %4s %*x %*s %llu", &begin, permissions, &inode) == 3 &&
		    inode == seen.st_ino && !strcmp(permissions, "rw-s"))
			found = (unsigned char *)(uintptr_t)begin;
	(void)fclose(maps);
	return found;
}

static unsigned char *find_mapping(const char *pattern)
{
	char path[512];
	unsigned char *found = NULL;
	glob_t files;

	(void)snprintf(path, sizeof(path), "%s/*/%s", getenv("FLOE_DIR"), pattern);
	expect_equal(glob(path, 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc && !found; i++)
		found = find_mapping_of(files.gl_pathv[i]);
	globfree(&files);
	expect(found);
	return found;
}

/*
 * Values
 */

static uint64_t make_border(void)
{
	static const uint64_t borders[] = {
		0,
		1,
		2,
		63,
		64,
		255,
		256,
		4096,
		65535,
		INT32_MAX,
		UINT32_MAX,
		(uint64_t)UINT32_MAX + 1,
		SEQUENCE_MAX - 1,
		SEQUENCE_MAX,
		SEQUENCE_MAX + 1,
		INT64_MAX,
		(uint64_t)1 << 63,
		UINT64_MAX - 1,
		UINT64_MAX,
	};

	return borders[dice(COUNT(borders))];
}

static uint64_t make_value(uint64_t before)
{
	switch (dice(5)) {
	case 0:
		return random_next(&ground.seed);
	case 1:
		return before + dice(5) - 2;
	case 2:
		return before ^ (uint64_t)1 << dice(64);
	case 3:
		return dice(ground.size * 2);
	default:
		return make_border();
	}
}

/*
 * Places
 */

static void spoil(size_t offset)
{
	unsigned char *at = ground.at + offset;
	uint64_t word;

	if (dice(8) == 0) {
		*(volatile unsigned char *)at = (unsigned char)dice(256);
		return;
	}
	offset &= ~(size_t)7;
	if (offset + sizeof(word) > ground.size)
		return;
	word = load_relaxed((shared_u64 *)(void *)(ground.at + offset));
	store_relaxed((shared_u64 *)(void *)(ground.at + offset), make_value(word));
}

static void put_back(void)
{
	memcpy(ground.at, ground.kept, ground.size);
}

/* Of a request or a response: the one that was there, one beside it, or any. */
static uint64_t forge_mark(uint64_t before, uint64_t what)
{
	uint64_t mark = (before >> SLOT_MARK_SHIFT & SLOT_MARK_MASK) ^ dice(2) << dice(48);

	if (dice(3) == 0)
		return before;
	return what | SLOT_MARKED |
	       (dice(3) ? mark : random_next(&ground.seed) & SLOT_MARK_MASK) << SLOT_MARK_SHIFT;
}

/* A message that is nearly one, or was one. */
static void forge_message(void)
{
	struct segment_shared *segment = (struct segment_shared *)(void *)ground.at;
	const struct segment_shared *kept = (const struct segment_shared *)(const void *)
						    ground.kept;
	size_t slots = kept->slots_offset;
	struct slot_shared *slot = (struct slot_shared *)(void *)(ground.at + slots);
	uint64_t next = load_relaxed(&segment->head) + 1 + dice(3) * dice(2);
	uint64_t what = dice(2) ? SLOT_INLINE | dice(70) : dice(ground.size * 2) & ~(uint64_t)63;

	slot += next % kept->depth;
	if (kept->sender)
		what = forge_mark(load_relaxed(&slot->what), what);
	store_relaxed(&slot->what, dice(4) ? what : make_border());
	store_relaxed(&slot->word[SLOT_CHUNK_SIZE], dice(2) ? dice(PAYLOAD * 2) : make_border());
	store_release(&slot->sequence, 2 * next - dice(8) / 7);
	store_release(&segment->head, next);
}

/* The next entry of a lane, or one beside it: of the message that is sent now, of one beside it, or of any. */
static void forge_entry(void)
{
	const struct segment_shared *kept = (const struct segment_shared *)(const void *)
						    ground.kept;
	struct segment_shared *segment = (struct segment_shared *)(void *)ground.at;
	uint32_t depth = kept->lane_depth;
	size_t at = segment_lanes_offset(kept) + dice(ATTACK_LANES_MAX) * lane_size(depth);
	struct lane_shared *lane = (struct lane_shared *)(void *)(ground.at + at);
	shared_u64 *origins = (shared_u64 *)(void *)&lane->slot[depth];
	uint64_t next = load_relaxed(&lane->head) + 1 + dice(3) * dice(2);
	uint64_t origin = load_relaxed(&segment->head) + dice(3);
	struct slot_shared *slot = &lane->slot[next % depth];

	store_relaxed(&slot->what, dice(4) ? SLOT_INLINE | dice(70) : make_value(slot->what));
	store_relaxed(&slot->word[SLOT_CHUNK_SIZE], dice(2) ? dice(PAYLOAD * 2) : make_border());
	store_relaxed(&origins[next % depth], dice(4) ? origin : make_value(origin));
	store_release(&slot->sequence, 2 * next - dice(8) / 7);
	store_release(&lane->head, dice(16) ? next : make_value(next));
	if (dice(2))
		forge_message();
}

/* One word of a relay is nearly right, and a message leads there. */
static void forge_relay(void)
{
	const struct segment_shared *kept = (const struct segment_shared *)(const void *)
						    ground.kept;
	struct segment_shared *segment = (struct segment_shared *)(void *)ground.at;
	size_t receipts = kept->slots_offset + DEPTH * sizeof(struct slot_shared);
	size_t at = receipts + kept->loans_max * sizeof(struct loan_shared);
	struct relay_shared *relay = (struct relay_shared *)(void *)(ground.at + at);
	uint64_t next = load_relaxed(&segment->head) + 1;
	struct slot_shared *slot = (struct slot_shared *)(void *)(ground.at + kept->slots_offset) +
				   next % DEPTH;

	uint64_t n = dice(RELAYS);

	memcpy(relay, ground.kept + at, RELAYS * sizeof(*relay));
	/* One lie at a time: who has seen one does not come back. */
	switch (dice(5)) {
	case 0:
		store_relaxed(&relay[n].offset, dice(2) ? make_border() : dice(UINT32_MAX));
		break;
	case 1:
		store_relaxed(&relay[n].port, dice(2) ? make_border() : dice(UINT32_MAX));
		break;
	case 2:
		n = dice(2) ? RELAYS + dice(UINT32_MAX) : make_border();
		break;
	case 3:
		spoil(at + n * sizeof(*relay) + dice(80));
		break;
	default:
		break;
	}
	store_relaxed(&slot->what, SLOT_FOREIGN | n);
	store_relaxed(&slot->word[SLOT_CHUNK_SIZE], dice(4) ? PAYLOAD : make_border());
	store_release(&slot->sequence, 2 * next);
	store_release(&segment->head, next);
}

/* A ring that is right, with requests or responses that are not: of other numbers, ended twice, with sizes
 * and statuses of any kind. */
static void forge_in_order(void)
{
	const struct segment_shared *kept = (const struct segment_shared *)(const void *)
						    ground.kept;
	struct segment_shared *segment = (struct segment_shared *)(void *)ground.at;
	struct slot_shared *slot = (struct slot_shared *)(void *)(ground.at + kept->slots_offset);
	const struct slot_shared *first =
		(const struct slot_shared *)(const void *)(ground.kept + kept->slots_offset);
	uint64_t next = load_relaxed(&segment->head) + 1;
	uint64_t number = first[1].what >> SLOT_MARK_SHIFT & (((uint64_t)1 << 40) - 1);
	uint64_t mark = (number + (dice(4) << 8) + dice(2)) | dice(4) / 3 << 40 | dice(4) / 3 << 41;

	slot += next % kept->depth;
	store_relaxed(&slot->sequence, 2 * next - 1);
	fence_release();
	store_relaxed(&slot->what, SLOT_INLINE | SLOT_MARKED | mark << SLOT_MARK_SHIFT |
					   (dice(2) ? 4 : dice(49)));
	store_relaxed(&slot->word[0], dice(2) ? (uint64_t)-5 : make_border());
	store_release(&slot->sequence, 2 * next);
	store_release(&segment->head, next);
	for (uint64_t i = dice(2000); i > 0; i--)
		relax();
}

/* A hold on anybody's chunk, a cursor anywhere. */
static void forge_port(void)
{
	struct node_shared *node = (struct node_shared *)(void *)ground.at;
	struct port_shared *port = (struct port_shared *)(void *)node->ports;

	store_relaxed(&port->hold[dice(4)], hold_make((uint32_t)dice(3), dice(65536) & ~63u));
	store_relaxed(&port->cursor[dice(3)], dice(2) ? dice(1000) : make_border());
}

/* Back and forth, in the future, or none. */
static void forge_cursor(void)
{
	struct node_shared *node = (struct node_shared *)(void *)ground.at;
	struct port_shared *port = (struct port_shared *)(void *)node->ports;
	shared_u64 *cursor = &port->cursor[dice(3)];

	store_relaxed(cursor, make_value(load_relaxed(cursor)));
}

/* Looks right and closed for a moment, in which somebody may adopt it. */
static void lure(void)
{
	struct segment_shared *segment = (struct segment_shared *)(void *)ground.at;

	put_back();
	store_release(&segment->owner, 0);
	for (uint64_t i = dice(20000); i > 0; i--)
		relax();
	for (uint64_t i = dice(6); i > 0; i--)
		spoil(dice(offsetof(struct segment_shared, schema)));
	for (uint64_t i = dice(200); i > 0; i--)
		relax();
}

static bool is_ring(enum attack_target target)
{
	return target == ATTACK_SEGMENT || target >= ATTACK_SERVICE;
}

_Noreturn static void attack_for_ever(enum attack_target target)
{
	for (uint64_t i = 0; target > ATTACK_SERVICE && i < IN_ORDER; i++)
		forge_in_order();
	for (;;) {
		uint64_t choice = dice(100);

		if (target == ATTACK_LEFT)
			lure();
		else if (target == ATTACK_DROPPER)
			forge_cursor();
		else if (choice == 0)
			put_back();
		else if (choice < 50 && is_ring(target))
			forge_message();
		else if (choice < 70 && target == ATTACK_LANES)
			forge_entry();
		else if (choice < 90 && target == ATTACK_RELAY)
			forge_relay();
		else if (choice < 50 && target == ATTACK_NODE)
			forge_port();
		else if (choice < 75)
			spoil(dice(ground.size));
		else
			spoil(dice(ground.size < 1024 ? ground.size : 1024));
	}
}

/*
 * Joining
 */

static void join_as_publisher(const struct attack *attack)
{
	struct floe_publisher *pub = publisher(
		attack->topic,
		PUBLISHER(.depth = DEPTH, .payload_max = PAYLOAD,
			  .lanes_max = attack->target == ATTACK_LANES ? ATTACK_LANES_MAX : 0));
	const struct segment_shared *segment;

	for (uint64_t i = 0; i < DEPTH; i++)
		publish(pub, i % 2 ? PAYLOAD : 8, i);
	ground.at = find_mapping("topics/*/pub.*");
	segment = (const struct segment_shared *)(const void *)ground.at;
	ground.size = segment->pool[0].offset + 4 * segment->pool[0].chunk_size;
}

static void join_as_relay(const struct attack *attack)
{
	struct floe_publisher *source = publisher(SOURCE, PUBLISHER(.payload_max = PAYLOAD));
	struct floe_subscriber *in = subscriber(SOURCE, SUBSCRIBER(.holds_max = RELAYS + 1));
	struct floe_publisher *pub = publisher(
		attack->topic,
		PUBLISHER(.depth = DEPTH, .payload_max = PAYLOAD, .relays_max = RELAYS));
	const struct segment_shared *segment;
	struct floe_sample sample;

	for (uint64_t i = 0; i < RELAYS; i++) {
		publish(source, PAYLOAD, i);
		sample = take(in, PAYLOAD, i);
		expect_equal(floe_republish(pub, in, &sample), 1);
	}
	ground.at = find_mapping("topics/*/pub.*");
	segment = (const struct segment_shared *)(const void *)ground.at;
	ground.size = segment->pool[0].offset + 4 * segment->pool[0].chunk_size;
}

static void join_as_subscriber(const struct attack *attack)
{
	(void)subscriber(attack->topic, SUBSCRIBER(.policy = dice(2) ? FLOE_POLICY_RELIABLE
								     : FLOE_POLICY_KEEP_LAST));
	(void)subscriber(attack->topic, NULL);
	ground.at = find_mapping("nodes/*");
	ground.size = load_relaxed(&((struct node_shared *)(void *)ground.at)->used);
}

static void join_as_dropper(const struct attack *attack)
{
	(void)subscriber(attack->topic, SUBSCRIBER(.policy = FLOE_POLICY_DROP_NEWEST));
	ground.at = find_mapping("nodes/*");
	ground.size = load_relaxed(&((struct node_shared *)(void *)ground.at)->used);
}

/* What its file is long. */
static void take_ground(const char *pattern, size_t size)
{
	ground.at = find_mapping(pattern);
	ground.size = size;
}

static void join_as_notifier(const struct attack *attack)
{
	struct floe_notifier_options o = {.size = sizeof(o), .ids = 100, .deadline_ns = 1000000};
	struct floe_notifier *notifier;

	expect_equal(floe_notifier_open(&notifier, attack->topic, &o), 0);
	for (uint32_t i = 0; i < 100; i++)
		expect(floe_notify(notifier, i) >= 0);
	take_ground("topics/*/event.*", (size_t)floe_notifier_memory_size(&o));
}

static void join_as_board_writer(const struct attack *attack)
{
	static const struct floe_board_key keys[] = {{"x", 8, NULL}, {"y", 1000, NULL}};
	struct floe_board_writer_options o = {.size = sizeof(o), .keys = keys, .keys_count = 2};
	struct floe_board_writer *writer;
	unsigned char value[1000] = {1};

	expect_equal(floe_board_writer_open(&writer, attack->topic, &o), 0);
	for (uint32_t i = 0; i < 2; i++)
		expect_equal(floe_board_write(writer, i, value, keys[i].size, NULL), 0);
	take_ground("topics/*/board.*", (size_t)floe_board_writer_memory_size(&o));
}

const struct floe_type attack_header = {.size = 16, .alignment = 8};

static struct floe_server *open_server(const struct attack *attack)
{
	struct floe_server_options o = {.size = sizeof(o),
					.payload_max = PAYLOAD,
					.request_header = &attack_header,
					.response_header = &attack_header};
	struct floe_server *server;

	expect_equal(floe_server_open(&server, attack->topic, &o), 0);
	return server;
}

static size_t ring_size(void)
{
	const struct segment_shared *segment = (const struct segment_shared *)(void *)ground.at;

	return segment->pool[0].offset + 4 * segment->pool[0].chunk_size;
}

static void join_as_server(const struct attack *attack)
{
	(void)open_server(attack);
	ground.at = find_mapping("topics/*@service/pub.*");
	ground.size = ring_size();
}

/* Another process of its own asks it. */
static void join_as_answerer(const struct attack *attack)
{
	struct floe_server *server = open_server(attack);
	struct floe_request request;
	struct floe_loan loan;

	tell(attack->wire, 1);
	expect_equal(floe_server_wait(server, -1), 1);
	expect_equal(floe_server_take(server, &request), 1);
	expect_equal(floe_server_loan(server, &request, 40, &loan), 1);
	expect_equal(floe_server_send(server, &request, &loan, 1), 1);
	ground.at = find_mapping("topics/*@client*/pub.*");
	ground.size = ring_size();
}

static void join_as_client(const struct attack *attack)
{
	struct floe_client_options o = {.size = sizeof(o),
					.payload_max = PAYLOAD,
					.request_header = &attack_header,
					.response_header = &attack_header};
	struct floe_client *client;
	struct floe_loan loan;

	expect_equal(floe_client_open(&client, attack->topic, &o), 0);
	tell(attack->wire, 1);
	(void)hear(attack->wire);
	for (int i = 0; i < 8; i++) {
		expect_equal(floe_client_loan(client, i % 2 ? PAYLOAD : 8, &loan), 1);
		expect_equal(floe_client_send(client, &loan, -1, NULL), 1);
	}
	ground.at = find_mapping("topics/*@server*/pub.*");
	ground.size = ring_size();
}

struct hints_shared *attack_find_hints(void)
{
	return (struct hints_shared *)(void *)(find_mapping("topics/*/topic") + HINTS_OFFSET);
}

static void join_as_anybody(const struct attack *attack)
{
	(void)subscriber(attack->topic, NULL);
	ground.at = (unsigned char *)attack_find_hints();
	ground.size = sizeof(struct hints_shared);
}

void attack_life(int wire, void *argument)
{
	static void (*const join[])(const struct attack *attack) = {
		[ATTACK_SEGMENT] = join_as_publisher,  [ATTACK_LEFT] = join_as_publisher,
		[ATTACK_LANES] = join_as_publisher,    [ATTACK_DROPPER] = join_as_dropper,
		[ATTACK_RELAY] = join_as_relay,        [ATTACK_NODE] = join_as_subscriber,
		[ATTACK_HINTS] = join_as_anybody,      [ATTACK_EVENT] = join_as_notifier,
		[ATTACK_BOARD] = join_as_board_writer, [ATTACK_SERVICE] = join_as_server,
		[ATTACK_ANSWERS] = join_as_answerer,   [ATTACK_REQUESTS] = join_as_client,
	};
	const struct attack *given = argument;
	struct attack mine = *given, *attack = &mine;

	mine.wire = wire;
	ground.seed = attack->seed;
	join[attack->target](attack);
	if (ground.size > KEPT_MAX)
		ground.size = KEPT_MAX;
	memcpy(ground.kept, ground.at, ground.size);
	tell(wire, 1);
	attack_for_ever(attack->target);
}
