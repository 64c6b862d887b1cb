/* SPDX-License-Identifier: Apache-2.0 */
#include "domain.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <floe/inspect.h>

#include "patterns.h"
#include "registry/lent_memory.h"
#include "registry/node_layout.h"
#include "registry/record_layout.h"
#include "registry/terms_layout.h"
#include "registry/topic_layout.h"

#define SIZE_MAX_FILE 65536
#define DEPTH 4
#define PAYLOAD 256
#define BLOCK_SIZE 65536

/* Flags of an input. */
#define OWNER_LIVES 1u
#define CLEAN_REALLY 2u

struct template
{
	size_t size;
	_Alignas(64) unsigned char bytes[SIZE_MAX_FILE];
};

static struct template templates[DOMAIN_FILES];
static struct template service_topic; /* topics/s@service/topic */
static char top[64];
static uint64_t node_id;
static unsigned char *block;
static int node_file = -1; /* of the play that is on: whoever has its lock lives */

static void must(bool so, const char *what)
{
	if (so)
		return;
	(void)fprintf(stderr, "fuzz: %s: %s\n", what, strerror(errno));
	abort();
}

/*
 * Files
 */

static void make_path(char *ret_path, size_t size, const char *name)
{
	(void)snprintf(ret_path, size, "%s/test/%s", top, name);
}

static void node_name(char *ret_name, size_t size)
{
	(void)snprintf(ret_name, size, "nodes/%016" PRIx64, node_id);
}

static void write_file(const char *name, const struct template *t, int *ret_fd)
{
	char path[160];
	int fd;

	make_path(path, sizeof(path), name);
	(void)unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, t->bytes, t->size) == (ssize_t)t->size, path);
	if (ret_fd)
		*ret_fd = fd;
	else
		close(fd);
}

static void read_template(struct template *t, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, t->bytes, sizeof(t->bytes));

	must(size > 0, path);
	close(fd);
	t->size = (size_t)size;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	return place->level == 0 ? 0 : remove(path);
}

static void wipe(void)
{
	(void)nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void leave_nothing(void)
{
	wipe();
	(void)rmdir(top);
}

static void make_folders(void)
{
	static const char *const folders[] = {"", "nodes", "topics", "topics/t",
					      "topics/s@service"};
	char path[160];

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		make_path(path, sizeof(path), folders[i]);
		must(mkdir(path, 0700) == 0 || errno == EEXIST, path);
	}
}

/*
 * Templates: what the library makes
 */

static struct floe_publisher_options plan(void)
{
	return (struct floe_publisher_options){
		.size = sizeof(struct floe_publisher_options),
		.depth = DEPTH,
		.payload_max = PAYLOAD,
		.loans_max = 2,
		.holds_max = 2,
	};
}

static const struct floe_type header = {.name = "h", .size = 24, .alignment = 8};
static const struct floe_attribute attribute = {"frame", "map"};

static struct floe_publisher_options offering(void)
{
	struct floe_publisher_options o = plan();

	o.header = &header;
	o.attributes = &attribute;
	o.attributes_count = 1;
	return o;
}

static struct floe_publisher_options queueing(void)
{
	struct floe_publisher_options o = plan();

	o.lanes_max = 2;
	o.lane_depth = DEPTH - 1;
	return o;
}

static void publish(struct floe_publisher *pub, size_t size)
{
	struct floe_loan loan;
	void *beside;

	if (floe_loan(pub, size, &loan) != 1)
		return;
	memset(loan.data, 7, loan.size);
	beside = floe_loan_header(pub, &loan);
	if (beside)
		memset(beside, 8, header.size);
	(void)floe_publish(pub, &loan);
	floe_discard(pub, &loan);
}

static int take_node_id(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	if (kind == FTW_F && strstr(path, "/nodes/"))
		node_id = strtoull(path + place->base, NULL, 16);
	return 0;
}

static void make_record(void)
{
	struct record_shared record = {
		.identity = identity_make(RECORD_MAGIC, RECORD_SIGNATURE),
		.owner = node_id,
		.pid = getpid(),
		.address = (uintptr_t)block,
		.size = templates[DOMAIN_RING].size,
		.map_begin = (uintptr_t)block,
		.map_end = (uintptr_t)block + BLOCK_SIZE,
	};

	memcpy(block, templates[DOMAIN_RING].bytes, templates[DOMAIN_RING].size);
	memcpy(templates[DOMAIN_RECORD].bytes, &record, sizeof(record));
	templates[DOMAIN_RECORD].size = sizeof(record);
}

static void make_terms(void)
{
	struct terms_shared terms = {
		.identity = identity_make(TERMS_MAGIC, TERMS_SIGNATURE),
		.publishers_max = 3,
		.depth = DEPTH,
		.payload_max = PAYLOAD,
		.pool_count = 1,
		.pool = {{PAYLOAD, 20}},
	};
	struct quotas_shared quotas = {
		.identity = identity_make(QUOTAS_MAGIC, QUOTAS_SIGNATURE),
		.count = 1,
		.others = {.publishers_max = 40},
	};

	memcpy(templates[DOMAIN_TERMS].bytes, &terms, sizeof(terms));
	templates[DOMAIN_TERMS].size = sizeof(terms);
	memcpy(templates[DOMAIN_QUOTAS].bytes, &quotas, sizeof(quotas));
	templates[DOMAIN_QUOTAS].size = sizeof(quotas);
}

/* After the others, which are without. The first ring was left by then. */
static void make_offer_and_wish(void)
{
	struct floe_publisher_options o = offering();
	struct floe_subscriber_options s = {.size = sizeof(s),
					    .policy = FLOE_POLICY_RELIABLE,
					    .header = &header,
					    .attributes = &attribute,
					    .attributes_count = 1};
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	struct floe_sample sample;
	char path[160], name[64];

	must(floe_publisher_open(&pub, "t", &o) == 0, "open a publisher with headers");
	must(floe_subscriber_open(&sub, "t", &s) == 0, "open a subscriber that wants them");
	for (size_t i = 0; i < 3; i++)
		publish(pub, i % 2 ? 8 : PAYLOAD);
	must(floe_take(sub, &sample) == 1, "take");
	make_path(path, sizeof(path), "topics/t/pub.1");
	read_template(&templates[DOMAIN_OFFER], path);
	node_name(name, sizeof(name));
	make_path(path, sizeof(path), name);
	read_template(&templates[DOMAIN_WISH], path);
	templates[DOMAIN_WISH].size = 8192;
	floe_release(sub, &sample);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

/* After both. The lane is full, and not of what the ring has. */
static void make_lanes(void)
{
	struct floe_publisher_options o = queueing();
	struct floe_subscriber_options s = {.size = sizeof(s), .policy = FLOE_POLICY_DROP_NEWEST};
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	char path[160];

	must(floe_publisher_open(&pub, "t", &o) == 0, "open a publisher with lanes");
	must(floe_subscriber_open(&sub, "t", &s) == 0, "open a subscriber that has one");
	for (size_t i = 0; i < 2 * DEPTH; i++)
		publish(pub, i % 2 ? 8 : PAYLOAD);
	make_path(path, sizeof(path), "topics/t/pub.0");
	read_template(&templates[DOMAIN_LANES], path);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void make_templates(void)
{
	struct floe_publisher_options o = plan();
	struct floe_subscriber_options s = {.size = sizeof(s), .policy = FLOE_POLICY_RELIABLE};
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	struct floe_sample sample;
	char path[160], name[64];

	must(floe_subscriber_open(&sub, "t", &s) == 0, "open a subscriber");
	must(floe_publisher_open(&pub, "t", &o) == 0, "open a publisher");
	for (size_t i = 0; i < 3; i++)
		publish(pub, i % 2 ? 8 : PAYLOAD);
	patterns_open();
	must(floe_take(sub, &sample) == 1, "take");
	(void)nftw(top, take_node_id, 16, FTW_PHYS);
	make_path(path, sizeof(path), "topics/t/pub.0");
	read_template(&templates[DOMAIN_RING], path);
	make_path(path, sizeof(path), "topics/t/topic");
	read_template(&templates[DOMAIN_TOPIC], path);
	make_path(path, sizeof(path), "topics/t/event.0");
	read_template(&templates[DOMAIN_EVENT], path);
	make_path(path, sizeof(path), "topics/t/board.0");
	read_template(&templates[DOMAIN_BOARD], path);
	make_path(path, sizeof(path), "topics/s@service/pub.0");
	read_template(&templates[DOMAIN_SERVER], path);
	make_path(path, sizeof(path), "topics/s@service/topic");
	read_template(&service_topic, path);
	make_path(path, sizeof(path), "topics/s@client");
	patterns_find(path, "pub.0", path, sizeof(path));
	read_template(&templates[DOMAIN_ANSWER], path);
	node_name(name, sizeof(name));
	make_path(path, sizeof(path), name);
	read_template(&templates[DOMAIN_NODE], path);
	floe_release(sub, &sample);
	patterns_close();
	floe_publisher_close(pub);
	make_offer_and_wish();
	floe_subscriber_close(sub);
	make_lanes();
	make_terms();
	/* Of 16 MiB only this part says anything. */
	templates[DOMAIN_NODE].size = 4096;
	make_record();
}

static void begin(void)
{
	if (top[0])
		return;
	strcpy(top, "/dev/shm/floe-fuzz-XXXXXX");
	must(mkdtemp(top) != NULL, top);
	(void)atexit(leave_nothing);
	(void)setenv("FLOE_DIR", top, 1);
	(void)setenv("FLOE_DOMAIN", "test", 1);
	block = mmap(NULL, BLOCK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(block != MAP_FAILED, "map");
	make_templates();
}

/*
 * Changes
 */

static void change(struct template *t, size_t offset, uint8_t how, uint64_t value)
{
	uint64_t word = 0;
	size_t size = (size_t)1 << (how & 3);

	if (offset + sizeof(word) > t->size)
		return;
	memcpy(&word, t->bytes + offset, sizeof(word));
	switch (how >> 2 & 3) {
	case 0:
		word = value;
		break;
	case 1:
		word += (uint64_t)(int8_t)value;
		break;
	case 2:
		word ^= (uint64_t)1 << (value & 63);
		break;
	default:
		t->size = offset;
		return;
	}
	memcpy(t->bytes + offset, &word, size);
}

static void apply(struct template *t, const uint8_t *changes, size_t size)
{
	for (; size >= 11; changes += 11, size -= 11) {
		uint64_t value;

		memcpy(&value, changes + 3, sizeof(value));
		change(t, (size_t)changes[0] | (size_t)changes[1] << 8, changes[2], value);
	}
}

/* The files as they are to be found; the node's lock says that its process lives. */
static void lay_out(const struct template *now, enum domain_file file, bool alive)
{
	bool as_record = file == DOMAIN_RECORD;
	bool with_more = file == DOMAIN_OFFER || file == DOMAIN_WISH;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char from[160], to[160], name[64];

	make_folders();
	node_name(name, sizeof(name));
	write_file(name, &now[file == DOMAIN_WISH ? DOMAIN_WISH : DOMAIN_NODE], &node_file);
	if (alive)
		must(fcntl(node_file, F_OFD_SETLK, &lock) == 0, "lock");
	make_path(from, sizeof(from), name);
	make_path(to, sizeof(to), "topics/t/sub.0");
	must(link(from, to) == 0, to);
	make_path(to, sizeof(to), "topics/t/sub.1");
	must(file != DOMAIN_WISH || link(from, to) == 0, to);
	write_file("topics/t/topic", &now[DOMAIN_TOPIC], NULL);
	if (with_more)
		write_file("topics/t/pub.1", &now[DOMAIN_OFFER], NULL);
	else if (file == DOMAIN_LANES)
		write_file("topics/t/pub.0", &now[DOMAIN_LANES], NULL);
	else
		write_file("topics/t/pub.0", &now[as_record ? DOMAIN_RECORD : DOMAIN_RING], NULL);
	write_file("topics/t/event.0", &now[DOMAIN_EVENT], NULL);
	write_file("topics/t/board.0", &now[DOMAIN_BOARD], NULL);
	write_file("topics/s@service/topic", &service_topic, NULL);
	write_file("topics/s@service/pub.0", &now[DOMAIN_SERVER], NULL);
	if (file == DOMAIN_TERMS)
		write_file("topics/t/terms", &now[DOMAIN_TERMS], NULL);
	if (file == DOMAIN_QUOTAS)
		write_file("quotas", &now[DOMAIN_QUOTAS], NULL);
}

/* What a server has sent to the client that is there; its topic is another one each time. */
static void lay_out_answer(struct template *answer)
{
	struct segment_shared *segment = (struct segment_shared *)(void *)answer->bytes;
	char folder[256], path[256];
	uint64_t topic_id = 0;
	int fd;

	make_path(folder, sizeof(folder), "topics/s@client");
	if (!patterns_find(folder, "topic", path, sizeof(path)))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0 && pread(fd, &topic_id, sizeof(topic_id), offsetof(struct topic_shared, id)) ==
				sizeof(topic_id),
	     path);
	close(fd);
	/* Unless that is what was changed. */
	if (segment->topic_id ==
	    ((const struct segment_shared *)(const void *)templates[DOMAIN_ANSWER].bytes)->topic_id)
		segment->topic_id = topic_id;
	memcpy(strrchr(path, '/') + 1, "pub.0", sizeof("pub.0"));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, answer->bytes, answer->size) == (ssize_t)answer->size, path);
	close(fd);
	*strrchr(path, '/') = 0;
	patterns_come_and_go(strrchr(path, '/') + 1);
}

/*
 * The play
 */

static void read_bytes(const void *data, size_t size)
{
	static volatile unsigned char sink;
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		sink = (unsigned char)(sink + bytes[i]);
}

static void read_all(const struct floe_sample *sample)
{
	read_bytes(sample->data, sample->size);
}

/* In front of the payload, or in the same slot. */
static void read_header(const void *beside, size_t size, const struct floe_sample *sample)
{
	must(!beside || (const char *)beside + size <= (const char *)sample->data + FLOE_INLINE_MAX,
	     "a header beside its payload");
	read_bytes(beside, size);
}

static void look_at_offers(struct floe_view *view)
{
	static struct floe_attribute_info attributes[FLOE_ATTRIBUTES_MAX];
	static struct floe_publisher_info publisher;

	(void)floe_view_publishers(view, "t", &publisher, sizeof(publisher), 1);
	must(memchr(publisher.header, 0, sizeof(publisher.header)) != NULL, "a name ends");
	for (uint32_t i = 0; i < 2; i++) {
		int count = floe_view_attributes(view, "t", i, attributes, sizeof(attributes[0]),
						 FLOE_ATTRIBUTES_MAX);

		for (int k = 0; k < count && k < FLOE_ATTRIBUTES_MAX; k++)
			must(memchr(attributes[k].key, 0, sizeof(attributes[k].key)) &&
				     memchr(attributes[k].value, 0, sizeof(attributes[k].value)),
			     "texts end");
	}
}

static void look(bool really)
{
	static struct floe_node_info nodes[4];
	static struct floe_topic_info topics[4];
	static struct floe_publisher_info publishers[4];
	static struct floe_subscriber_info subscribers[4];
	struct floe_observer *observer = NULL;
	struct floe_observer_options options = {.size = sizeof(options), .history = DEPTH};
	struct floe_view *view;
	struct floe_sample sample;
	const void *beside;
	char schema[64];
	size_t beside_size;

	must(floe_view_open(&view, NULL, NULL, NULL) == 0, "open a view");
	(void)floe_view_nodes(view, nodes, sizeof(nodes[0]), 4);
	(void)floe_view_topics(view, topics, sizeof(topics[0]), 4);
	(void)floe_view_publishers(view, "t", publishers, sizeof(publishers[0]), 4);
	(void)floe_view_subscribers(view, "t", subscribers, sizeof(subscribers[0]), 4);
	(void)floe_view_schema(view, "t", schema, sizeof(schema));
	look_at_offers(view);
	(void)floe_observer_open(&observer, view, "t", &options);
	for (int i = 0; observer && i < 2 * DEPTH; i++)
		if (floe_observer_next(observer, 0, &sample) == 1) {
			read_all(&sample);
			beside = floe_observer_header(observer, &sample, &beside_size);
			read_bytes(beside, beside_size);
		}
	floe_observer_close(observer);
	(void)floe_view_clean(view, !really, NULL, NULL);
	floe_view_close(view);
}

static void take_all(struct floe_subscriber *sub)
{
	struct floe_sample sample;
	const void *beside;
	size_t beside_size;

	for (int i = 0; i < 4 * DEPTH; i++) {
		int r = floe_take(sub, &sample);

		if (r == 0)
			break;
		if (r == 1) {
			must(sample.size > 0 && sample.data, "a sample without bytes");
			read_all(&sample);
			beside = floe_sample_header(sub, &sample, &beside_size);
			read_header(beside, beside_size, &sample);
			floe_release(sub, &sample);
		}
	}
	(void)floe_wait(sub, 0);
}

static void take_part(enum domain_file file)
{
	bool with_more = file == DOMAIN_OFFER || file == DOMAIN_WISH;
	struct floe_type type = {.name = "n", .size = 8};
	struct floe_publisher_options o = with_more              ? offering()
					  : file == DOMAIN_LANES ? queueing()
								 : plan();
	struct floe_subscriber_options s = {
		.size = sizeof(s), .history = DEPTH, .type = &type, .spin_ns = 1};
	struct floe_publisher *pub = NULL;
	struct floe_subscriber *sub = NULL;

	if (with_more) {
		s.header = &header;
		s.attributes = &attribute;
		s.attributes_count = 1;
	}
	if (file == DOMAIN_LANES)
		s.policy = FLOE_POLICY_DROP_NEWEST;
	(void)floe_subscriber_open(&sub, "t", &s);
	if (sub)
		take_all(sub);
	(void)floe_publisher_open(&pub, "t", &o);
	for (size_t i = 0; pub && i < 2 * DEPTH; i++)
		publish(pub, i % 2 ? 8 : PAYLOAD);
	if (pub)
		(void)floe_publisher_wait(pub, 0);
	if (sub)
		take_all(sub);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

/* What reads these: only where one of them is changed, or each play would do everything. */
static void play_patterns(struct template *now, enum domain_file file)
{
	if (file == DOMAIN_EVENT)
		patterns_listen();
	if (file == DOMAIN_BOARD)
		patterns_read();
	if (file != DOMAIN_SERVER && file != DOMAIN_ANSWER)
		return;
	if (!patterns_ask())
		return;
	lay_out_answer(&now[DOMAIN_ANSWER]);
	patterns_take_answers();
}

void domain_play(enum domain_file file, const uint8_t *changes, size_t size)
{
	static struct template now[DOMAIN_FILES];

	begin();
	if (size == 0)
		return;
	memcpy(now, templates, sizeof(now));
	apply(&now[file], changes + 1, size - 1);
	lay_out(now, file, changes[0] & OWNER_LIVES);
	look(false);
	if (file <= DOMAIN_RECORD || file == DOMAIN_TERMS || file == DOMAIN_QUOTAS ||
	    file >= DOMAIN_OFFER)
		take_part(file);
	else
		play_patterns(now, file);
	look(changes[0] & CLEAN_REALLY);
	close(node_file);
	wipe();
}
