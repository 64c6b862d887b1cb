/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_HANDLE_H
#define API_HANDLE_H

/*
 * Handle: what the application holds instead of an address of ours. Handles lie in one range
 * that is reserved with the first of them and never unmapped, so any value can be looked up
 * safely: what is closed, of another kind, or no handle at all is told apart.
 *
 * A closed handle's place is used again last of all. After fork the range reads as zero in the
 * child (MADV_WIPEONFORK, Linux 4.14; or it is cleared there): the parent's handles are no handles there, whatever
 * is opened there.
 *
 * Opening and closing may come from any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

#define HANDLES_MAX 65536

enum handle_kind {
	HANDLE_NONE = 0,
	HANDLE_PUBLISHER = 0x7b01,
	HANDLE_SUBSCRIBER = 0x7b02,
	HANDLE_VIEW = 0x7b03,
	HANDLE_OBSERVER = 0x7b04,
	HANDLE_CLIENT = 0x7b05,
	HANDLE_SERVER = 0x7b06,
	HANDLE_SHARED = 0x7b07,
	HANDLE_SAFE_PUBLISHER = 0x7b08,
	HANDLE_SAFE_SUBSCRIBER = 0x7b09,
	HANDLE_NOTIFIER = 0x7b21,
	HANDLE_LISTENER = 0x7b22,
	HANDLE_BOARD_WRITER = 0x7b23,
	HANDLE_BOARD_READER = 0x7b24,
	HANDLE_WAITSET = 0x7b25,
	HANDLE_WATCH = 0x7b41,
};

struct handle {
	void *object;
	uint32_t kind;
	uint32_t next; /* while free: index of the next free one */
};
#define HANDLES_SIZE ((uintptr_t)HANDLES_MAX * sizeof(struct handle))
static_assert((HANDLES_SIZE & (HANDLES_SIZE - 1)) == 0, "found by a mask");

/* Where the handles begin, at a multiple of their size. Before the first one: what no address with the
 * bits of an index cleared can be, so that nothing is found. */
extern __attribute__((visibility("hidden"))) unsigned char *handle_base;

/* What is read here without a lock is stored atomically elsewhere. A plain load is part of the comparison,
 * an atomic one is an instruction more, in every call; ThreadSanitizer is told what is meant. */
#ifdef __SANITIZE_THREAD__
#define HANDLE_LOAD(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)
#else
#define HANDLE_LOAD(word) (word)
#endif

/* The object behind a handle of this kind, or NULL. */
floe_inline void *handle_find(const void *handle, enum handle_kind kind)
{
	/* All handles have the bits of the range but those of their index; so has nothing else. */
	uintptr_t range = (uintptr_t)handle & ~(HANDLES_SIZE - sizeof(struct handle));
	const struct handle *found = handle;

	if (floe_unlikely(range != (uintptr_t)HANDLE_LOAD(handle_base) ||
			  HANDLE_LOAD(found->kind) != kind))
		return NULL;
	/* A kind is never without an object: no caller looks twice. */
	if (!found->object)
		__builtin_unreachable();
	return found->object;
}

/* Added to the kind of a handle that lost memory, or not: somebody has to look. */
#define HANDLE_SUSPECT 0x10000u

/* From here on handle_find knows none of those that are open; may be called in a signal handler. */
void handle_suspect_all(void);

/* The object behind a handle that is under suspicion, or NULL; and the end of it. */
void *handle_find_suspect(const void *handle, enum handle_kind kind);
void handle_trust(void *handle, enum handle_kind kind);

/* The object behind a handle that handle_find does not know, if it is sound after all: then it is
 * trusted again. Else NULL and why: -EPROTO memory of it is gone; -EINVAL. */
void *handle_find_sound(void *handle, enum handle_kind kind, bool (*is_broken)(const void *object),
			int *ret_error);

/* -ENOMEM; -EMFILE: HANDLES_MAX are open. `object` is what handle_find gives. */
int handle_open(void **ret_handle, enum handle_kind kind, void *object);

/* From here on it is no handle. Returns its object, NULL if it was none of this kind. */
void *handle_close(void *handle, enum handle_kind kind);

#endif
