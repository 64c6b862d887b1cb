/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What watching costs while nothing happens, and what it finds when the kernel had to leave something
 * out: system calls are counted, and events are lost on purpose.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <floe/watch.h>

#include "frame/frame.h"
#include "os/os.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct {
	bool loses;      /* the queue overflows with the next event */
	unsigned opened; /* files and folders */
	unsigned listed;
	unsigned waited;
	int topic;      /* the watch of a topic's folder, 0: none was asked for */
	bool is_deaf;   /* nothing is told of that, */
	uint32_t hears; /* but for these events */
	int lingers;    /* so often the lock of the dead is seen after it was told that he is */
	bool floods;    /* there is always one more event */
} kernel;

static int note_add(int fd, const char *path, uint32_t mask)
{
	int wd = os_real.notify_add(fd, path, mask);

	if (strstr(path, "/topics/t"))
		kernel.topic = wd;
	return wd;
}

static ssize_t leave_out(char *buffer, ssize_t size)
{
	ssize_t kept = 0;

	for (ssize_t at = 0; at < size;) {
		struct inotify_event event;
		size_t length;

		memcpy(&event, buffer + at, sizeof(event));
		length = sizeof(event) + event.len;
		if (event.wd != kernel.topic || event.mask & kernel.hears) {
			memmove(buffer + kept, buffer + at, length);
			kept += (ssize_t)length;
		}
		at += (ssize_t)length;
	}
	return kept > 0 ? kept : -EAGAIN;
}

static ssize_t lose_or_read(int fd, void *buffer, size_t size)
{
	struct inotify_event overflow = {.wd = -1, .mask = IN_Q_OVERFLOW};

	if (kernel.floods) {
		memcpy(buffer, &(struct inotify_event){.wd = kernel.topic, .mask = IN_CREATE},
		       sizeof(struct inotify_event));
		return (ssize_t)sizeof(struct inotify_event);
	}
	if (!kernel.loses) {
		ssize_t r = os_real.notify_read(fd, buffer, size);

		return kernel.is_deaf && r > 0 ? leave_out(buffer, r) : r;
	}
	while (os_real.notify_read(fd, buffer, size) > 0)
		;
	kernel.loses = false;
	memcpy(buffer, &overflow, sizeof(overflow));
	return (ssize_t)sizeof(overflow);
}

static int count_open(int dirfd, const char *path, int flags, mode_t mode)
{
	kernel.opened++;
	return os_real.open(dirfd, path, flags, mode);
}

static ssize_t count_list(int fd, void *buffer, size_t size)
{
	kernel.listed++;
	return os_real.list_dir(fd, buffer, size);
}

static int see_lock(int fd)
{
	return kernel.lingers && kernel.lingers-- ? 1 : os_real.is_locked(fd);
}

static int count_wait(int poll, struct epoll_event *ret, int count, int64_t deadline_ns)
{
	kernel.waited++;
	return os_real.poll_wait(poll, ret, count, deadline_ns);
}

static void begin(void)
{
	static struct os table;

	table = os_real;
	table.notify_read = lose_or_read;
	table.notify_add = note_add;
	table.is_locked = see_lock;
	table.open = count_open;
	table.list_dir = count_list;
	table.poll_wait = count_wait;
	os = &table;
}

static struct floe_watch *watch(void)
{
	struct floe_watch *opened = NULL;

	expect_equal(floe_watch_open(&opened, NULL), 0);
	return opened;
}

static struct floe_publisher *publisher(const char *topic)
{
	struct floe_publisher *opened = NULL;

	expect_equal(floe_publisher_open(&opened, topic, NULL), 0);
	return opened;
}

/* How many are told of a kind and what, until nothing is. */
static unsigned count_told(struct floe_watch *w, uint32_t kind, uint32_t what)
{
	struct floe_watch_event event;
	unsigned count = 0;

	while (floe_watch_next(w, &event, sizeof(event)) == 1)
		count += event.kind == kind && event.what == what;
	return count;
}

static void what_the_kernel_left_out_is_found(void)
{
	struct floe_publisher *pub[4];
	struct floe_watch *w;

	begin();
	pub[0] = publisher("t0");
	pub[1] = publisher("t1");
	w = watch();
	expect_equal(count_told(w, FLOE_KIND_PUBLISHER, FLOE_WATCH_THERE), 2);
	pub[2] = publisher("t2");
	pub[3] = publisher("t1");
	floe_publisher_close(pub[0]);
	kernel.loses = true;
	expect_equal(floe_watch_wait(w, -1), 1);
	expect_equal(count_told(w, FLOE_KIND_PUBLISHER, FLOE_WATCH_CAME), 2);
	floe_publisher_close(pub[3]);
	floe_publisher_close(pub[2]);
	kernel.loses = true;
	expect_equal(count_told(w, FLOE_KIND_PUBLISHER, FLOE_WATCH_WENT), 2);
	/* And what comes then is heard of as ever, also on a topic that came unheard. */
	pub[2] = publisher("t1");
	expect_equal(count_told(w, FLOE_KIND_PUBLISHER, FLOE_WATCH_CAME), 1);
	floe_publisher_close(pub[2]);
	floe_publisher_close(pub[1]);
	floe_watch_close(w);
	os = &os_real;
}

/* The times at which something is looked at again are over when nothing is read any more. */
static void settle(struct floe_watch *w)
{
	unsigned before;

	do {
		before = kernel.opened;
		(void)floe_watch_wait(w, os->now_ns() + 300000000);
		(void)count_told(w, 0, 0);
	} while (kernel.opened != before);
}

static void nothing_is_looked_at_while_nothing_happens(void)
{
	struct floe_publisher *pub;
	struct floe_watch *w;

	begin();
	pub = publisher("t");
	w = watch();
	(void)count_told(w, 0, 0);
	settle(w);
	kernel.opened = kernel.listed = kernel.waited = 0;
	expect_equal(floe_watch_wait(w, os->now_ns() + 300000000), 0);
	expect_equal(count_told(w, 0, 0), 0);
	expect_equal(kernel.waited, 1);
	expect_equal(kernel.opened, 0);
	expect_equal(kernel.listed, 0);
	floe_publisher_close(pub);
	floe_watch_close(w);
	os = &os_real;
}

/* Of many topics the one is read on which something happens, and no other. */
static void only_what_changed_is_read(void)
{
	struct floe_publisher *pub[16], *more;
	char topic[8];
	struct floe_watch *w;

	begin();
	for (unsigned i = 0; i < COUNT(pub); i++) {
		(void)snprintf(topic, sizeof(topic), "t%u", i);
		pub[i] = publisher(topic);
	}
	w = watch();
	expect_equal(count_told(w, FLOE_KIND_TOPIC, FLOE_WATCH_THERE), COUNT(pub));
	settle(w);
	more = publisher("t7");
	kernel.listed = 0;
	expect_equal(count_told(w, FLOE_KIND_PUBLISHER, FLOE_WATCH_CAME), 1);
	/* One folder is read in six calls, and perhaps again a while later. */
	expect(kernel.listed > 0);
	expect(kernel.listed < 3 * COUNT(pub));
	floe_publisher_close(more);
	settle(w);
	more = publisher("t99");
	kernel.listed = 0;
	expect_equal(count_told(w, FLOE_KIND_PUBLISHER, FLOE_WATCH_CAME), 1);
	expect(kernel.listed < 3 * COUNT(pub));
	floe_publisher_close(more);
	for (unsigned i = 0; i < COUNT(pub); i++)
		floe_publisher_close(pub[i]);
	floe_watch_close(w);
	os = &os_real;
}

static void live(int wire)
{
	struct floe_publisher *pub = publisher("t");
	char byte = 0;

	expect_equal(write(wire, &byte, 1), 1);
	(void)pause();
	floe_publisher_close(pub);
}

/* What the dead had on topics is looked at because he died, and not only because its files changed. */
static void who_died_is_looked_for_on_his_topics(void)
{
	struct floe_watch *w;
	unsigned told = 0;
	int wire[2];
	char byte;
	pid_t pid;

	expect_equal(pipe(wire), 0);
	pid = fork();
	if (pid == 0)
		live(wire[1]);
	expect(pid > 0);
	expect_equal(read(wire[0], &byte, 1), 1);
	begin();
	w = watch();
	expect_equal(count_told(w, FLOE_KIND_PUBLISHER, FLOE_WATCH_THERE), 1);
	kernel.is_deaf = true;
	kernel.lingers = 2;
	expect_equal(kill(pid, SIGKILL), 0);
	expect_equal(waitpid(pid, NULL, 0), pid);
	while (told == 0) {
		expect_equal(floe_watch_wait(w, os->now_ns() + 60000000000), 1);
		told = count_told(w, FLOE_KIND_PUBLISHER, FLOE_WATCH_DIED);
	}
	expect_equal(told, 1);
	floe_watch_close(w);
	(void)close(wire[0]);
	(void)close(wire[1]);
	os = &os_real;
}

static struct floe_subscriber *subscriber(const char *topic)
{
	struct floe_subscriber *opened = NULL;

	expect_equal(floe_subscriber_open(&opened, topic, NULL), 0);
	return opened;
}

/* Nothing is made, removed or closed when a ring is taken over; but its mode is set. */
static void that_a_ring_is_taken_over_is_told_by_its_mode(void)
{
	struct floe_subscriber *sub;
	struct floe_publisher *pub;
	struct floe_watch *w;

	begin();
	sub = subscriber("t");
	pub = publisher("t");
	w = watch();
	(void)count_told(w, 0, 0);
	floe_publisher_close(pub);
	settle(w);
	kernel.is_deaf = true;
	kernel.hears = IN_ATTRIB;
	pub = publisher("t");
	expect_equal(count_told(w, FLOE_KIND_PUBLISHER, FLOE_WATCH_CAME), 1);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
	floe_watch_close(w);
	os = &os_real;
}

/* What is left is for the next call, and the descriptor says so. */
static void who_makes_names_all_the_time_keeps_nobody_in_a_call(void)
{
	struct floe_publisher *pub;
	struct floe_watch *w;

	begin();
	pub = publisher("t");
	w = watch();
	(void)count_told(w, 0, 0);
	kernel.floods = true;
	expect_equal(count_told(w, 0, 0), 0);
	kernel.floods = false;
	floe_publisher_close(pub);
	expect_equal(floe_watch_wait(w, -1), 1);
	expect_equal(count_told(w, FLOE_KIND_PUBLISHER, FLOE_WATCH_WENT), 1);
	floe_watch_close(w);
	os = &os_real;
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(what_the_kernel_left_out_is_found),
		TEST(nothing_is_looked_at_while_nothing_happens),
		TEST(only_what_changed_is_read),
		TEST(who_died_is_looked_for_on_his_topics),
		TEST(that_a_ring_is_taken_over_is_told_by_its_mode),
		TEST(who_makes_names_all_the_time_keeps_nobody_in_a_call),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
