/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOE_BOARD_H
#define FLOE_BOARD_H

/*
 * Board, a blackboard: the latest value of each of several keys, for who wants to know how things stand
 * now and not what happened.
 *
 *	floe_board_writer_open  ->  { floe_board_write }*               ->  floe_board_writer_close
 *	floe_board_reader_open  ->  floe_board_find, { floe_board_read }*  ->  floe_board_reader_close
 *
 * A board has a name and any number of keys, each with a name, a type and a size. Each key has one
 * writer; several writers, each with keys of its own, make up the board. A value is written in one of
 * two places in turn, so readers never wait for a writer, and who is killed while he writes leaves the
 * value before, whole. A dead or closed writer's values stay readable; the next writer of the same keys
 * takes its place, and sequences go on.
 *
 * A read is bounded: it copies, looks whether the bytes were the value's all the while, and tries a few
 * times. Only a writer that writes a whole value and begins with the next one while a reader copies
 * disturbs him; more `slots` make that rarer.
 *
 * The name is one of a topic: topic, event and board of one name share a folder, and are otherwise
 * strangers. Threads, fork and results: as in floe/floe.h. Only opening and closing blocks.
 */

#include <floe/floe.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Open at the same time on one board. More: -EMFILE. Any number of readers. */
#define FLOE_BOARD_WRITERS_MAX 64
/* Of one writer; and that one reader looks for. */
#define FLOE_BOARD_KEYS_MAX 1024
#define FLOE_BOARD_KEY_NAME_MAX 127 /* bytes; the same rules as for topics */
#define FLOE_BOARD_VALUE_MAX ((size_t)1 << 32)
#define FLOE_BOARD_SLOTS_MAX 16

struct floe_board_writer;
struct floe_board_reader;

struct floe_board_key {
	const char *name;
	size_t size;                  /* of the value, bytes; each write has as many */
	const struct floe_type *type; /* or NULL; its schema is not kept */
};

/* Zero means the default; `size` as in floe_publisher_options. */
struct floe_board_writer_options {
	size_t size;
	const struct floe_board_key *keys; /* copied; the index of a key here is its number below */
	size_t keys_count;                 /* at least 1 */
	size_t slots;                      /* places for each value, at least and by default 2 */
	uint32_t flags;                    /* 0 */
	uint32_t mode;                     /* who may read: default 0600, 0444 & mode */
	const char *dir;                   /* as in floe_publisher_options, these three */
	const char *domain;
	struct floe_error *error;
};

struct floe_board_reader_options {
	size_t size;
	uint64_t flags; /* 0 */
	const char *dir;
	const char *domain;
	struct floe_error *error;
};

/*
 * Opens a writer of these keys. A writer that closed or died, of the same user and with the same keys,
 * is succeeded: its values and sequences go on. What else is left of these keys goes.
 *   -EEXIST somebody alive writes one of them, or is about to: the sentence says who; of several that
 *   come at the same moment one has them, unless one is stopped while he comes; -EINVAL; -EMFILE; else as floe_publisher_open
 */
FLOE_PUBLIC int floe_board_writer_open(struct floe_board_writer **ret, const char *name,
				       const struct floe_board_writer_options *options);

/* The values stay readable while somebody has the board open. NULL is fine. */
FLOE_PUBLIC void floe_board_writer_close(struct floe_board_writer *writer);

/* Exact bytes of the writer's file; -EINVAL, -E2BIG as open. */
FLOE_PUBLIC ssize_t floe_board_writer_memory_size(const struct floe_board_writer_options *options);

/* Copies a value; `size` is the key's. The sequence that it got, counted from 1, is *ret_sequence, if
 * that is not NULL. No system call.
 *   0; -EINVAL; -EPROTO memory is gone (floe_guard_install) */
FLOE_PUBLIC int floe_board_write(struct floe_board_writer *writer, uint32_t key, const void *value,
				 size_t size, uint64_t *ret_sequence);

/* For large values: where the next one goes, aligned to 64 bytes. It holds some older value, and is
 * nobody's business until it is committed; asked for again before that it is the same.
 *   0; -EINVAL; -EPROTO */
FLOE_PUBLIC int floe_board_prepare(struct floe_board_writer *writer, uint32_t key,
				   void **ret_value);
FLOE_PUBLIC int floe_board_commit(struct floe_board_writer *writer, uint32_t key,
				  uint64_t *ret_sequence);

/* Opens a reader of all keys. No writer has to be there yet. Errors as floe_subscriber_open. */
FLOE_PUBLIC int floe_board_reader_open(struct floe_board_reader **ret, const char *name,
				       const struct floe_board_reader_options *options);

/* NULL is fine. */
FLOE_PUBLIC void floe_board_reader_close(struct floe_board_reader *reader);

/*
 * The number by which this reader knows the key: the same for as long as it is open, also when another
 * writer has it later.
 *   >= 0; -ENOENT nobody has such a key (yet); -EPROTOTYPE it is of another type, `error` says how they
 *   differ; -EINVAL; -ENOSPC this reader knows FLOE_BOARD_KEYS_MAX keys; -ENOMEM, -EMFILE and the like
 */
FLOE_PUBLIC int floe_board_find(struct floe_board_reader *reader, const char *name,
				const struct floe_type *type, struct floe_error *error);

/* The sequence of the key's value now, 0: none was written. One or two loads: this is how to ask
 * whether anything is new. As floe_board_read. */
FLOE_PUBLIC int floe_board_look(struct floe_board_reader *reader, int key, uint64_t *ret_sequence);

/*
 * Copies the value, unless it is the one of *sequence, which it then changes. sequence: NULL, copy in any
 * case; 0, nothing was read yet. size: at least that of the value.
 *   1 copied; 0 it is the same, or nothing was written yet; -EAGAIN it changed while it was copied, a few
 *   times; -ENOENT its writer's file is gone; -EMSGSIZE the value is larger; -EPROTO what the writer
 *   wrote is no board; -EPROTOTYPE another writer has given the key another type; -EINVAL; -EMFILE,
 *   -ENOMEM and the like: who came could not be looked at for now
 */
FLOE_PUBLIC int floe_board_read(struct floe_board_reader *reader, int key, void *ret_value,
				size_t size, uint64_t *sequence);

/* A value where it lies. */
struct floe_board_value {
	const void *data; /* read-only; good until the next call that reads this board */
	size_t size;
	uint64_t sequence;
};

/* The value without a copy. Whoever has used the bytes asks floe_board_kept whether they were the value's
 * all the while. 1; 0 nothing was written yet; else as floe_board_read */
FLOE_PUBLIC int floe_board_borrow(struct floe_board_reader *reader, int key,
				  struct floe_board_value *ret);
/* 1 they were; 0 they were not: what was made of them is to be thrown away; -EINVAL */
FLOE_PUBLIC int floe_board_kept(struct floe_board_reader *reader, int key,
				const struct floe_board_value *value);

struct floe_board_key_info {
	char name[FLOE_BOARD_KEY_NAME_MAX + 1];
	uint64_t size;
	uint64_t sequence;
	uint32_t writer;   /* its number, below FLOE_BOARD_WRITERS_MAX */
	uint32_t is_alive; /* 1 its writer lives */
	char type[128];
};

/* Lists the keys that there are: the `index`th from 0. 1; 0 there are no more; -EINVAL, and as
 * floe_board_read. `size`: sizeof the struct. */
FLOE_PUBLIC int floe_board_list(struct floe_board_reader *reader, size_t index,
				struct floe_board_key_info *ret, size_t size);

#ifdef __cplusplus
}
#endif
#endif
