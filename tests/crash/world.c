/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <dirent.h>
#include <ftw.h>
#include <sys/mman.h>

#include "frame/frame.h"
#include "message.h"
#include "os/os.h"
#include "still.h"

struct stage *stage;

void world_make_stage(void)
{
	stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	expect(stage != MAP_FAILED);
}

static uint64_t drawn;

void world_seed(const char *name)
{
	drawn = 14695981039346656037u;
	for (; *name; name++)
		drawn = (drawn ^ (unsigned char)*name) * 1099511628211u;
}

int world_draw(void *buffer, size_t size)
{
	unsigned char *bytes = buffer;

	if (!drawn)
		return os_real.get_random(buffer, size);
	for (size_t i = 0; i < size; i++) {
		drawn = drawn * 6364136223846793005u + 1442695040888963407u;
		bytes[i] = (unsigned char)(drawn >> 56);
	}
	return 0;
}

/* So that a copy of this process has the topic, too, and may use its handles. */
static int advise(void *address, size_t size, int advice)
{
	if (advice == MADV_DONTFORK || advice == MADV_WIPEONFORK)
		return 0;
	return os_real.advise(address, size, advice);
}

static int64_t slept_ns;

/* It will not go on, however long that is. */
static void sleep_for_the_victim(int64_t ns)
{
	expect(atomic_load(&stage->stands));
	slept_ns += ns;
}

static int64_t now_with_sleep(void)
{
	return os_real.now_ns() + slept_ns;
}

void world_forbid_sleep(void)
{
	static struct os table;

	slept_ns = 0;
	table = os_real;
	table.sleep_ns = sleep_for_the_victim;
	table.advise = advise;
	table.get_random = world_draw;
	table.now_ns = now_with_sleep;
	table.stat = still_stat;
	table.stat_at = still_stat_at;
	table.identify = still_identify;
	os = &table;
}

bool world_is_fixed(enum ring_kind kind)
{
	return kind == RING_FIXED || kind == RING_STAMPED || kind == RING_HEADED ||
	       kind == RING_BLOCK || kind == RING_RELAY;
}

const struct floe_type world_header = {.name = "crash.header", .size = MESSAGE_HEADER};
const struct floe_attribute world_attribute = {"crash", "at any instruction"};

int world_open_as(struct floe_publisher **ret, const struct floe_publisher_options *options)
{
	struct floe_publisher_options with = *options;

	if (stage && stage->headed) {
		with.header = &world_header;
		with.attributes = &world_attribute;
		with.attributes_count = 1;
	}
	if (stage && stage->queued) {
		with.lanes_max = WORLD_LANES;
		with.lane_depth = WORLD_LANE;
	}
	return floe_publisher_open(ret, WORLD_TOPIC, &with);
}

/* Shared, so that root may map it in other processes. One is enough for each process. */
static int open_in_a_block(struct floe_publisher **ret, const struct floe_publisher_options *plan)
{
	static void *block;
	struct floe_publisher_options options = *plan;

	options.memory_size = (size_t)floe_publisher_memory_size(plan);
	if (!block)
		block = mmap(NULL, options.memory_size, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(block != MAP_FAILED);
	options.memory = block;
	return floe_publisher_open(ret, WORLD_TOPIC, &options);
}

int world_open_publisher(struct floe_publisher **ret, enum ring_kind kind)
{
	static const struct floe_pool pool = {MESSAGE_CHUNK, WORLD_POOL};

	if (kind == RING_GROWING)
		return world_open_as(ret, PUBLISHER(.depth = WORLD_DEPTH, .loans_max = WORLD_LOANS,
						    .loans_ceiling = WORLD_LOANS_RAISED,
						    .payload_max = MESSAGE_CHUNK));
	if (kind == RING_ELASTIC)
		return world_open_as(ret, PUBLISHER(.depth = WORLD_DEPTH, .loans_max = WORLD_LOANS,
						    .payload_max = MESSAGE_LARGE,
						    .quota_ceiling = WORLD_MEMORY,
						    .flags = FLOE_ELASTIC));
	if (kind == RING_BLOCK)
		return open_in_a_block(ret,
				       PUBLISHER(.depth = WORLD_DEPTH, .loans_max = WORLD_POOL + 1,
						 .pools = &pool, .pools_count = 1));
	return world_open_as(ret, PUBLISHER(.depth = WORLD_DEPTH + (kind == RING_VISITOR),
					    .loans_max = WORLD_POOL + 1, .pools = &pool,
					    .flags = kind == RING_STAMPED ? FLOE_TIMESTAMPS : 0,
					    .relays_max = kind == RING_RELAY ? WORLD_RELAYS : 0,
					    .pools_count = 1));
}

/* A chunk for each message that can be in a ring or held, and no more. */
int world_open_source(struct floe_publisher **ret)
{
	static const struct floe_pool pool = {MESSAGE_CHUNK, WORLD_SOURCE_POOL};

	return floe_publisher_open(ret, WORLD_SOURCE,
				   PUBLISHER(.depth = 1, .loans_max = WORLD_SOURCE_POOL,
					     .pools = &pool, .pools_count = 1));
}

uint32_t world_count_loans(struct floe_publisher *pub, int *ret_last)
{
	struct floe_loan loan[FLOE_LOANS_MAX];
	uint32_t count = 0;

	while (count < FLOE_LOANS_MAX &&
	       (*ret_last = floe_loan(pub, MESSAGE_CHUNK, &loan[count])) == 1)
		count++;
	for (uint32_t i = 0; i < count; i++)
		floe_discard(pub, &loan[i]);
	return count;
}

uint32_t world_count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint32_t count = 0;

	expect(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static uint32_t files;

static int count_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	if (place->level == 0)
		return 0;
	(void)fprintf(stderr, "left: %s\n", path);
	files++;
	return 0;
}

uint32_t world_count_files(void)
{
	files = 0;
	(void)nftw(getenv("FLOE_DIR"), count_one, 16, FTW_PHYS);
	return files;
}
