/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_FAILING_OS_H
#define UNIT_FAILING_OS_H

/*
 * The system calls, with one of them failing on demand and all of them counted.
 *
 *	failing_os_begin();
 *	for (uint64_t n = 1;; n++) {
 *		failing_os_plan((struct failing_plan){.at = n, .code = -ENOMEM});
 *		... what is tested: works or fails cleanly ...
 *		if (failing_os.failed == 0)
 *			break;
 *	}
 *	expect_equal(failing_os.descriptors, 0);
 *	expect_equal(failing_os.mapped, 0);
 *	failing_os_end();
 *
 * A planned call fails without reaching the system. What cannot fail is only counted: closing and
 * unmapping, the clock, the process's numbers, environment variables. A process forked from the
 * test goes on with a copy. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/os.h"

/* CALL(result, name, parameters, arguments): every call that can fail. */
#define FAILING_CALLS(CALL) \
	CALL(int, open, (int dirfd, const char *path, int flags, mode_t mode), \
	     (dirfd, path, flags, mode)) \
	CALL(int, stat, (int fd, struct stat *ret), (fd, ret)) \
	CALL(int, stat_at, (int dirfd, const char *path, struct stat *ret), (dirfd, path, ret)) \
	CALL(int, identify, \
	     (int dirfd, const char *path, uint64_t *ret_number, uint64_t *ret_made_ns), \
	     (dirfd, path, ret_number, ret_made_ns)) \
	CALL(int, truncate, (int fd, uint64_t size), (fd, size)) \
	CALL(int, reserve, (int fd, uint64_t offset, uint64_t size), (fd, offset, size)) \
	CALL(int, punch, (int fd, uint64_t offset, uint64_t size), (fd, offset, size)) \
	CALL(int64_t, seek_hole, (int fd, uint64_t offset), (fd, offset)) \
	CALL(int, change_mode, (int fd, mode_t mode), (fd, mode)) \
	CALL(int, make_dir, (int dirfd, const char *path, mode_t mode), (dirfd, path, mode)) \
	CALL(int, remove_dir, (int dirfd, const char *path), (dirfd, path)) \
	CALL(int, unlink, (int dirfd, const char *path), (dirfd, path)) \
	CALL(int, link_fd, (int fd, int dirfd, const char *path), (fd, dirfd, path)) \
	CALL(ssize_t, list_dir, (int fd, void *buffer, size_t size), (fd, buffer, size)) \
	CALL(ssize_t, read_at, (int fd, void *buffer, size_t size, uint64_t offset), \
	     (fd, buffer, size, offset)) \
	CALL(ssize_t, write_at, (int fd, const void *buffer, size_t size, uint64_t offset), \
	     (fd, buffer, size, offset)) \
	CALL(ssize_t, read_link, (int dirfd, const char *path, char *buffer, size_t size), \
	     (dirfd, path, buffer, size)) \
	CALL(int, try_lock, (int fd, enum os_lock kind), (fd, kind)) \
	CALL(int, is_locked, (int fd), (fd)) \
	CALL(int, is_used, (int fd), (fd)) \
	CALL(int, map, \
	     (void **ret, size_t size, int protection, int flags, int fd, uint64_t offset), \
	     (ret, size, protection, flags, fd, offset)) \
	CALL(int, protect, (void *address, size_t size, int protection), \
	     (address, size, protection)) \
	CALL(int, advise, (void *address, size_t size, int advice), (address, size, advice)) \
	CALL(int, resident, (void *address, size_t size, unsigned char *ret), \
	     (address, size, ret)) \
	CALL(int, make_memfd, (const char *name, unsigned flags), (name, flags)) \
	CALL(int, wait_any, (const struct os_wait *words, unsigned count, int64_t deadline_ns), \
	     (words, count, deadline_ns)) \
	CALL(int, wake, (const uint32_t *word, int count), (word, count)) \
	CALL(int, barrier_register, (void), ()) \
	CALL(int, barrier_all, (void), ()) \
	CALL(int, ring_setup, (unsigned entries, struct io_uring_params *params), \
	     (entries, params)) \
	CALL(int, ring_enter, (int fd, unsigned submit, unsigned complete, unsigned flags), \
	     (fd, submit, complete, flags)) \
	CALL(int, ring_register, (int fd, unsigned what, const void *argument, unsigned count), \
	     (fd, what, argument, count)) \
	CALL(int, make_event, (void), ()) \
	CALL(int, raise_event, (int fd), (fd)) \
	CALL(int, clear_event, (int fd), (fd)) \
	CALL(int, make_timer, (void), ()) \
	CALL(int, set_timer, (int fd, int64_t ns), (fd, ns)) \
	CALL(int, get_thread_name, (char *ret_name), (ret_name)) \
	CALL(int, get_random, (void *buffer, size_t size), (buffer, size))

#define FAILING_NAME(result, name, parameters, arguments) FAILING_##name,
enum failing_call {
	FAILING_ANY,
	FAILING_CALLS(FAILING_NAME) FAILING_CALL_COUNT
};
#undef FAILING_NAME

/* Which call fails: the `at`-th of its kind from the plan on, 0 none; with `stays` all that
 * follow, too, as on a full disk. code: -errno. Or it works, but others act before: `meanwhile`,
 * whose own calls do not count. */
struct failing_plan {
	enum failing_call call;
	uint64_t at;
	int code;
	bool stays;
	void (*meanwhile)(void);
};

struct failing_os {
	struct failing_plan plan;
	uint64_t calls[FAILING_CALL_COUNT]; /* since the plan; [FAILING_ANY] is the sum */
	uint64_t failed;                    /* by the plan, or let wait meanwhile */
	int64_t descriptors;                /* opened and not closed, since the beginning */
	int64_t mapped;                     /* bytes mapped and not unmapped, since the beginning */
};

static struct failing_os failing_os;

static inline void failing_let_act(void)
{
	void (*act)(void) = failing_os.plan.meanwhile;

	failing_os.plan = (struct failing_plan){0};
	act();
}

/* 0: let the call through. */
static inline int failing_pass(enum failing_call call)
{
	const struct failing_plan *plan = &failing_os.plan;
	uint64_t number;

	failing_os.calls[FAILING_ANY]++;
	failing_os.calls[call]++;
	number = failing_os.calls[plan->call];
	if (plan->call != FAILING_ANY && plan->call != call)
		return 0;
	if (plan->at == 0 || number < plan->at || (number > plan->at && !plan->stays))
		return 0;
	failing_os.failed++;
	if (!plan->meanwhile)
		return plan->code;
	failing_let_act();
	return 0;
}

#define FAILING_WRAPPER(result, name, parameters, arguments) \
	static inline result failing_##name parameters \
	{ \
		int r = failing_pass(FAILING_##name); \
\
		return r < 0 ? r : os_real.name arguments; \
	}
FAILING_CALLS(FAILING_WRAPPER)
#undef FAILING_WRAPPER

static inline int failing_open_counted(int dirfd, const char *path, int flags, mode_t mode)
{
	int fd = failing_open(dirfd, path, flags, mode);

	failing_os.descriptors += fd >= 0;
	return fd;
}

static inline int failing_make_memfd_counted(const char *name, unsigned flags)
{
	int fd = failing_make_memfd(name, flags);

	failing_os.descriptors += fd >= 0;
	return fd;
}

static inline int failing_ring_setup_counted(unsigned entries, struct io_uring_params *params)
{
	int fd = failing_ring_setup(entries, params);

	failing_os.descriptors += fd >= 0;
	return fd;
}

static inline int failing_make_event_counted(void)
{
	int fd = failing_make_event();

	failing_os.descriptors += fd >= 0;
	return fd;
}

static inline int failing_make_timer_counted(void)
{
	int fd = failing_make_timer();

	failing_os.descriptors += fd >= 0;
	return fd;
}

static inline void failing_close_counted(int fd)
{
	failing_os.descriptors--;
	os_real.close(fd);
}

static inline int failing_map_counted(void **ret, size_t size, int protection, int flags, int fd,
				      uint64_t offset)
{
	int r = failing_map(ret, size, protection, flags, fd, offset);

	failing_os.mapped += r < 0 ? 0 : (int64_t)size;
	return r;
}

static inline int failing_unmap_counted(void *address, size_t size)
{
	failing_os.mapped -= (int64_t)size;
	return os_real.unmap(address, size);
}

/* Counts from here, and lets everything through until there is a plan. */
static inline void failing_os_begin(void)
{
	static struct os table;

	table = os_real;
#define FAILING_ENTRY(result, name, parameters, arguments) table.name = failing_##name;
	FAILING_CALLS(FAILING_ENTRY)
#undef FAILING_ENTRY
	table.open = failing_open_counted;
	table.make_memfd = failing_make_memfd_counted;
	table.ring_setup = failing_ring_setup_counted;
	table.make_event = failing_make_event_counted;
	table.make_timer = failing_make_timer_counted;
	table.close = failing_close_counted;
	table.map = failing_map_counted;
	table.unmap = failing_unmap_counted;
	failing_os = (struct failing_os){0};
	os = &table;
}

static inline void failing_os_plan(struct failing_plan plan)
{
	failing_os.plan = plan;
	failing_os.failed = 0;
	for (size_t i = 0; i < FAILING_CALL_COUNT; i++)
		failing_os.calls[i] = 0;
}

static inline void failing_os_end(void)
{
	os = &os_real;
}

#endif
