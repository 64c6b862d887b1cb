/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/omen.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory/guard.h"
#include "os/os.h"
#include "registry/file.h"
#include "registry/node_layout.h"

/* In /proc/<pid>/stat: the kernel has taken the thread out of its program for good. */
#define PF_EXITING 4u

struct omen {
	shared_u32 *word;                               /* NULL: none */
	const struct robust_list_head *_Atomic watcher; /* the thread, by its list */
	uint32_t guard;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct omen omens[OMENS_MAX];
static unsigned char *pages;
static size_t page_size;

/* This thread's list, which stays where it is while the thread lives. */
static struct robust_list_head *get_list(void)
{
	static _Thread_local struct robust_list_head *list;
	static _Thread_local bool asked;

	if (!asked)
		list = os->get_robust_list();
	asked = true;
	return list;
}

static unsigned char *page_of(unsigned slot)
{
	return pages + slot * page_size;
}

/* The kernel adds futex_offset to what it finds in a list, and there it expects the word. */
static void *entry_of(unsigned slot, const struct robust_list_head *list)
{
	return page_of(slot) + offsetof(struct node_shared, omen) - list->futex_offset;
}

static bool reserve(void)
{
	void *memory;

	if (pages)
		return true;
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	if (os->map(&memory, OMENS_MAX * page_size, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) < 0)
		return false;
	pages = memory;
	return true;
}

static bool map_page(unsigned slot, int fd)
{
	return reserve() && os->map_over(page_of(slot), page_size, PROT_READ | PROT_WRITE,
					 MAP_SHARED, fd, 0) == 0;
}

void omen_begin(unsigned slot, int fd)
{
	(void)pthread_mutex_lock(&lock);
	if (map_page(slot, fd)) {
		omens[slot].guard = guard_add(page_of(slot), page_size);
		omens[slot].word = &((struct node_shared *)(void *)page_of(slot))->omen;
	}
	(void)pthread_mutex_unlock(&lock);
	omen_watch(slot);
}

/* Another domain's omen that this thread watches already stays; what is left of one that ended, or
 * that another thread watches by now, does not. Anything else there is the C library's. */
static bool is_free(const struct robust_list_head *list, unsigned slot)
{
	const void *pending = list->list_op_pending;

	if (!pending)
		return true;
	for (unsigned i = 0; i < OMENS_MAX; i++)
		if (pending == entry_of(i, list))
			return i == slot || !omens[i].word || omens[i].watcher != list;
	return false;
}

/* Dying between the two stores: nobody is told, which who waits must bear in any case. */
static void watch(unsigned slot, struct robust_list_head *list)
{
	struct omen *omen = &omens[slot];

	if (!omen->word || !is_free(list, slot))
		return;
	omen->watcher = list;
	store_release(omen->word, (uint32_t)os->get_tid() | FUTEX_WAITERS);
	list->list_op_pending = entry_of(slot, list);
}

void omen_watch(unsigned slot)
{
	struct robust_list_head *list = get_list();
	const struct omen *omen = &omens[slot];

	if (!list || !omen->word)
		return;
	if (omen_is_watched(load_relaxed(omen->word)) &&
	    (omen->watcher != list || list->list_op_pending == entry_of(slot, list)))
		return;
	(void)pthread_mutex_lock(&lock);
	watch(slot, list);
	(void)pthread_mutex_unlock(&lock);
}

/*
 * The thread that watches may be another one, whose list is its own: it goes on pointing here, where
 * there is nothing the kernel could write to.
 */
static void end(unsigned slot)
{
	struct robust_list_head *list = get_list();

	if (!omens[slot].word)
		return;
	if (list && list->list_op_pending == entry_of(slot, list))
		list->list_op_pending = NULL;
	omens[slot].word = NULL;
	omens[slot].watcher = NULL;
	guard_remove(omens[slot].guard);
	(void)os->map_over(page_of(slot), page_size, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

void omen_end(unsigned slot)
{
	(void)pthread_mutex_lock(&lock);
	end(slot);
	(void)pthread_mutex_unlock(&lock);
}

void omen_forget_parent(void)
{
	(void)pthread_mutex_init(&lock, NULL);
	for (unsigned i = 0; i < OMENS_MAX; i++)
		end(i);
}

/*
 * Is it true?
 */

struct threads {
	int dir;
	unsigned count;
	bool one_lives;
};

/* The seventh word after the name, which may itself contain anything. */
static unsigned long read_flags(const char *stat)
{
	const char *at = strrchr(stat, ')');

	for (int i = 0; i < 7 && at; i++)
		at = strchr(at + 1, ' ');
	return at ? strtoul(at, NULL, 10) : 0;
}

static int visit_thread(void *user, const char *name)
{
	struct threads *threads = user;
	floe_cleanup(os_close_fdp) int fd = -1;
	char path[64], stat[1024];
	ssize_t r;

	(void)snprintf(path, sizeof(path), "%.32s/stat", name);
	fd = os->open(threads->dir, path, O_RDONLY, 0);
	r = fd < 0 ? fd : os->read_at(fd, stat, sizeof(stat) - 1, 0);
	/* It is gone altogether. */
	if (r == -ENOENT || r == -ESRCH)
		return 0;
	threads->count++;
	stat[r > 0 ? r : 0] = 0;
	threads->one_lives = r <= 0 || !(read_flags(stat) & PF_EXITING);
	return threads->one_lives;
}

static bool has_ended(const char *path, unsigned *ret_count)
{
	struct threads threads = {.dir = file_open_dir(AT_FDCWD, path, NULL)};
	int r;

	*ret_count = 0;
	if (threads.dir < 0)
		return false;
	r = file_list(threads.dir, visit_thread, &threads);
	os->close(threads.dir);
	*ret_count = threads.count;
	return r == 0 && threads.count > 0;
}

/*
 * Twice, for one that lived may have made another while we looked, and have ended then: who is new in
 * the second look comes from one that lived after the first, and shows as one more or as living.
 */
int omen_confirm(int32_t pid)
{
	char path[32];
	unsigned before, after;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	return has_ended(path, &before) && has_ended(path, &after) && after <= before;
}

uint64_t omen_get_space(void)
{
	char text[64];
	ssize_t r = os->read_link(AT_FDCWD, "/proc/self", text, sizeof(text) - 1);

	text[r > 0 ? r : 0] = 0;
	if (strtol(text, NULL, 10) != os->get_pid())
		return 0;
	r = os->read_link(AT_FDCWD, "/proc/self/ns/pid", text, sizeof(text) - 1);
	text[r > 0 ? r : 0] = 0;
	return strncmp(text, "pid:[", 5) == 0 ? strtoull(text + 5, NULL, 10) : 0;
}
