/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The calls of a board's writer. A struct floe_board_writer is a handle; `struct writing` is what lies
 * behind it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/handle.h"
#include "api/options.h"
#include "base/arith.h"
#include "base/error.h"
#include "base/name.h"
#include "channel/board.h"
#include "os/os.h"
#include "registry/cleanup.h"
#include "registry/file.h"
#include "registry/peer.h"
#include "registry/seat_file.h"

/* Who is still about to find out whether he is the only writer is waited for so long, as with the lock of
 * a topic; he has a few microseconds to go, unless he is stopped there. */
#define PATIENCE_NS 1000000000
#define SLICE_NS 100000

struct writing {
	struct node *node;
	struct topic topic;
	struct seat_file file;
	uint32_t count;
	struct cell cell[];
};

static void format(const void *user, struct seat_shared *seat)
{
	const struct floe_board_writer_options *o = user;

	board_format((struct board_shared *)(void *)seat, o->keys, o->keys_count, o->slots);
}

static bool is_wanted(const void *user, const struct seat_shared *seat)
{
	const struct floe_board_writer_options *o = user;

	return board_is_same((const struct board_shared *)(const void *)seat, o->keys,
			     o->keys_count, o->slots);
}

/*
 * Other writers
 */

static bool has_key(const struct floe_board_writer_options *o, const char *name)
{
	for (size_t i = 0; i < o->keys_count; i++)
		if (o->keys[i].name[0] == name[0] && !strcmp(o->keys[i].name, name))
			return true;
	return false;
}

/* The first of our keys that this board has, too. */
static bool find_common(const struct region *region, const struct floe_board_writer_options *o,
			struct board_key_shared *ret)
{
	uint32_t count, slots;

	if (board_read_head(region, &count, &slots) < 0)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (board_read_key(region, i, slots, ret) == 0 && has_key(o, ret->name))
			return true;
	return false;
}

static int refuse_key(const struct writing *w, const char *key, uint64_t owner,
		      struct floe_error *error)
{
	floe_cleanup(region_close) struct region life = REGION_NULL;
	const struct node_shared *node = NULL;

	if (seat_attach_life(&life, &w->node->domain, owner))
		node = (const struct node_shared *)(const void *)life.base;
	return error_set(error, -EEXIST,
			 "board '%.60s': key '%.60s' is written by process %d already",
			 w->topic.name, key, node ? node->pid : 0);
}

static uint64_t owner_of(const struct region *region)
{
	return load_acquire(&((const struct seat_shared *)(const void *)region->base)->owner);
}

/*
 * Is he the one who has the keys? Of those who are still coming the one with the lowest index has, unless
 * another one has settled. So he waits for the others, who see him and go, or have not seen him and
 * settle. Each lock ends with its process.
 *
 * 1; 0 nobody has them
 */
static int await(const struct writing *w, int dir, uint32_t index, const struct region *region)
{
	int64_t until_ns = os->now_ns() + PATIENCE_NS;

	for (;;) {
		bool is_coming = seat_is_coming(&seat_board, dir, index);
		/* After the lock: it is set before the owner is, and goes after he is gone. */
		uint64_t owner = owner_of(region);
		bool lives = owner && peer_is_alive(&w->node->domain, owner) != 0;

		if (!is_coming || (lives && index < w->file.index))
			return lives;
		if (os->now_ns() >= until_ns)
			return 1;
		os->sleep_ns(SLICE_NS);
	}
}

/* One that has a key of ours: -EEXIST when it lives; else, if `clean`, its name goes. Before our file has
 * a name those who are coming are left to later. */
static int look_at(const struct writing *w, int dir, uint32_t index,
		   const struct floe_board_writer_options *o, bool clean)
{
	floe_cleanup(region_close) struct region region = REGION_NULL;
	struct board_key_shared key;
	uint64_t file;

	if (seat_attach(&region, &seat_board, dir, index, w->topic.id, &file, NULL) < 0 ||
	    file == w->file.file || !find_common(&region, o, &key))
		return 0;
	if (!clean && seat_is_coming(&seat_board, dir, index))
		return 0;
	if (await(w, dir, index, &region))
		return refuse_key(w, key.name, owner_of(&region), o->error);
	if (clean)
		seat_file_remove(&seat_board, w->node, dir, index);
	return 0;
}

static int look_at_others(const struct writing *w, const struct floe_board_writer_options *o,
			  bool clean)
{
	floe_cleanup(os_close_fdp) int dir = topic_open_dir(&w->topic, o->error);
	floe_cleanup(os_close_fdp) int again = dir < 0 ? -1 : file_open_dir(dir, ".", o->error);
	uint8_t taken[SEATS_MAX];
	int r = again < 0 ? again : file_list_indexes(again, SEAT_BOARD, SEATS_MAX, taken);

	for (uint32_t i = 0; i < SEATS_MAX && r == 0; i++)
		r = taken[i] ? look_at(w, dir, i, o, clean) : 0;
	return r;
}

/*
 * Public calls
 */

static int take_seat(struct writing *w, const struct floe_board_writer_options *o)
{
	struct seat_plan plan = {
		.kind = &seat_board,
		.size = board_size(o->keys, o->keys_count, o->slots),
		.mode = o->mode,
		.contested = true,
		.format = format,
		.is_wanted = is_wanted,
		.user = o,
	};
	/* Before, so that nobody is disturbed by who must not come; and after our file has its name and is
	 * locked, so that of two who come together the later one sees the other. */
	int r = look_at_others(w, o, false);

	if (r < 0)
		return r;
	r = seat_file_open(&w->file, &plan, w->node, &w->topic, o->error);
	if (r == -EEXIST)
		return error_set(o->error, r,
				 "board '%.60s': somebody else is just becoming the writer of "
				 "these keys",
				 w->topic.name);
	if (r < 0)
		return r;
	r = look_at_others(w, o, true);
	if (r == 0)
		seat_file_settle(&w->file);
	if (r == 0)
		seat_tell(w->topic.hints); /* names went */
	else if (!w->file.adopted)
		seat_file_discard(&w->file, &seat_board, &w->topic);
	return r;
}

static int join(struct writing *w, const char *name, const struct floe_board_writer_options *o)
{
	size_t count = o->keys_count;
	uint64_t offset = sizeof(struct board_shared) + count * sizeof(struct board_key_shared);
	int r = node_get(&w->node, o->dir, o->domain, o->error);

	if (r == 0)
		r = topic_open(&w->topic, &w->node->domain, name, o->error);
	if (r < 0)
		return r;
	cleanup_bare_nodes(&w->node->domain);
	r = take_seat(w, o);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		w->cell[i] = cell_make(w->file.region.base, offset, o->keys[i].size,
				       (uint32_t)o->slots);
		offset += sizeof(struct cell_shared) + w->cell[i].stride * o->slots;
	}
	w->count = (uint32_t)count;
	topic_settle(&w->topic);
	return 0;
}

static void end(struct writing *w)
{
	if (w->file.region.base)
		seat_file_close(&w->file, w->topic.hints);
	cleanup_leave(&w->topic);
	node_put(w->node);
	free(w);
}

static int read_options(struct floe_board_writer_options *ret,
			const struct floe_board_writer_options *from)
{
	int r = options_read_board_writer(ret, from);

	if (r == 0 && board_size(ret->keys, ret->keys_count, ret->slots) > REGION_SIZE_MAX)
		r = error_set(ret->error, -EINVAL, "the keys together are too large");
	return r;
}

FLOE_PUBLIC int floe_board_writer_open(struct floe_board_writer **ret, const char *name,
				       const struct floe_board_writer_options *options)
{
	struct floe_board_writer_options o;
	struct writing *w;
	void *handle;
	int r;

	if (!ret)
		return -EINVAL;
	r = read_options(&o, options);
	if (r == 0)
		r = name_check(name, "board's name", FLOE_TOPIC_NAME_MAX, o.error);
	if (r < 0)
		return r;
	error_clear(o.error);

	w = calloc(1, sizeof(*w) + o.keys_count * sizeof(w->cell[0]));
	if (!w)
		return error_set(o.error, -ENOMEM, "out of memory");
	w->topic = TOPIC_NULL;
	w->file = SEAT_FILE_NULL;
	r = join(w, name, &o);
	if (r == 0)
		r = handle_open(&handle, HANDLE_BOARD_WRITER, w);
	if (r < 0) {
		error_complete(o.error, r, "open", name);
		end(w);
		return r;
	}
	*ret = handle;
	return 0;
}

FLOE_PUBLIC void floe_board_writer_close(struct floe_board_writer *writer)
{
	struct writing *w = handle_close(writer, HANDLE_BOARD_WRITER);

	if (w)
		end(w);
}

FLOE_PUBLIC ssize_t floe_board_writer_memory_size(const struct floe_board_writer_options *options)
{
	struct floe_board_writer_options o;
	int r = read_options(&o, options);

	return r < 0 ? r : (ssize_t)board_size(o.keys, o.keys_count, o.slots);
}

/* The cell of a key. -EPROTO: memory is gone; -EINVAL */
static int find(struct floe_board_writer *writer, uint32_t key, struct cell **ret)
{
	struct writing *w = handle_find(writer, HANDLE_BOARD_WRITER);

	if (floe_unlikely(!w)) {
		w = handle_find_suspect(writer, HANDLE_BOARD_WRITER);
		if (!w)
			return -EINVAL;
		if (region_is_broken(&w->file.region) || region_is_broken(&w->topic.region))
			return -EPROTO;
		handle_trust(writer, HANDLE_BOARD_WRITER);
	}
	if (floe_unlikely(key >= w->count))
		return -EINVAL;
	*ret = &w->cell[key];
	return 0;
}

FLOE_PUBLIC int floe_board_write(struct floe_board_writer *writer, uint32_t key, const void *value,
				 size_t size, uint64_t *ret_sequence)
{
	struct cell *cell;
	uint64_t sequence;
	int r = value ? find(writer, key, &cell) : -EINVAL;

	if (r < 0)
		return r;
	if (size != cell->size)
		return -EINVAL;
	cell->prepared = false;
	sequence = cell_write(cell, value);
	if (ret_sequence)
		*ret_sequence = sequence;
	return 0;
}

FLOE_PUBLIC int floe_board_prepare(struct floe_board_writer *writer, uint32_t key, void **ret_value)
{
	struct cell *cell;
	int r = ret_value ? find(writer, key, &cell) : -EINVAL;

	if (r < 0)
		return r;
	*ret_value = cell_prepare(cell);
	cell->prepared = true;
	return 0;
}

FLOE_PUBLIC int floe_board_commit(struct floe_board_writer *writer, uint32_t key,
				  uint64_t *ret_sequence)
{
	struct cell *cell;
	uint64_t sequence;
	int r = find(writer, key, &cell);

	if (r < 0)
		return r;
	/* Without it the slot has an older value, or what somebody died over. */
	if (!cell->prepared)
		return -EINVAL;
	cell->prepared = false;
	sequence = cell_commit(cell);
	if (ret_sequence)
		*ret_sequence = sequence;
	return 0;
}
