/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The calls of a board's reader. A struct floe_board_reader is a handle; `struct reading` is what lies
 * behind it. It maps the files of all writers, and knows for each key that it was asked for where the
 * value is now: with a writer that lives, or else with one who left it.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handle.h"
#include "api/options.h"
#include "base/error.h"
#include "base/name.h"
#include "channel/board.h"
#include "channel/segment.h"
#include "os/os.h"
#include "registry/cleanup.h"
#include "registry/file.h"
#include "registry/peer.h"
#include "registry/seat_file.h"

struct board {
	struct region region; /* base NULL: none */
	uint64_t file;
	uint32_t count, slots;
	bool is_alive;
};

/* A key as somebody asked for it. */
struct entry {
	struct cell cell; /* shared NULL: `missing` says why */
	int missing;
	char name[BOARD_KEY_SIZE];
	struct type_shared type;
};

struct reading {
	struct node *node;
	struct topic topic;
	uint64_t seats_seen;
	uint64_t refused[SEATS_MAX]; /* files that cannot be read, whatever is tried */
	int refusal;                 /* why the last one was */
	struct board board[SEATS_MAX];
	uint32_t entry_count;
	struct entry *entry;
};

/*
 * Who is there
 */

static int attach(struct reading *b, int dir, uint32_t index)
{
	struct board *board = &b->board[index];
	int r = seat_attach(&board->region, &seat_board, dir, index, b->topic.id, &board->file,
			    NULL);

	if (r < 0)
		return r;
	r = board_read_head(&board->region, &board->count, &board->slots);
	if (r < 0)
		region_close(&board->region);
	return r;
}

static void look_at_life(struct reading *b, struct board *board)
{
	const struct seat_shared *seat = (const void *)board->region.base;
	uint64_t owner = load_acquire(&seat->owner);

	board->is_alive = owner && peer_is_alive(&b->node->domain, owner) != 0;
}

/* The file of this index, the same as before or another one. -errno may pass */
static int look_at(struct reading *b, int dir, uint32_t index)
{
	struct board *board = &b->board[index];
	char name[PLACE_NAME_MAX];
	uint64_t file;
	int r;

	place_name(name, SEAT_BOARD, index);
	r = file_find_id(dir, name, &file);
	if (r < 0 && r != -ENOENT)
		return r;
	if (board->region.base && board->file != file)
		region_close(&board->region);
	if (!board->region.base && file && file != b->refused[index]) {
		r = attach(b, dir, index);
		if (r == -EPROTO || r == -EACCES || r == -EPERM) {
			b->refused[index] = file;
			b->refusal = r;
		} else if (r < 0 && r != -ENOENT) {
			return r;
		}
	}
	if (board->region.base)
		look_at_life(b, board);
	return 0;
}

static bool find_key(const struct board *board, const char *name, struct board_key_shared *ret)
{
	for (uint32_t i = 0; i < board->count; i++)
		if (board_read_key(&board->region, i, board->slots, ret) == 0 &&
		    !strcmp(ret->name, name))
			return true;
	return false;
}

/* Of those that have the key, one that lives. */
static const struct board *find_board(const struct reading *b, const char *name,
				      struct board_key_shared *ret)
{
	const struct board *found = NULL;

	for (uint32_t i = 0; i < SEATS_MAX; i++) {
		const struct board *board = &b->board[i];
		struct board_key_shared key;

		if (!board->region.base || (found && !board->is_alive) ||
		    !find_key(board, name, &key))
			continue;
		*ret = key;
		found = board;
		if (board->is_alive)
			break;
	}
	return found;
}

static void resolve(struct reading *b, struct entry *entry, struct floe_error *error)
{
	struct board_key_shared key;
	const struct board *board = find_board(b, entry->name, &key);
	char who[BOARD_KEY_SIZE + 16];

	entry->cell = (struct cell){0};
	entry->missing = b->refusal == -EACCES || b->refusal == -EPERM ? -EACCES : -ENOENT;
	if (!board) {
		(void)error_set(error, entry->missing,
				entry->missing == -EACCES
					? "board '%.60s': a writer may not be read, and the others "
					  "have no key '%.100s'"
					: "board '%.60s' has no key '%.100s'",
				b->topic.name, entry->name);
		return;
	}
	(void)snprintf(who, sizeof(who), "key '%.100s'", entry->name);
	entry->missing = type_check(&entry->type, &key.type, b->topic.name, who, error);
	if (entry->missing == 0)
		entry->cell = cell_make(board->region.base, key.offset, key.size, board->slots);
}

/* Pairs with the addition in seat_tell: read before the seats are. */
static int refresh(struct reading *b, struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int dir = topic_open_dir(&b->topic, error);
	uint64_t epoch = load_seq_cst(&b->topic.hints->seats);
	int r = dir < 0 ? dir : 0;

	b->refusal = 0;
	for (uint32_t i = 0; i < SEATS_MAX && r == 0; i++)
		r = look_at(b, dir, i);
	for (uint32_t i = 0; i < b->entry_count; i++)
		resolve(b, &b->entry[i], NULL);
	if (r == 0)
		b->seats_seen = epoch;
	return r;
}

/*
 * Public calls
 */

static int join(struct reading *b, const char *name, const struct floe_board_reader_options *o)
{
	int r = node_get(&b->node, o->dir, o->domain, o->error);

	if (r == 0)
		r = topic_open(&b->topic, &b->node->domain, name, o->error);
	if (r < 0)
		return r;
	cleanup_bare_nodes(&b->node->domain);
	r = refresh(b, o->error);
	topic_settle(&b->topic);
	return r;
}

static void end(struct reading *b)
{
	for (uint32_t i = 0; i < SEATS_MAX; i++)
		region_close(&b->board[i].region);
	cleanup_leave(&b->topic);
	node_put(b->node);
	free(b->entry);
	free(b);
}

FLOE_PUBLIC int floe_board_reader_open(struct floe_board_reader **ret, const char *name,
				       const struct floe_board_reader_options *options)
{
	struct floe_board_reader_options o;
	struct reading *b = NULL;
	void *handle;
	int r;

	if (!ret)
		return -EINVAL;
	r = options_read_board_reader(&o, options);
	if (r == 0)
		r = name_check(name, "board's name", FLOE_TOPIC_NAME_MAX, o.error);
	if (r < 0)
		return r;
	error_clear(o.error);

	b = calloc(1, sizeof(*b));
	if (!b)
		return error_set(o.error, -ENOMEM, "out of memory");
	b->topic = TOPIC_NULL;
	r = join(b, name, &o);
	if (r == 0)
		r = handle_open(&handle, HANDLE_BOARD_READER, b);
	if (r < 0) {
		error_complete(o.error, r, "open", name);
		end(b);
		return r;
	}
	*ret = handle;
	return 0;
}

FLOE_PUBLIC void floe_board_reader_close(struct floe_board_reader *reader)
{
	struct reading *b = handle_close(reader, HANDLE_BOARD_READER);

	if (b)
		end(b);
}

/* Those whose memory is gone are read no more. */
static floe_cold int find_suspect(struct floe_board_reader *reader, struct reading **ret)
{
	struct reading *b = handle_find_suspect(reader, HANDLE_BOARD_READER);

	if (!b)
		return -EINVAL;
	if (region_is_broken(&b->topic.region))
		return -EPROTO;
	for (uint32_t i = 0; i < SEATS_MAX; i++)
		if (b->board[i].region.base && region_is_broken(&b->board[i].region)) {
			b->refused[i] = b->board[i].file;
			region_close(&b->board[i].region);
		}
	for (uint32_t i = 0; i < b->entry_count; i++)
		resolve(b, &b->entry[i], NULL);
	handle_trust(reader, HANDLE_BOARD_READER);
	*ret = b;
	return 0;
}

/* Who is there has been looked at. */
floe_inline int find(struct floe_board_reader *reader, struct reading **ret)
{
	struct reading *b = handle_find(reader, HANDLE_BOARD_READER);

	if (floe_unlikely(!b)) {
		int r = find_suspect(reader, &b);

		if (r < 0)
			return r;
	}
	*ret = b;
	if (floe_unlikely(load_relaxed(&b->topic.hints->seats) != b->seats_seen))
		return refresh(b, NULL);
	return 0;
}

floe_inline int find_cell(struct floe_board_reader *reader, int key, const struct cell **ret)
{
	struct reading *b = NULL;
	int r = find(reader, &b);

	if (floe_unlikely(r < 0))
		return r;
	if (floe_unlikely((unsigned)key >= b->entry_count))
		return -EINVAL;
	*ret = &b->entry[key].cell;
	return floe_likely((*ret)->shared) ? 0 : b->entry[key].missing;
}

static bool is_asked(const struct entry *entry, const char *name, const struct type_shared *type)
{
	return !strcmp(entry->name, name) && memcmp(&entry->type, type, sizeof(*type)) == 0;
}

static int add_entry(struct reading *b, const struct entry *entry)
{
	struct entry *more;

	if (b->entry_count == FLOE_BOARD_KEYS_MAX)
		return -ENOSPC;
	more = realloc(b->entry, (b->entry_count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	b->entry = more;
	b->entry[b->entry_count] = *entry;
	return (int)b->entry_count++;
}

FLOE_PUBLIC int floe_board_find(struct floe_board_reader *reader, const char *name,
				const struct floe_type *type, struct floe_error *error)
{
	struct entry entry = {.missing = 0};
	struct reading *b = NULL;
	int r;

	error_clear(error);
	r = name_check(name, "key's name", FLOE_BOARD_KEY_NAME_MAX, error);
	if (r == 0)
		r = options_check_type(type, error);
	if (r == 0)
		r = find(reader, &b);
	if (r < 0)
		return r;
	memcpy(entry.name, name, strlen(name) + 1);
	type_format(&entry.type, type);
	entry.type.schema_size = 0;
	for (uint32_t i = 0; i < b->entry_count; i++)
		if (is_asked(&b->entry[i], name, &entry.type) && b->entry[i].cell.shared)
			return (int)i;
	resolve(b, &entry, error);
	if (entry.missing < 0)
		return entry.missing;
	for (uint32_t i = 0; i < b->entry_count; i++)
		if (is_asked(&b->entry[i], name, &entry.type))
			return (int)i;
	return add_entry(b, &entry);
}

FLOE_PUBLIC int floe_board_look(struct floe_board_reader *reader, int key, uint64_t *ret_sequence)
{
	const struct cell *cell;
	int r = find_cell(reader, key, &cell);

	if (floe_unlikely(r < 0 || !ret_sequence))
		return r < 0 ? r : -EINVAL;
	*ret_sequence = cell_look(cell);
	return 0;
}

FLOE_PUBLIC int floe_board_read(struct floe_board_reader *reader, int key, void *ret_value,
				size_t size, uint64_t *sequence)
{
	const struct cell *cell;
	int r = find_cell(reader, key, &cell);

	if (floe_unlikely(r < 0 || !ret_value))
		return r < 0 ? r : -EINVAL;
	if (floe_unlikely(size < cell->size))
		return -EMSGSIZE;
	return cell_read(cell, ret_value, sequence);
}

FLOE_PUBLIC int floe_board_borrow(struct floe_board_reader *reader, int key,
				  struct floe_board_value *ret)
{
	const struct cell *cell;
	uint64_t sequence;
	int r = find_cell(reader, key, &cell);

	if (floe_unlikely(r < 0 || !ret))
		return r < 0 ? r : -EINVAL;
	sequence = cell_look(cell);
	if (sequence == 0)
		return 0;
	*ret = (struct floe_board_value){cell_borrow(cell, sequence), cell->size, sequence};
	return 1;
}

FLOE_PUBLIC int floe_board_kept(struct floe_board_reader *reader, int key,
				const struct floe_board_value *value)
{
	const struct reading *b = handle_find(reader, HANDLE_BOARD_READER);
	const struct cell *cell;

	/* Under suspicion: its memory may be gone, and so may the value. */
	if (!b && handle_find_suspect(reader, HANDLE_BOARD_READER))
		return 0;
	if (!b || !value || (unsigned)key >= b->entry_count)
		return -EINVAL;
	cell = &b->entry[key].cell;
	return cell->shared && value->data == cell_borrow(cell, value->sequence) &&
	       cell_kept(cell, value->sequence);
}

static void describe(const struct reading *b, const struct board *board,
		     const struct board_key_shared *key, struct floe_board_key_info *ret)
{
	struct cell cell = cell_make(board->region.base, key->offset, key->size, board->slots);

	*ret = (struct floe_board_key_info){
		.size = key->size,
		.sequence = cell_look(&cell),
		.writer = (uint32_t)(board - b->board),
		.is_alive = board->is_alive,
	};
	memcpy(ret->name, key->name, sizeof(ret->name));
	memcpy(ret->type, key->type.name, sizeof(ret->type));
}

FLOE_PUBLIC int floe_board_list(struct floe_board_reader *reader, size_t index,
				struct floe_board_key_info *ret, size_t size)
{
	struct floe_board_key_info info;
	struct reading *b = NULL;
	int r = ret && size ? find(reader, &b) : -EINVAL;

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < SEATS_MAX; i++) {
		struct board *board = &b->board[i];
		struct board_key_shared key;

		if (!board->region.base)
			continue;
		for (uint32_t k = 0; k < board->count; k++) {
			if (board_read_key(&board->region, k, board->slots, &key) < 0 || index--)
				continue;
			look_at_life(b, board);
			describe(b, board, &key, &info);
			memset(ret, 0, size);
			memcpy(ret, &info, size < sizeof(info) ? size : sizeof(info));
			return 1;
		}
	}
	return 0;
}
