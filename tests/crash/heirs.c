/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Heirs: publishers, each of which adopts the ring of the one before. A reliable subscriber that lives
 * through all of it gets every message once and in order, keeps its mapping of the ring, and the
 * folder takes not a byte more than after the first.
 *
 * They are born in a nursery. One in some hundred is a child of the reader itself, which then reads
 * while it publishes, so that it is also killed while the ring moves.
 */

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <floe/inspect.h>

#include "frame/frame.h"
#include "lives.h"
#include "message.h"
#include "nursery.h"
#include "scene.h"
#include "world.h"

/* Publishing as many takes a tenth of a life. */
#define DEPTH 64
#define CHUNKS (DEPTH + 8)
/* Until it is full. */
#define WORK_NS 25000
#define OWN_CHILDREN 256 /* every so many-th */
#define OWN_LIFE_US 400  /* longer than opening takes */

static struct {
	struct floe_subscriber *sub;
	struct account account;
	uint64_t bytes;
	uint64_t rings;  /* differs when the ring is mapped elsewhere, or another one is */
	uint64_t shared; /* mappings; the file of each publisher's process is one */
} reader;

static struct floe_publisher *open_publisher(void)
{
	static const struct floe_pool pool = {MESSAGE_CHUNK, CHUNKS};
	struct floe_publisher *pub;

	expect_equal(floe_publisher_open(&pub, WORLD_TOPIC,
					 PUBLISHER(.depth = DEPTH, .loans_max = 2, .pools = &pool,
						   .pools_count = 1)),
		     0);
	return pub;
}

/* Inline and in chunks, each kind sometimes. */
static size_t choose_size(uint64_t sequence)
{
	return sequence % 3 ? MESSAGE_CHUNK : MESSAGE_INLINE;
}

static void live(void)
{
	struct floe_publisher *pub = open_publisher();
	uint64_t published = message_published(pub);

	/* The one before it may have sent one more than it could say. */
	expect(published - atomic_load(&life->sent) <= 1);
	atomic_store(&life->sent, published);
	nursery_works();
	for (;;) {
		int r = message_publish(pub, choose_size(published), MESSAGE_VICTIM);

		expect(r >= 0);
		if (r == 1)
			atomic_store(&life->sent, ++published);
		else
			expect(floe_publisher_wait(pub, -1) == 1);
	}
}

static void read_all(void)
{
	struct floe_sample sample;
	int r;

	while ((r = floe_take(reader.sub, &sample)) == 1) {
		account_add(&reader.account, &sample);
		floe_release(reader.sub, &sample);
	}
	expect_equal(r, 0);
}

/*
 * What stays the same
 */

static uint64_t blocks;

static int add_blocks(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)path;
	(void)kind;
	(void)place;
	/* Places are further names of the same file. */
	blocks += S_ISREG(st->st_mode) ? (uint64_t)st->st_blocks * 512 / st->st_nlink : 0;
	return 0;
}

static uint64_t count_bytes(void)
{
	blocks = 0;
	(void)nftw(getenv("FLOE_DIR"), add_blocks, 16, FTW_PHYS);
	return blocks;
}

static void look_at_mappings(uint64_t *ret_rings, uint64_t *ret_shared)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[4608];

	expect(maps);
	*ret_rings = *ret_shared = 0;
	while (fgets(line, sizeof(line), maps)) {
		*ret_shared += strchr(line, ' ')[4] == 's';
		for (const char *at = strstr(line, "/pub.") ? line : ""; *at; at++)
			*ret_rings = (*ret_rings ^ (unsigned char)*at) * 0x100000001b3u;
	}
	(void)fclose(maps);
}

/* The file of a process is a page. Of those who died before they could look for the dead some wait for
 * the next one who comes. */
#define WAITING_BYTES (16 * 4096)

static void clean(void)
{
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect(floe_view_clean(view, 0, NULL, NULL) >= 0);
	floe_view_close(view);
}

static void expect_unchanged(void)
{
	uint64_t rings, shared;

	look_at_mappings(&rings, &shared);
	expect(rings != 0);
	expect_equal(rings, reader.rings);
	expect(shared <= reader.shared + 1);
	expect(count_bytes() <= reader.bytes + WAITING_BYTES);
	clean();
	expect_equal(count_bytes(), reader.bytes);
}

/*
 * Deaths
 */

/* It dies by our hand, and we read meanwhile. One in four may die before it works. */
static void bear_myself(void)
{
	pid_t parent = getpid(), child = fork();
	bool soon = nursery_draw(4) == 0;
	double span = (double)nursery_draw(OWN_LIFE_US) * 1e-6;
	double begin = scene_now(), until = begin + span;
	int status;

	expect(child >= 0);
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			live();
		_exit(1);
	}
	while (scene_now() < until) {
		read_all();
		if (!soon && !atomic_load(&life->works))
			until = scene_now() + span;
		expect(scene_now() < begin + scene_patience());
	}
	(void)kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0)
		expect_equal(errno, EINTR);
	nursery_expect_killed(status);
}

/* After each death everything that was sent has come, and it was not a message more. */
static void expect_all(void)
{
	uint64_t sent = atomic_load(&life->sent);

	read_all();
	expect(reader.account.last == sent || reader.account.last == sent + 1);
	expect_equal(reader.account.lost, 0);
}

static void die(size_t i)
{
	atomic_store(&life->works, 0);
	if (i % OWN_CHILDREN)
		nursery_bear();
	else
		bear_myself();
	expect_all();
}

/* The first one that works makes the ring; then nothing more is needed. */
static void have_first(void)
{
	for (double until = scene_now() + scene_patience(); !reader.account.last;) {
		nursery_bear();
		read_all();
		expect(scene_now() < until);
	}
	clean();
	look_at_mappings(&reader.rings, &reader.shared);
	reader.bytes = count_bytes();
}

static void end(void)
{
	struct floe_publisher *pub = open_publisher();

	expect_equal(message_published(pub), reader.account.last);
	floe_publisher_close(pub);
	floe_subscriber_close(reader.sub);
	expect_equal(world_count_files(), 0);
}

void heirs_live(const struct lives *lives)
{
	memset(&reader, 0, sizeof(reader));
	nursery_open(live, lives->seed, WORK_NS);
	expect_equal(floe_subscriber_open(&reader.sub, WORLD_TOPIC,
					  SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE)),
		     0);
	have_first();
	for (size_t done = 0, batch; done < lives->count; done += batch) {
		batch = lives->count - done < LIVES_BATCH ? lives->count - done : LIVES_BATCH;
		for (size_t i = 1; i <= batch; i++)
			die(done + i);
		expect_unchanged();
		lives->lived(batch);
	}
	end();
	nursery_close();
}
