/* SPDX-License-Identifier: Apache-2.0 */
#include "api/handle.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "os/os.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

#define NOBODY UINT32_MAX

#define NO_BASE ((unsigned char *)sizeof(struct handle))

unsigned char *handle_base = NO_BASE;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool wiped;                   /* by the kernel, in a child */
static uint32_t touched;             /* handles that were ever open; also read without the lock */
static uint32_t inherited;           /* the first of them were a parent's */
static uint32_t first_free = NOBODY; /* the one that was closed longest ago */
static uint32_t last_free = NOBODY;

static struct handle *at(uint32_t index)
{
	return (struct handle *)(void *)handle_base + index;
}

/* A child starts with a range of zeros, and nothing in it. Its own handles are not where its parent's
 * were, so that those stay none. */
static void forget_parent(void)
{
	if (touched && !wiped)
		memset(at(0), 0, touched * sizeof(struct handle));
	inherited = touched;
	first_free = last_free = NOBODY;
	(void)pthread_mutex_init(&lock, NULL);
}

static void watch_forks(void)
{
	(void)pthread_atfork(NULL, NULL, forget_parent);
}

/* Forks are watched before anybody has the lock. */
static void enter(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, watch_forks);
	(void)pthread_mutex_lock(&lock);
}

static int reserve(void)
{
	size_t size = HANDLES_SIZE;
	unsigned char *base;
	void *memory;
	size_t before;
	int r;

	if (handle_base != NO_BASE)
		return 0;
	/* Twice as much has an aligned range in it; what is around that goes back. */
	r = os->map(&memory, 2 * size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r < 0)
		return r;
	before = -(uintptr_t)memory & (size - 1);
	base = (unsigned char *)memory + before;
	if (before)
		(void)os->unmap(memory, before);
	(void)os->unmap(base + size, size - before);
	wiped = os->advise(base, size, MADV_WIPEONFORK) == 0;
	__atomic_store_n(&handle_base, base, __ATOMIC_RELEASE);
	return 0;
}

/* A fresh place while there are some, else the one that rested longest; last of all a parent's. */
static struct handle *find_place(void)
{
	struct handle *place;

	if (touched < HANDLES_MAX / 2 || (first_free == NOBODY && touched < HANDLES_MAX)) {
		place = at(touched);
		/* Pairs with the acquire in handle_suspect_all: where the range begins is known. */
		__atomic_store_n(&touched, touched + 1, __ATOMIC_RELEASE);
		return place;
	}
	if (first_free == NOBODY)
		return inherited ? at(--inherited) : NULL;
	place = at(first_free);
	first_free = place->next;
	if (first_free == NOBODY)
		last_free = NOBODY;
	return place;
}

int handle_open(void **ret_handle, enum handle_kind kind, void *object)
{
	struct handle *place = NULL;
	int r;

	enter();
	r = reserve();
	if (r == 0) {
		place = find_place();
		r = place ? 0 : -EMFILE;
	}
	if (place) {
		place->object = object;
		__atomic_store_n(&place->kind, kind, __ATOMIC_RELEASE);
		*ret_handle = place;
	}
	(void)pthread_mutex_unlock(&lock);
	return r;
}

/* The kind is changed only if it is what was seen: the handle may be closed meanwhile. */
static void change_kind(struct handle *place, uint32_t from, uint32_t to)
{
	(void)__atomic_compare_exchange_n(&place->kind, &from, to, false, __ATOMIC_SEQ_CST,
					  __ATOMIC_SEQ_CST);
}

/* The others keep nothing of others mapped between two calls, or have a port that is looked at. */
static bool is_guarded(uint32_t kind)
{
	return kind != HANDLE_NONE && kind != HANDLE_VIEW && kind != HANDLE_WAITSET &&
	       kind != HANDLE_SHARED && kind != HANDLE_WATCH && kind != HANDLE_SAFE_PUBLISHER &&
	       kind != HANDLE_SAFE_SUBSCRIBER;
}

void handle_suspect_all(void)
{
	uint32_t count = __atomic_load_n(&touched, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < count; i++) {
		uint32_t kind = __atomic_load_n(&at(i)->kind, __ATOMIC_RELAXED);

		if (is_guarded(kind) && !(kind & HANDLE_SUSPECT))
			change_kind(at(i), kind, kind | HANDLE_SUSPECT);
	}
}

void *handle_find_suspect(const void *handle, enum handle_kind kind)
{
	return handle_find(handle, kind | HANDLE_SUSPECT);
}

void handle_trust(void *handle, enum handle_kind kind)
{
	change_kind(handle, kind | HANDLE_SUSPECT, kind);
}

void *handle_find_sound(void *handle, enum handle_kind kind, bool (*is_broken)(const void *object),
			int *ret_error)
{
	void *object = handle_find_suspect(handle, kind);

	*ret_error = object ? -EPROTO : -EINVAL;
	if (!object || is_broken(object))
		return NULL;
	handle_trust(handle, kind);
	return object;
}

void *handle_close(void *handle, enum handle_kind kind)
{
	struct handle *place = handle;
	void *object;
	uint32_t index;

	enter();
	object = handle_find(handle, kind);
	if (!object)
		object = handle_find_suspect(handle, kind);
	if (object) {
		index = (uint32_t)(place - at(0));
		__atomic_store_n(&place->kind, HANDLE_NONE, __ATOMIC_RELAXED);
		place->object = NULL;
		place->next = NOBODY;
		if (last_free == NOBODY)
			first_free = index;
		else
			at(last_free)->next = index;
		last_free = index;
	}
	(void)pthread_mutex_unlock(&lock);
	return object;
}
