/* SPDX-License-Identifier: Apache-2.0 */
/* Each call of the table once where it works and once where it fails: the result is -errno and
 * never -1 with errno elsewhere. */
#include "os/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "frame/frame.h"

#define SECOND_NS 1000000000
#define NOBODY 65534

static size_t page;
static int dir = -1;

static void setup(void)
{
	page = (size_t)sysconf(_SC_PAGESIZE);
	dir = os->open(AT_FDCWD, getenv("FLOE_DIR"), O_RDONLY | O_DIRECTORY, 0);
	expect(dir >= 0);
}

static void teardown(void)
{
	os->close(dir);
}

static int make_file(const char *name)
{
	int fd = os->open(dir, name, O_CREAT | O_EXCL | O_RDWR, 0600);

	expect(fd >= 0);
	return fd;
}

/* What wait4(2) says of a process that ran `run`. */
static int in_child(void (*run)(void))
{
	int status;
	pid_t child = fork();

	expect(child >= 0);
	if (child == 0) {
		run();
		_exit(0);
	}
	expect(waitpid(child, &status, 0) == child);
	return status;
}

static void descriptors_do_not_survive_exec(void)
{
	int fd, memfd;

	setup();
	fd = make_file("file");
	memfd = os->make_memfd("memfd", 0);
	expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	expect(fcntl(memfd, F_GETFD) & FD_CLOEXEC);
	expect(fcntl(dir, F_GETFD) & FD_CLOEXEC);
	os->close(fd);
	os->close(memfd);
	teardown();
}

static void open_says_why_not(void)
{
	int fd;

	setup();
	expect_equal(os->open(dir, "absent", O_RDONLY, 0), -ENOENT);
	fd = make_file("file");
	expect_equal(os->open(dir, "file", O_CREAT | O_EXCL | O_RDWR, 0600), -EEXIST);
	os->close(fd);
	teardown();
}

static void a_closed_descriptor_is_gone(void)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	struct stat stat;
	int number;

	setup();
	fd = make_file("file");
	number = fd;
	os_close_fdp(&fd);
	expect_equal(fd, -1);
	expect_equal(os->stat(number, &stat), -EBADF);
	os_close_fdp(&fd);
	teardown();
}

static void a_given_descriptor_stays_open(void)
{
	int fd, given;
	struct stat stat;

	setup();
	fd = make_file("file");
	given = take_fd(&fd);
	expect_equal(fd, -1);
	os_close_fdp(&fd);
	expect_equal(os->stat(given, &stat), 0);
	os->close(given);
	teardown();
}

static void stat_at_does_not_follow_links(void)
{
	struct stat stat;
	int fd;

	setup();
	fd = make_file("file");
	expect(symlinkat("file", dir, "link") == 0);
	expect_equal(os->stat_at(dir, "link", &stat), 0);
	expect(S_ISLNK(stat.st_mode));
	expect_equal(os->stat_at(dir, "file", &stat), 0);
	expect(S_ISREG(stat.st_mode));
	expect_equal(os->stat_at(dir, "absent", &stat), -ENOENT);
	os->close(fd);
	teardown();
}

static void links_are_read(void)
{
	char target[16] = "";

	setup();
	expect(symlinkat("target", dir, "link") == 0);
	expect_equal(os->read_link(dir, "link", target, sizeof(target)), 6);
	expect(!memcmp(target, "target", 6));
	expect_equal(os->read_link(dir, "absent", target, sizeof(target)), -ENOENT);
	teardown();
}

static void a_file_gets_size_memory_and_holes(void)
{
	struct stat stat;
	int fd;

	setup();
	fd = make_file("file");
	expect_equal(os->truncate(fd, 4 * page), 0);
	expect_equal(os->stat(fd, &stat), 0);
	expect_equal(stat.st_size, 4 * page);
	expect_equal(stat.st_blocks, 0);
	expect_equal(os->seek_hole(fd, 0), 0);

	expect_equal(os->reserve(fd, 0, 2 * page), 0);
	expect_equal(os->stat(fd, &stat), 0);
	expect_equal(stat.st_size, 4 * page);
	expect(stat.st_blocks * 512 >= (blkcnt_t)(2 * page));

	expect_equal(pwrite(fd, "x", 1, 0), 1);
	expect_equal(os->seek_hole(fd, 0), page);
	expect_equal(os->punch(fd, 0, 2 * page), 0);
	expect_equal(os->stat(fd, &stat), 0);
	expect_equal(stat.st_blocks, 0);
	expect_equal(stat.st_size, 4 * page);

	expect_equal(os->seek_hole(fd, 4 * page), -ENXIO);
	expect_equal(os->truncate(-1, 0), -EBADF);
	expect_equal(os->reserve(-1, 0, page), -EBADF);
	expect_equal(os->punch(-1, 0, page), -EBADF);
	os->close(fd);
	teardown();
}

static void modes_are_changed(void)
{
	struct stat stat;
	int fd;

	setup();
	fd = make_file("file");
	expect_equal(os->change_mode(fd, 0644), 0);
	expect_equal(os->stat(fd, &stat), 0);
	expect_equal(stat.st_mode & 07777, 0644);
	expect_equal(os->change_mode(-1, 0644), -EBADF);
	os->close(fd);
	teardown();
}

static void folders_and_files_come_and_go(void)
{
	setup();
	expect_equal(os->make_dir(dir, "folder", 0700), 0);
	expect_equal(os->make_dir(dir, "folder", 0700), -EEXIST);
	os->close(make_file("folder/file"));
	expect_equal(os->remove_dir(dir, "folder"), -ENOTEMPTY);
	expect_equal(os->unlink(dir, "folder"), -EISDIR);
	expect_equal(os->unlink(dir, "folder/file"), 0);
	expect_equal(os->unlink(dir, "folder/file"), -ENOENT);
	expect_equal(os->remove_dir(dir, "folder"), 0);
	expect_equal(os->remove_dir(dir, "folder"), -ENOENT);
	teardown();
}

static void an_unnamed_file_gets_a_name(void)
{
	struct stat stat, named;
	int fd;

	setup();
	fd = os->open(dir, ".", O_TMPFILE | O_RDWR, 0600);
	expect(fd >= 0);
	expect_equal(os->link_fd(fd, dir, "name"), 0);
	expect_equal(os->link_fd(fd, dir, "name"), -EEXIST);
	expect_equal(os->stat(fd, &stat), 0);
	expect_equal(os->stat_at(dir, "name", &named), 0);
	expect_equal(stat.st_ino, named.st_ino);
	os->close(fd);
	teardown();
}

/* The kernel asks who opened it, and the way through /proc is left. */
static void a_file_gets_a_name_when_its_opener_is_somebody_else_by_now(void)
{
	int fd;

	if (geteuid() != 0)
		skip("only root becomes somebody else");
	setup();
	expect_equal(fchmod(dir, 0777), 0);
	fd = os->open(dir, ".", O_TMPFILE | O_RDWR, 0600);
	expect_equal(fchown(fd, NOBODY, NOBODY), 0);
	expect_equal(setuid(NOBODY), 0);
	expect_equal(prctl(PR_SET_DUMPABLE, 1), 0);
	expect_equal(os->link_fd(fd, dir, "name"), 0);
	expect_equal(os->link_fd(fd, dir, "name"), -EEXIST);
	os->close(fd);
	teardown();
}

static bool has_entry(const char *buffer, ssize_t size, const char *name)
{
	for (ssize_t at = 0; at < size;) {
		const struct dirent64 *entry = (const void *)(buffer + at);

		if (!strcmp(entry->d_name, name))
			return true;
		at += entry->d_reclen;
	}
	return false;
}

static void folders_are_listed(void)
{
	_Alignas(struct dirent64) char buffer[1024];
	ssize_t size;

	setup();
	os->close(make_file("one"));
	os->close(make_file("two"));
	size = os->list_dir(dir, buffer, sizeof(buffer));
	expect(has_entry(buffer, size, "one"));
	expect(has_entry(buffer, size, "two"));
	expect(!has_entry(buffer, size, "three"));
	expect_equal(os->list_dir(dir, buffer, sizeof(buffer)), 0);
	expect_equal(os->list_dir(-1, buffer, sizeof(buffer)), -EBADF);
	teardown();
}

static void files_are_read_and_written_at_an_offset(void)
{
	char text[8] = "";
	int fd;

	setup();
	fd = make_file("file");
	expect_equal(os->write_at(fd, "456789", 6, 4), 6);
	expect_equal(os->write_at(fd, "0123", 4, 0), 4);
	expect_equal(os->write_at(-1, "0123", 4, 0), -EBADF);
	expect_equal(os->read_at(fd, text, 4, 3), 4);
	expect(!strcmp(text, "3456"));
	expect_equal(os->read_at(fd, text, 4, 8), 2);
	expect_equal(os->read_at(fd, text, 4, 10), 0);
	expect_equal(os->read_at(-1, text, 4, 0), -EBADF);
	os->close(fd);
	teardown();
}

static void locks_belong_to_the_open_file(void)
{
	int one, two;

	setup();
	one = make_file("file");
	two = os->open(dir, "file", O_RDWR, 0);
	expect_equal(os->is_locked(two), 0);

	expect_equal(os->try_lock(one, OS_LOCK_EXCLUSIVE), 1);
	expect_equal(os->try_lock(one, OS_LOCK_EXCLUSIVE), 1);
	expect_equal(os->is_locked(two), 1);
	expect_equal(os->is_locked(one), 0);
	expect_equal(os->try_lock(two, OS_LOCK_EXCLUSIVE), 0);
	expect_equal(os->try_lock(two, OS_LOCK_SHARED), 0);
	expect_equal(os->is_used(two), 1);
	expect_equal(os->try_lock(one, OS_LOCK_SHARED), 1);
	expect_equal(os->is_locked(two), 0);
	expect_equal(os->is_used(two), 1);
	expect_equal(os->is_used(one), 0);
	expect_equal(os->try_lock(one, OS_LOCK_EXCLUSIVE), 1);

	/* A second descriptor of the same open file: closing it gives up nothing. */
	os->close(fcntl(one, F_DUPFD_CLOEXEC, 0));
	expect_equal(os->is_locked(two), 1);

	expect_equal(os->try_lock(one, OS_LOCK_NONE), 1);
	expect_equal(os->is_locked(two), 0);
	expect_equal(os->try_lock(-1, OS_LOCK_SHARED), -EBADF);
	expect_equal(os->is_locked(-1), -EBADF);
	expect_equal(os->is_used(-1), -EBADF);
	os->close(one);
	os->close(two);
	teardown();
}

static void shared_locks_stand_side_by_side(void)
{
	int one, two;

	setup();
	one = make_file("file");
	two = os->open(dir, "file", O_RDWR, 0);
	expect_equal(os->try_lock(one, OS_LOCK_SHARED), 1);
	expect_equal(os->try_lock(two, OS_LOCK_SHARED), 1);
	expect_equal(os->is_locked(two), 0);
	expect_equal(os->try_lock(one, OS_LOCK_EXCLUSIVE), 0);
	os->close(two);
	expect_equal(os->try_lock(one, OS_LOCK_EXCLUSIVE), 1);
	os->close(one);
	teardown();
}

static void lock_and_die(void)
{
	int fd = os->open(dir, "file", O_RDWR, 0);

	expect_equal(os->try_lock(fd, OS_LOCK_EXCLUSIVE), 1);
	(void)raise(SIGKILL);
}

static void a_lock_ends_with_its_process(void)
{
	int fd;

	setup();
	fd = make_file("file");
	expect(WIFSIGNALED(in_child(lock_and_die)));
	expect_equal(os->is_locked(fd), 0);
	os->close(fd);
	teardown();
}

static void memory_is_mapped_and_unmapped(void)
{
	int protection = PROT_READ | PROT_WRITE;
	void *kept = &page, *one, *two;
	int fd;

	setup();
	fd = os->make_memfd("name", 0);
	expect_equal(os->truncate(fd, 2 * page), 0);
	expect_equal(os->map(&one, page, protection, MAP_SHARED, fd, page), 0);
	expect_equal(os->map(&two, 2 * page, PROT_READ, MAP_SHARED, fd, 0), 0);
	memcpy(one, "same", 4);
	expect(!memcmp((char *)two + page, "same", 4));
	expect_equal(os->unmap(one, page), 0);
	expect_equal(os->unmap(two, 2 * page), 0);
	expect_equal(os->unmap((char *)two + 1, page), -EINVAL);
	os->close(fd);
	expect_equal(os->map(&kept, page, protection, MAP_SHARED, -1, 0), -EBADF);
	expect(kept == &page);
	teardown();
}

static void advice_is_passed_on(void)
{
	void *memory;

	setup();
	expect_equal(
		os->map(&memory, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		0);
	memset(memory, 1, page);
	expect_equal(os->advise(memory, page, MADV_DONTNEED), 0);
	expect_equal(*(char *)memory, 0);
	expect_equal(os->advise(memory, page, -1), -EINVAL);
	expect_equal(os->unmap(memory, page), 0);
	expect_equal(os->make_memfd("name", ~0u), -EINVAL);
	teardown();
}

static void a_word_that_differs_ends_the_wait_at_once(void)
{
	uint32_t words[] = {1, 2};
	struct os_wait waits[] = {{&words[0], 1}, {&words[1], 3}};

	expect_equal(os->wait_any(&waits[1], 1, -1), 0);
	expect_equal(os->wait_any(waits, 2, -1), 0);
}

static void a_wait_ends_at_its_deadline(void)
{
	uint32_t words[] = {1, 2};
	struct os_wait waits[] = {{&words[0], 1}, {&words[1], 2}};
	int64_t start = os->now_ns(), deadline = start + SECOND_NS / 50;

	expect_equal(os->wait_any(waits, 1, deadline), -ETIMEDOUT);
	expect(os->now_ns() >= deadline);
	deadline = os->now_ns() + SECOND_NS / 50;
	expect_equal(os->wait_any(waits, 2, deadline), -ETIMEDOUT);
	expect(os->now_ns() >= deadline);
	expect_equal(os->wait_any(waits, 1, 0), -ETIMEDOUT);
	expect_equal(os->wait_any(waits, 2, start), -ETIMEDOUT);
}

static void more_words_than_the_kernel_takes_are_refused(void)
{
	uint32_t word = 1;
	struct os_wait waits[OS_WAIT_MAX + 1];

	for (size_t i = 0; i < TEST_COUNT(waits); i++)
		waits[i] = (struct os_wait){&word, 1};
	expect_equal(os->wait_any(waits, OS_WAIT_MAX, 0), -ETIMEDOUT);
	expect_equal(os->wait_any(waits, OS_WAIT_MAX + 1, 0), -EINVAL);
}

static void wake_up(int number)
{
	(void)number;
}

static void a_signal_ends_a_wait(void)
{
	const struct sigaction action = {.sa_handler = wake_up};
	/* Again and again, so that one comes when the wait has begun. */
	const struct itimerval often = {{.tv_usec = 20000}, {.tv_usec = 20000}};
	uint32_t word = 1;
	struct os_wait wait = {&word, 1};

	expect(sigaction(SIGALRM, &action, NULL) == 0);
	expect(setitimer(ITIMER_REAL, &often, NULL) == 0);
	expect_equal(os->wait_any(&wait, 1, os->now_ns() + 60LL * SECOND_NS), -EINTR);
}

/* The first two are waited for; the third is a second word that nobody wakes. */
static uint32_t *shared_words;

static void wait_for_first(void)
{
	struct os_wait wait = {&shared_words[0], 0};

	expect_equal(os->wait_any(&wait, 1, os->now_ns() + 60LL * SECOND_NS), 0);
}

static void wait_for_either(void)
{
	struct os_wait waits[] = {{&shared_words[2], 0}, {&shared_words[1], 0}};

	expect_equal(os->wait_any(waits, 2, os->now_ns() + 60LL * SECOND_NS), 0);
}

/* Wakes until somebody did wake: the child may not sleep yet. */
static void expect_wake(uint32_t *word, void (*run)(void))
{
	pid_t child = fork();
	int status;

	expect(child >= 0);
	if (child == 0) {
		run();
		_exit(0);
	}
	while (os->wake(word, 1) == 0)
		os->sleep_ns(SECOND_NS / 1000);
	expect(waitpid(child, &status, 0) == child);
	expect_equal(status, 0);
}

static void sleepers_in_other_processes_are_woken(void)
{
	void *memory;

	setup();
	expect_equal(
		os->map(&memory, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
		0);
	shared_words = memory;
	expect_equal(os->wake(&shared_words[0], 1), 0);
	expect_wake(&shared_words[0], wait_for_first);
	expect_wake(&shared_words[1], wait_for_either);
	expect_equal(os->unmap(memory, page), 0);
	teardown();
}

static void barriers_reach_registered_processes(void)
{
	expect_equal(os->barrier_register(), 0);
	expect_equal(os->barrier_register(), 0);
	expect_equal(os->barrier_all(), 0);
}

static void the_clock_goes_on_while_we_sleep(void)
{
	int64_t start = os->now_ns();

	os->sleep_ns(SECOND_NS / 100);
	expect(os->now_ns() - start >= SECOND_NS / 100);
}

static void this_process_knows_itself(void)
{
	unsigned char one[16] = {0}, two[16] = {0};
	char name[OS_THREAD_NAME_MAX];

	expect_equal(os->get_pid(), getpid());
	expect_equal(os->get_uid(), geteuid());
	expect_equal(prctl(PR_SET_NAME, "a name of 15 ch"), 0);
	expect_equal(os->get_thread_name(name), 0);
	expect(!strcmp(name, "a name of 15 ch"));
	expect_equal(os->get_random(one, sizeof(one)), 0);
	expect_equal(os->get_random(two, sizeof(two)), 0);
	expect(memcmp(one, two, sizeof(one)) != 0);
	expect(setenv("FLOE_UNIT", "here", 1) == 0);
	expect(!strcmp(os->get_variable("FLOE_UNIT"), "here"));
	expect(unsetenv("FLOE_UNIT") == 0);
	expect(!os->get_variable("FLOE_UNIT"));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(descriptors_do_not_survive_exec),
		TEST(open_says_why_not),
		TEST(a_closed_descriptor_is_gone),
		TEST(a_given_descriptor_stays_open),
		TEST(stat_at_does_not_follow_links),
		TEST(links_are_read),
		TEST(a_file_gets_size_memory_and_holes),
		TEST(modes_are_changed),
		TEST(folders_and_files_come_and_go),
		TEST(an_unnamed_file_gets_a_name),
		TEST(a_file_gets_a_name_when_its_opener_is_somebody_else_by_now),
		TEST(folders_are_listed),
		TEST(files_are_read_and_written_at_an_offset),
		TEST(locks_belong_to_the_open_file),
		TEST(shared_locks_stand_side_by_side),
		TEST(a_lock_ends_with_its_process),
		TEST(memory_is_mapped_and_unmapped),
		TEST(advice_is_passed_on),
		TEST(a_word_that_differs_ends_the_wait_at_once),
		TEST(a_wait_ends_at_its_deadline),
		TEST(more_words_than_the_kernel_takes_are_refused),
		TEST(a_signal_ends_a_wait),
		TEST(sleepers_in_other_processes_are_woken),
		TEST(barriers_reach_registered_processes),
		TEST(the_clock_goes_on_while_we_sleep),
		TEST(this_process_knows_itself),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
