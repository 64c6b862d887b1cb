/* SPDX-License-Identifier: Apache-2.0 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* Debian 12's headers are of 6.1; older ones may lack these. */
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static int result(long r)
{
	return r < 0 ? -errno : (int)r;
}

static int real_open(int dirfd, const char *path, int flags, mode_t mode)
{
	return result(openat(dirfd, path, flags | O_CLOEXEC, mode));
}

static void real_close(int fd)
{
	close(fd);
}

static int real_stat(int fd, struct stat *ret)
{
	return result(fstat(fd, ret));
}

static int real_stat_at(int dirfd, const char *path, struct stat *ret)
{
	return result(fstatat(dirfd, path, ret, AT_SYMLINK_NOFOLLOW));
}

/* Who filters system calls may know none of this one: then fstatat(2), which says less. */
static int identify_by_number(int dirfd, const char *path, uint64_t *ret_number,
			      uint64_t *ret_made_ns)
{
	struct stat seen;
	int r = result(fstatat(dirfd, path, &seen, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH));

	*ret_number = r < 0 ? 0 : seen.st_ino;
	*ret_made_ns = 0;
	return r;
}

/* Asked for when it changed, the kernel lets none that is made after that change be as old (Linux 6.13; before
 * that two files made in the same tick may be). */
static int real_identify(int dirfd, const char *path, uint64_t *ret_number, uint64_t *ret_made_ns)
{
	struct statx seen;
	int r = result(statx(dirfd, path, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH,
			     STATX_INO | STATX_CTIME | STATX_BTIME, &seen));

	if (r == -EPERM || r == -ENOSYS)
		return identify_by_number(dirfd, path, ret_number, ret_made_ns);
	if (r < 0)
		return r;
	*ret_number = seen.stx_ino;
	*ret_made_ns = seen.stx_mask & STATX_BTIME ? (uint64_t)seen.stx_btime.tv_sec * 1000000000 +
							     seen.stx_btime.tv_nsec
						   : 0;
	return 0;
}

static int real_truncate(int fd, uint64_t size)
{
	return result(ftruncate(fd, (off_t)size));
}

static int real_reserve(int fd, uint64_t offset, uint64_t size)
{
	int r;

	/* A signal in the middle of a large one gives EINTR with nothing done. */
	do
		r = result(fallocate(fd, 0, (off_t)offset, (off_t)size));
	while (r == -EINTR);
	return r;
}

static int real_punch(int fd, uint64_t offset, uint64_t size)
{
	return result(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
				(off_t)size));
}

static int64_t real_seek_hole(int fd, uint64_t offset)
{
	off_t r = lseek(fd, (off_t)offset, SEEK_HOLE);

	return r < 0 ? -errno : (int64_t)r;
}

static int real_change_mode(int fd, mode_t mode)
{
	return result(fchmod(fd, mode));
}

static int real_make_dir(int dirfd, const char *path, mode_t mode)
{
	return result(mkdirat(dirfd, path, mode));
}

static int real_remove_dir(int dirfd, const char *path)
{
	return result(unlinkat(dirfd, path, AT_REMOVEDIR));
}

static int real_unlink(int dirfd, const char *path)
{
	return result(unlinkat(dirfd, path, 0));
}

/* Before Linux 6.10 AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH, or is ENOENT, as is a folder that is gone;
 * through /proc anybody may (open(2), O_TMPFILE), which takes longer. */
static int real_link_fd(int fd, int dirfd, const char *path)
{
	char from[32];
	int r = result(linkat(fd, "", dirfd, path, AT_EMPTY_PATH));

	if (r != -ENOENT)
		return r;
	(void)snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	return result(linkat(AT_FDCWD, from, dirfd, path, AT_SYMLINK_FOLLOW));
}

static ssize_t real_list_dir(int fd, void *buffer, size_t size)
{
	return result(syscall(SYS_getdents64, fd, buffer, size));
}

static ssize_t real_read_at(int fd, void *buffer, size_t size, uint64_t offset)
{
	ssize_t r = pread(fd, buffer, size, (off_t)offset);

	return r < 0 ? -errno : r;
}

static ssize_t real_write_at(int fd, const void *buffer, size_t size, uint64_t offset)
{
	ssize_t r = pwrite(fd, buffer, size, (off_t)offset);

	return r < 0 ? -errno : r;
}

static ssize_t real_read_link(int dirfd, const char *path, char *buffer, size_t size)
{
	ssize_t r = readlinkat(dirfd, path, buffer, size);

	return r < 0 ? -errno : r;
}

static int real_try_lock(int fd, enum os_lock kind)
{
	static const short types[] = {F_UNLCK, F_RDLCK, F_WRLCK};
	struct flock lock = {.l_type = types[kind], .l_whence = SEEK_SET};
	int r = result(fcntl(fd, F_OFD_SETLK, &lock));

	if (r == -EAGAIN || r == -EACCES)
		return 0;
	return r < 0 ? r : 1;
}

/* Would a lock of this kind have to wait? */
static int is_in_the_way(int fd, short kind)
{
	struct flock lock = {.l_type = kind, .l_whence = SEEK_SET};
	int r = result(fcntl(fd, F_OFD_GETLK, &lock));

	return r < 0 ? r : lock.l_type != F_UNLCK;
}

static int real_is_locked(int fd)
{
	return is_in_the_way(fd, F_RDLCK);
}

static int real_is_used(int fd)
{
	return is_in_the_way(fd, F_WRLCK);
}

/*
 * Large pages can only be mapped where address and offset agree. For files mmap(2) sees to that only
 * on file systems that have huge pages by themselves (6.18), but it takes a hint. If what lies below
 * is not free, the address is another one, and small pages do as well.
 */
static void *map_aligned(void *address, size_t size, int protection, int flags, int fd,
			 uint64_t offset)
{
	uintptr_t over = ((uintptr_t)address - offset) % OS_LARGE_PAGE;

	if (address == MAP_FAILED || over == 0 || munmap(address, size) < 0)
		return address;
	return mmap((char *)address - over, size, protection, flags, fd, (off_t)offset);
}

static int real_map(void **ret, size_t size, int protection, int flags, int fd, uint64_t offset)
{
	void *address = mmap(NULL, size, protection, flags, fd, (off_t)offset);

	if (fd >= 0 && size >= OS_LARGE_PAGE)
		address = map_aligned(address, size, protection, flags, fd, offset);
	if (address == MAP_FAILED)
		return -errno;
	*ret = address;
	return 0;
}

static int real_map_over(void *address, size_t size, int protection, int flags, int fd,
			 uint64_t offset)
{
	void *r = mmap(address, size, protection, flags | MAP_FIXED, fd, (off_t)offset);

	return r == MAP_FAILED ? -errno : 0;
}

static int real_unmap(void *address, size_t size)
{
	return result(munmap(address, size));
}

static int real_protect(void *address, size_t size, int protection)
{
	return result(mprotect(address, size, protection));
}

static int real_advise(void *address, size_t size, int advice)
{
	return result(madvise(address, size, advice));
}

static int real_resident(void *address, size_t size, unsigned char *ret)
{
	return result(mincore(address, size, ret));
}

static int real_is_resident(void *address, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char present[64];

	for (size_t at = 0; at < size; at += sizeof(present) * page) {
		size_t rest = size - at < sizeof(present) * page ? size - at
								 : sizeof(present) * page;

		if (mincore((char *)address + at, rest, present) < 0)
			return -errno;
		for (size_t i = 0; i < rest / page; i++)
			if (present[i] & 1)
				return 1;
	}
	return 0;
}

static int real_make_memfd(const char *name, unsigned flags)
{
	return result(memfd_create(name, flags | MFD_CLOEXEC));
}

static struct timespec to_timespec(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* One word: FUTEX_WAIT_BITSET takes an absolute time and is older than FUTEX_WAITV (5.16). */
static int wait_one(const struct os_wait *word, const struct timespec *until)
{
	return result(syscall(SYS_futex, word->word, FUTEX_WAIT_BITSET, word->expected, until, NULL,
			      FUTEX_BITSET_MATCH_ANY));
}

static int wait_many(const struct os_wait *words, unsigned count, const struct timespec *until)
{
	struct futex_waitv list[OS_WAIT_MAX];

	if (count > OS_WAIT_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < count; i++)
		list[i] = (struct futex_waitv){
			.val = words[i].expected,
			.uaddr = (uintptr_t)words[i].word,
			.flags = FUTEX_32,
		};
	return result(syscall(SYS_futex_waitv, list, count, 0, until, CLOCK_MONOTONIC));
}

static int real_wait_any(const struct os_wait *words, unsigned count, int64_t deadline_ns)
{
	struct timespec until = to_timespec(deadline_ns < 0 ? 0 : deadline_ns);
	const struct timespec *limit = deadline_ns < 0 ? NULL : &until;
	int r = count == 1 ? wait_one(words, limit) : wait_many(words, count, limit);

	return r > 0 || r == -EAGAIN ? 0 : r;
}

static int real_wake(const uint32_t *word, int count)
{
	return result(syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0));
}

static int real_barrier_register(void)
{
	return result(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
}

static int real_barrier_all(void)
{
	return result(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
}

static int64_t real_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void real_sleep_ns(int64_t ns)
{
	struct timespec span = to_timespec(ns);

	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &span, NULL);
}

static int real_ring_setup(unsigned entries, struct io_uring_params *params)
{
	/* The descriptor is always O_CLOEXEC. */
	return result(syscall(SYS_io_uring_setup, entries, params));
}

static int real_ring_enter(int fd, unsigned submit, unsigned complete, unsigned flags)
{
	return result(syscall(SYS_io_uring_enter, fd, submit, complete, flags, NULL, 0));
}

static int real_ring_register(int fd, unsigned what, const void *argument, unsigned count)
{
	return result(syscall(SYS_io_uring_register, fd, what, argument, count));
}

static int real_make_event(void)
{
	return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

static int real_raise_event(int fd)
{
	return result(eventfd_write(fd, 1));
}

static int real_clear_event(int fd)
{
	eventfd_t value;
	int r = result(eventfd_read(fd, &value));

	return r == -EAGAIN ? 0 : r;
}

static int real_make_pipe(int ret_ends[2])
{
	return result(pipe2(ret_ends, O_CLOEXEC));
}

static int real_copy_fd(int fd)
{
	return result(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

static int real_wait_hangup(int fd, int64_t ns)
{
	struct pollfd end = {.fd = fd};
	int64_t until = real_now_ns() + ns;
	int r;

	do {
		struct timespec left;

		ns = until - real_now_ns();
		left = to_timespec(ns > 0 ? ns : 0);
		r = result(ppoll(&end, 1, &left, NULL));
	} while (r == -EINTR);
	return r;
}

static int real_make_timer(void)
{
	return result(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
}

static int real_set_timer(int fd, int64_t ns)
{
	struct itimerspec span = {.it_value = to_timespec(ns)};

	return result(timerfd_settime(fd, 0, &span, NULL));
}

static int real_make_poll(void)
{
	return result(epoll_create1(EPOLL_CLOEXEC));
}

static int real_poll_add(int poll, int fd, uint32_t events, uint64_t tag)
{
	struct epoll_event event = {.events = events, .data = {.u64 = tag}};

	return result(epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event));
}

static int real_poll_remove(int poll, int fd)
{
	return result(epoll_ctl(poll, EPOLL_CTL_DEL, fd, NULL));
}

/* Linux 5.11 has epoll_pwait2; where it is missing, or forbidden, whole milliseconds, rounded up. */
static int real_poll_wait(int poll, struct epoll_event *ret, int count, int64_t deadline_ns)
{
	int64_t left = deadline_ns < 0 ? -1 : deadline_ns - real_now_ns();
	struct timespec span = to_timespec(left < 0 ? 0 : left);
	long r = syscall(SYS_epoll_pwait2, poll, ret, count, deadline_ns < 0 ? NULL : &span, NULL,
			 0);

	if (r >= 0 || (errno != ENOSYS && errno != EPERM))
		return result((int)r);
	if (left > 0)
		left = left / 1000000 < INT_MAX ? left / 1000000 + 1 : INT_MAX;
	return result(epoll_wait(poll, ret, count,
				 deadline_ns < 0 ? -1
				 : left < 0      ? 0
						 : (int)left));
}

/* The kernel's own set of signals has 64 bits, the C library's more. */
static int real_make_signals(int fd, const uint64_t *set)
{
	return result(
		(int)syscall(SYS_signalfd4, fd, set, sizeof(*set), SFD_CLOEXEC | SFD_NONBLOCK));
}

static int real_read_signal(int fd)
{
	struct signalfd_siginfo info;
	ssize_t size = read(fd, &info, sizeof(info));

	if (size < 0)
		return -errno;
	return size == (ssize_t)sizeof(info) ? (int)info.ssi_signo : -EIO;
}

static int real_make_notify(void)
{
	return result(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
}

static int real_notify_add(int fd, const char *path, uint32_t mask)
{
	return result(inotify_add_watch(fd, path, mask));
}

static int real_notify_remove(int fd, int watch)
{
	return result(inotify_rm_watch(fd, watch));
}

static ssize_t real_notify_read(int fd, void *buffer, size_t size)
{
	ssize_t r = read(fd, buffer, size);

	return r < 0 ? -errno : r;
}

static int real_set_action(int signal_number, const struct sigaction *action,
			   struct sigaction *ret_before)
{
	return result(sigaction(signal_number, action, ret_before));
}

static int32_t real_get_pid(void)
{
	return getpid();
}

static int32_t real_get_tid(void)
{
	return (int32_t)syscall(SYS_gettid);
}

static int real_get_thread_name(char *ret_name)
{
	return result(prctl(PR_GET_NAME, ret_name, 0, 0, 0));
}

static struct robust_list_head *real_get_robust_list(void)
{
	struct robust_list_head *list = NULL;
	size_t size = 0;

	if (syscall(SYS_get_robust_list, 0, &list, &size) < 0 || size != sizeof(*list))
		return NULL;
	return list;
}

static uint32_t real_get_uid(void)
{
	return geteuid();
}

static int real_get_random(void *buffer, size_t size)
{
	ssize_t r = getrandom(buffer, size, 0);

	if (r < 0)
		return -errno;
	return (size_t)r == size ? 0 : -EIO;
}

static const char *real_get_variable(const char *name)
{
	return secure_getenv(name);
}

const struct os os_real = {
	.open = real_open,
	.close = real_close,
	.stat = real_stat,
	.stat_at = real_stat_at,
	.identify = real_identify,
	.truncate = real_truncate,
	.reserve = real_reserve,
	.punch = real_punch,
	.seek_hole = real_seek_hole,
	.change_mode = real_change_mode,
	.make_dir = real_make_dir,
	.remove_dir = real_remove_dir,
	.unlink = real_unlink,
	.link_fd = real_link_fd,
	.list_dir = real_list_dir,
	.read_at = real_read_at,
	.write_at = real_write_at,
	.read_link = real_read_link,
	.try_lock = real_try_lock,
	.is_locked = real_is_locked,
	.is_used = real_is_used,
	.map = real_map,
	.map_over = real_map_over,
	.unmap = real_unmap,
	.protect = real_protect,
	.advise = real_advise,
	.resident = real_resident,
	.is_resident = real_is_resident,
	.make_memfd = real_make_memfd,
	.wait_any = real_wait_any,
	.wake = real_wake,
	.barrier_register = real_barrier_register,
	.barrier_all = real_barrier_all,
	.now_ns = real_now_ns,
	.sleep_ns = real_sleep_ns,
	.ring_setup = real_ring_setup,
	.ring_enter = real_ring_enter,
	.ring_register = real_ring_register,
	.make_event = real_make_event,
	.raise_event = real_raise_event,
	.clear_event = real_clear_event,
	.make_pipe = real_make_pipe,
	.copy_fd = real_copy_fd,
	.wait_hangup = real_wait_hangup,
	.make_timer = real_make_timer,
	.set_timer = real_set_timer,
	.make_poll = real_make_poll,
	.poll_add = real_poll_add,
	.poll_remove = real_poll_remove,
	.poll_wait = real_poll_wait,
	.make_signals = real_make_signals,
	.read_signal = real_read_signal,
	.make_notify = real_make_notify,
	.notify_add = real_notify_add,
	.notify_remove = real_notify_remove,
	.notify_read = real_notify_read,
	.set_action = real_set_action,
	.get_pid = real_get_pid,
	.get_tid = real_get_tid,
	.get_thread_name = real_get_thread_name,
	.get_robust_list = real_get_robust_list,
	.get_uid = real_get_uid,
	.get_random = real_get_random,
	.get_variable = real_get_variable,
};

const struct os *os = &os_real;
