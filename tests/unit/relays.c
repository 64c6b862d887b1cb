/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What dead republishers need of each other is written in their files, and is input. Here each of them
 * says of many places of one topic that it needs those of the next one: more ways than anybody could go.
 * What is counted is how often a file is opened.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "frame/frame.h"
#include "os/os.h"
#include "registry/cleanup.h"
#include "registry/file.h"
#include "registry/relays.h"

#define PLACES 16u
#define LAYERS 12u
#define NOTE_SIZE ((size_t)port_size(0))
#define PLACE_SIZE ((size_t)port_size(1))
#define NODE_FILE_SIZE ((size_t)32 << 10)
#define NODE_FILE_MAX ((size_t)1 << 20)
/* Note: the topic, the ring, the folder. Place: the node. And a few to begin with. */
#define OPENED_MAX (3 * RELAYS_EFFORT + 1000)
#define MAPPED_MAX (((size_t)RELAYS_EFFORT << 16) + NODE_FILE_MAX)

static struct os table;
static struct domain domain;
static unsigned opened;
static size_t mapped;

static int count_open(int dir, const char *path, int flags, mode_t mode)
{
	expect(++opened <= OPENED_MAX);
	return os_real.open(dir, path, flags, mode);
}

static int count_map(void **ret, size_t size, int protection, int flags, int fd, uint64_t offset)
{
	mapped += size;
	return os_real.map(ret, size, protection, flags, fd, offset);
}

static void write_file(const char *path, const void *content, size_t size)
{
	FILE *file = fopen(path, "w");

	expect(file);
	expect_equal(fwrite(content, 1, size, file), size);
	expect_equal(fclose(file), 0);
}

static void say_topic(char *ret_name, unsigned layer)
{
	(void)snprintf(ret_name, FLOE_TOPIC_NAME_MAX + 1, "layer%u", layer);
}

static void make_topic(unsigned layer)
{
	struct topic_shared shared = {.identity = identity_make(TOPIC_MAGIC, TOPIC_SIGNATURE),
				      .id = layer + 1};
	char name[FLOE_TOPIC_NAME_MAX + 1];
	char path[DOMAIN_NAME_MAX];
	char file[DOMAIN_NAME_MAX + 16];

	say_topic(name, layer);
	domain_path(&domain, "topics", name, path);
	expect_equal(mkdir(path, 0700), 0);
	(void)snprintf(file, sizeof(file), "%s/topic", path);
	write_file(file, &shared, sizeof(shared));
}

/* Each holds a relay of a ring that nobody finds. */
static void lay_out_place(struct port_shared *port, unsigned layer, uint32_t index)
{
	port->size = (uint32_t)PLACE_SIZE;
	port->holds_max = 1;
	port->state = PORT_OPEN;
	port->topic_id = layer + 1;
	port->index = index;
	say_topic(port->topic, layer);
	port->hold[0] = hold_make(0, 0) | SLOT_FOREIGN;
}

/* Behind the last layer is nothing. */
static void lay_out_note(struct port_shared *port, unsigned layer)
{
	port->size = (uint32_t)NOTE_SIZE;
	port->state = PORT_NOTE;
	port->topic_id = layer + 2;
	port->ring_file = 1;
	say_topic(port->topic, layer + 1);
}

static void lay_out_node(unsigned char *content, unsigned layer)
{
	struct node_shared *node = (void *)content;
	unsigned char *at = node->ports;

	node->identity = identity_make(NODE_MAGIC, NODE_SIGNATURE);
	node->id = layer + 1;
	lay_out_note((void *)at, layer);
	at += NOTE_SIZE;
	for (uint32_t i = 0; i < PLACES; i++, at += PLACE_SIZE)
		lay_out_place((void *)at, layer, i);
	node->used = (uint64_t)(at - content);
	expect(node->used <= NODE_FILE_SIZE);
}

/* Of somebody dead, in every place of its topic. */
static void make_node(unsigned layer, size_t size)
{
	static _Alignas(FLOE_CACHELINE) unsigned char content[NODE_FILE_MAX];
	char path[DOMAIN_NAME_MAX];
	char topic[FLOE_TOPIC_NAME_MAX + 1];
	char folder[DOMAIN_NAME_MAX];
	char place[DOMAIN_NAME_MAX + PLACE_NAME_MAX];

	memset(content, 0, sizeof(content));
	lay_out_node(content, layer);
	node_path(&domain, layer + 1, path);
	write_file(path, content, size);
	say_topic(topic, layer);
	domain_path(&domain, "topics", topic, folder);
	for (unsigned i = 0; i < PLACES; i++) {
		(void)snprintf(place, sizeof(place), "%s/sub.%u", folder, i);
		expect_equal(link(path, place), 0);
	}
}

static void begin(unsigned layers, size_t size)
{
	expect_equal(domain_init(&domain, NULL, NULL, NULL), 0);
	expect_equal(domain_create(&domain, NULL), 0);
	for (unsigned i = 0; i < layers; i++) {
		make_topic(i);
		make_node(i, size);
	}
	table = os_real;
	table.open = count_open;
	table.map = count_map;
	os = &table;
	opened = 0;
	mapped = 0;
}

/* Is the first place of the first layer needed? */
static bool ask(void)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	floe_cleanup(peer_detach) struct peer peer = PEER_NULL;
	unsigned effort = RELAYS_EFFORT;
	const struct port_shared *port;
	char path[DOMAIN_NAME_MAX];
	uint32_t holds_max;

	node_path(&domain, 1, path);
	fd = file_open(AT_FDCWD, path, O_RDONLY, NULL);
	expect(fd >= 0);
	expect_equal(peer_attach(&peer, fd, path, NULL), 0);
	port = peer_find_port(&peer, 1, 0, &holds_max);
	expect(port);
	return relays_need(&domain, &peer, port, &effort);
}

static void the_dead_who_need_only_each_other_are_not_needed(void)
{
	begin(3, NODE_FILE_SIZE);
	expect(!ask());
	expect(opened > PLACES * PLACES);
}

static void who_cannot_go_all_ways_takes_a_port_for_needed(void)
{
	begin(LAYERS, NODE_FILE_SIZE);
	expect(ask());
}

static void long_files_are_not_walked_as_often_as_short_ones(void)
{
	begin(LAYERS, NODE_FILE_MAX);
	expect(ask());
	expect(mapped > NODE_FILE_MAX);
	expect(mapped <= MAPPED_MAX);
}

static void who_cleans_places_does_not_go_all_ways(void)
{
	begin(LAYERS, NODE_FILE_SIZE);
	expect_equal(cleanup_places(&domain, "layer0", NULL), 0);
	opened = 0;
	expect_equal(cleanup_topic(&domain, "layer0", NULL), 0);
}

/* Whatever it found out about the notes that it has. */
static void who_makes_a_note_does_not_go_all_ways(void)
{
	struct topic topic = {.name = "layer0", .id = 1};
	struct node *node;

	begin(LAYERS, NODE_FILE_SIZE);
	expect_equal(node_get(&node, NULL, NULL, NULL), 0);
	for (uint64_t ring = 1; ring <= 4; ring++) {
		opened = 0;
		expect_equal(relays_note(node, &topic, 0, ring), 0);
	}
	node_put(node);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(the_dead_who_need_only_each_other_are_not_needed),
		TEST(who_cannot_go_all_ways_takes_a_port_for_needed),
		TEST(long_files_are_not_walked_as_often_as_short_ones),
		TEST(who_cleans_places_does_not_go_all_ways),
		TEST(who_makes_a_note_does_not_go_all_ways),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
