/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OS_OS_H
#define OS_OS_H

/*
 * Every system call of the library, as a table: tests put one there that fails the n-th call.
 * All return -errno instead of setting errno; none retries, except where EINTR would leak.
 *
 * The table is the process's; it is replaced only by tests, before any other thread runs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/compiler.h"

struct epoll_event;      /* sys/epoll.h */
struct robust_list_head; /* linux/futex.h */
struct sigaction;        /* signal.h */

/* One word to sleep on; see os->wait_any. */
struct os_wait {
	const uint32_t *word;
	uint32_t expected;
};

struct io_uring_params;

/* Where the pages are of 4 KiB. Mappings of files that are not smaller begin where such pages can be
 * mapped, if there is room. */
#define OS_LARGE_PAGE ((size_t)2 << 20)

/* futex_waitv(2) takes this many (FUTEX_WAITV_MAX). */
#define OS_WAIT_MAX 128

#define OS_THREAD_NAME_MAX 16

enum os_lock {
	OS_LOCK_NONE,
	OS_LOCK_SHARED,
	OS_LOCK_EXCLUSIVE,
};

struct os {
	/* Files. `dirfd` may be AT_FDCWD. Descriptors are O_CLOEXEC. */
	int (*open)(int dirfd, const char *path, int flags, mode_t mode);
	void (*close)(int fd);
	int (*stat)(int fd, struct stat *ret);
	int (*stat_at)(int dirfd, const char *path, struct stat *ret); /* of a link itself */
	/* Its number and when it was made, 0: nobody knows. path "": dirfd itself */
	int (*identify)(int dirfd, const char *path, uint64_t *ret_number, uint64_t *ret_made_ns);
	int (*truncate)(int fd, uint64_t size);
	int (*reserve)(int fd, uint64_t offset, uint64_t size); /* fallocate: -ENOSPC, not SIGBUS */
	int (*punch)(int fd, uint64_t offset, uint64_t size);
	int64_t (*seek_hole)(int fd, uint64_t offset); /* first byte without memory */
	int (*change_mode)(int fd, mode_t mode);
	int (*make_dir)(int dirfd, const char *path, mode_t mode);
	int (*remove_dir)(int dirfd, const char *path);
	int (*unlink)(int dirfd, const char *path);
	int (*link_fd)(int fd, int dirfd, const char *path);    /* gives the open file a name */
	ssize_t (*list_dir)(int fd, void *buffer, size_t size); /* getdents64(2) */
	ssize_t (*read_at)(int fd, void *buffer, size_t size, uint64_t offset);
	ssize_t (*write_at)(int fd, const void *buffer, size_t size, uint64_t offset);
	ssize_t (*read_link)(int dirfd, const char *path, char *buffer, size_t size);

	/* Open-file-description locks on the whole file: they end with the last descriptor, so with
	 * the process. try_lock: 1 got it, 0 somebody else has it. */
	int (*try_lock)(int fd, enum os_lock kind);
	int (*is_locked)(int fd); /* 1 somebody has it exclusively, 0 nobody */
	int (*is_used)(int fd);   /* the same, or shared */

	/* Memory. */
	int (*map)(void **ret, size_t size, int protection, int flags, int fd, uint64_t offset);
	int (*map_over)(void *address, size_t size, int protection, int flags, int fd,
			uint64_t offset); /* what was mapped there goes (MAP_FIXED) */
	int (*unmap)(void *address, size_t size);
	int (*protect)(void *address, size_t size, int protection);
	int (*advise)(void *address, size_t size, int advice);
	int (*is_resident)(void *address, size_t size); /* is there a page? 1, 0; whole pages */
	int (*resident)(void *address, size_t size,
			unsigned char *ret); /* mincore(2): a byte a page */
	int (*make_memfd)(const char *name, unsigned flags);

	/* Waiting. deadline_ns: CLOCK_MONOTONIC, -1 for ever. 0 woken or the word differs,
	 * -ETIMEDOUT, -EINTR, -ENOSYS. */
	int (*wait_any)(const struct os_wait *words, unsigned count, int64_t deadline_ns);
	int (*wake)(const uint32_t *word, int count); /* how many woke */
	int (*barrier_register)(void); /* membarrier: this process answers barrier_all */
	int (*barrier_all)(void);      /* every registered process has passed a full fence */
	int64_t (*now_ns)(void);       /* CLOCK_MONOTONIC */
	void (*sleep_ns)(int64_t ns);

	/* Waiting by a descriptor. ring_*: io_uring(7), see uring/queue.h. An event is an eventfd(2)
	 * of 0, raised by adding 1; a timer goes off once. Both are O_NONBLOCK. */
	int (*ring_setup)(unsigned entries, struct io_uring_params *params);
	int (*ring_enter)(int fd, unsigned submit, unsigned complete, unsigned flags);
	int (*ring_register)(int fd, unsigned what, const void *argument, unsigned count);
	int (*make_event)(void);
	int (*raise_event)(int fd);
	int (*clear_event)(int fd);
	int (*make_pipe)(int ret_ends[2]); /* to read from, to write into */
	int (*copy_fd)(int fd);
	int (*wait_hangup)(int fd, int64_t ns); /* 1 the other end is closed, 0 not in this time */
	int (*make_timer)(void);
	int (*set_timer)(int fd, int64_t ns); /* from now; at least 1 */

	/* Waiting for many descriptors: epoll(7). `tag` comes back with what is ready. poll_wait:
	 * deadline_ns as wait_any; how many, 0 at the deadline. */
	int (*make_poll)(void);
	int (*poll_add)(int poll, int fd, uint32_t events, uint64_t tag);
	int (*poll_remove)(int poll, int fd);
	int (*poll_wait)(int poll, struct epoll_event *ret, int count, int64_t deadline_ns);
	/* A signalfd(2), O_NONBLOCK; fd -1: a new one. read_signal: its number, -EAGAIN none. */
	int (*make_signals)(int fd, const uint64_t *set);
	int (*read_signal)(int fd);

	/* What happens in folders: inotify(7), O_NONBLOCK. notify_add: the watch's number; -ENOSPC the
	 * user has none left. notify_read: bytes of events, -EAGAIN none. */
	int (*make_notify)(void);
	int (*notify_add)(int fd, const char *path, uint32_t mask);
	int (*notify_remove)(int fd, int watch);
	ssize_t (*notify_read)(int fd, void *buffer, size_t size);

	/* This process. */
	int (*set_action)(int signal_number, const struct sigaction *action,
			  struct sigaction *ret_before); /* sigaction; each may be NULL */
	int32_t (*get_pid)(void);
	int32_t (*get_tid)(void);
	int (*get_thread_name)(char *ret_name); /* of this one, OS_THREAD_NAME_MAX bytes with NUL */
	/* Where the kernel looks when this thread ends; NULL: the C library told it nothing. */
	struct robust_list_head *(*get_robust_list)(void);
	uint32_t (*get_uid)(void);
	int (*get_random)(void *buffer, size_t size);
	const char *(*get_variable)(const char *name); /* getenv */
};

extern const struct os os_real;
extern const struct os *os;

/* floe_cleanup(os_close_fdp) */
static inline void os_close_fdp(int *fd)
{
	if (*fd >= 0)
		os->close(*fd);
	*fd = -1;
}

/* Gives away a descriptor that a cleanup would close. */
static inline int take_fd(int *fd)
{
	int given = *fd;

	*fd = -1;
	return given;
}

#endif
