/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Events: each notification is counted and none is lost, whoever sleeps, comes late or dies; who came,
 * left, died or was silent is told; a listener costs nobody anything.
 */

#include <dirent.h>
#include <errno.h>
#include <floe/event.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "asleep.h"
#include "folder.h"
#include "peer.h"
#include "steps.h"

#define FOREVER (-1)
#define MILLISECONDS ((int64_t)1000000)
#define SECONDS (1000 * MILLISECONDS)
#define ALTERNATIONS 5000

#define NOTIFIER(...) \
	(&(struct floe_notifier_options){.size = sizeof(struct floe_notifier_options), __VA_ARGS__})
#define LISTENER(...) \
	(&(struct floe_listener_options){.size = sizeof(struct floe_listener_options), __VA_ARGS__})

static struct floe_notifier *notifier(const struct floe_notifier_options *options)
{
	struct floe_notifier *opened = NULL;

	expect_equal(floe_notifier_open(&opened, "event", options), 0);
	return opened;
}

static struct floe_listener *listener(const struct floe_listener_options *options)
{
	struct floe_listener *opened = NULL;

	expect_equal(floe_listener_open(&opened, "event", options), 0);
	return opened;
}

static void notify(struct floe_notifier *n, uint32_t id, unsigned count)
{
	while (count--)
		expect(floe_notify(n, id) >= 0);
}

static void expect_next(struct floe_listener *l, uint32_t kind, uint32_t id, uint64_t count)
{
	struct floe_event event;

	expect_equal(floe_listener_take(l, &event), 1);
	expect_equal(event.kind, kind);
	expect_equal(event.id, id);
	expect_equal(event.count, count);
}

static void expect_none(struct floe_listener *l)
{
	struct floe_event event;

	expect_equal(floe_listener_take(l, &event), 0);
}

static bool is_readable(int fd)
{
	return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) == 1;
}

/*
 * Counting
 */

static void each_id_is_told_with_its_count(void)
{
	struct floe_notifier *n = notifier(NULL);
	struct floe_listener *l = listener(NULL);

	expect_none(l);
	notify(n, 3, 5);
	notify(n, 63, 1);
	expect_next(l, FLOE_EVENT_NOTIFIED, 3, 5);
	notify(n, 0, 2);
	expect_next(l, FLOE_EVENT_NOTIFIED, 63, 1);
	expect_next(l, FLOE_EVENT_NOTIFIED, 0, 2);
	expect_none(l);
	expect_equal(floe_notify(n, 64), -EINVAL);
	expect_none(l);
	floe_listener_close(l);
	floe_notifier_close(n);
	expect_folder_empty();
}

/* Ids in one group are told one by one, and the first comes again while the last is told. */
static void what_comes_while_others_are_told_is_not_lost(void)
{
	struct floe_notifier *n = notifier(NOTIFIER(.ids = 1000));
	struct floe_listener *l = listener(NULL);

	notify(n, 64, 1);
	notify(n, 70, 1);
	expect_next(l, FLOE_EVENT_NOTIFIED, 64, 1);
	notify(n, 64, 1);
	expect_next(l, FLOE_EVENT_NOTIFIED, 70, 1);
	expect_next(l, FLOE_EVENT_NOTIFIED, 64, 1);
	notify(n, 999, 1);
	expect_next(l, FLOE_EVENT_NOTIFIED, 999, 1);
	expect_none(l);
	floe_listener_close(l);
	floe_notifier_close(n);
}

#define IDS 200

static void notify_at_random(int wire, void *argument)
{
	struct floe_notifier *n = notifier(NOTIFIER(.ids = IDS));
	uint64_t state = (uint64_t)(uintptr_t)argument;
	uint64_t sent[IDS] = {0};

	hear(wire);
	for (int i = 0; i < 200000; i++) {
		uint32_t id = (uint32_t)(random_next(&state) % IDS);

		sent[id] += floe_notify(n, id) >= 0;
	}
	for (int i = 0; i < IDS; i++)
		tell(wire, sent[i]);
	hear(wire);
	floe_notifier_close(n);
}

static void hundreds_of_thousands_from_two_notifiers_add_up(void)
{
	struct floe_listener *l = listener(NULL);
	struct peer peers[2];
	uint64_t told[IDS] = {0};
	unsigned left = 0;

	for (unsigned i = 0; i < 2; i++)
		peers[i] = peer_start(notify_at_random, (void *)(uintptr_t)(i + 7));
	for (unsigned i = 0; i < 2; i++)
		tell(peers[i].wire, 1);
	/* While they notify, and until both have left. */
	for (int asked = 0; left < 2;) {
		struct floe_event event;

		expect_equal(floe_listener_wait(l, now_ns() + 60 * SECONDS), 1);
		expect_equal(floe_listener_take(l, &event), 1);
		if (event.kind == FLOE_EVENT_NOTIFIED)
			told[event.id] += event.count;
		if (event.kind == FLOE_EVENT_DROPPED)
			left += (unsigned)event.count;
		if (!asked++)
			for (unsigned i = 0; i < 2; i++)
				tell(peers[i].wire, 1);
	}
	for (unsigned i = 0; i < 2; i++) {
		for (int id = 0; id < IDS; id++)
			told[id] -= hear(peers[i].wire);
		peer_end(&peers[i]);
	}
	for (int id = 0; id < IDS; id++)
		expect_equal(told[id], 0);
	floe_listener_close(l);
}

/*
 * Coming, leaving, dying
 */

static void a_notifier_that_comes_and_leaves_is_told(void)
{
	struct floe_listener *l = listener(NULL);
	struct floe_notifier *n = notifier(NULL);

	notify(n, 1, 2);
	floe_notifier_close(n);
	expect_next(l, FLOE_EVENT_CREATED, 0, 1);
	expect_next(l, FLOE_EVENT_NOTIFIED, 1, 2);
	expect_next(l, FLOE_EVENT_DROPPED, 0, 1);
	expect_none(l);
	floe_listener_close(l);
	expect_folder_empty();
}

static void one_that_was_there_before_is_no_news(void)
{
	struct floe_notifier *n = notifier(NULL);
	struct floe_listener *l;

	notify(n, 1, 2);
	l = listener(NULL);
	expect_none(l);
	notify(n, 1, 1);
	expect_next(l, FLOE_EVENT_NOTIFIED, 1, 1);
	floe_listener_close(l);
	floe_notifier_close(n);
}

static void a_place_is_taken_over_with_its_counters(void)
{
	struct floe_listener *l = listener(NULL);

	for (int i = 0; i < 3; i++) {
		struct floe_notifier *n = notifier(NULL);

		notify(n, 9, 1);
		floe_notifier_close(n);
	}
	expect_equal(folder_count_files(), 3); /* node, topic, one notifier's */
	expect_next(l, FLOE_EVENT_CREATED, 0, 3);
	expect_next(l, FLOE_EVENT_NOTIFIED, 9, 3);
	expect_next(l, FLOE_EVENT_DROPPED, 0, 3);
	expect_none(l);
	floe_listener_close(l);
}

static void notify_and_wait(int wire, void *argument)
{
	struct floe_notifier *n = notifier(argument);

	notify(n, 5, 7);
	tell(wire, 1);
	hear(wire);
}

static void a_death_is_told_after_all_that_was_notified(void)
{
	struct peer peer = peer_start(notify_and_wait, NULL);
	struct floe_listener *l;

	hear(peer.wire);
	l = listener(LISTENER(.spin_ns = 1));
	expect_equal(floe_listener_wait(l, now_ns() + 10 * MILLISECONDS), 0);
	peer_kill(&peer);
	expect_equal(floe_listener_wait(l, now_ns() + 60 * SECONDS), 1);
	expect_next(l, FLOE_EVENT_DIED, 0, 1);
	expect_none(l);

	peer = peer_start(notify_and_wait, NULL);
	hear(peer.wire);
	peer_kill(&peer);
	expect_equal(floe_listener_wait(l, now_ns() + 60 * SECONDS), 1);
	expect_next(l, FLOE_EVENT_CREATED, 0, 1);
	expect_next(l, FLOE_EVENT_NOTIFIED, 5, 7);
	expect_equal(floe_listener_wait(l, now_ns() + 60 * SECONDS), 1);
	expect_next(l, FLOE_EVENT_DIED, 0, 1);
	floe_listener_close(l);
	expect_folder_empty();
}

/* It died after it had counted and before the sums said so. The count of id 5 is written as it would
 * have been: behind a head of 256 bytes and one sum. */
static void a_notification_without_its_sum_is_told_with_the_death(void)
{
	static struct folder after;
	uint64_t count = 8;
	struct floe_notifier *n;
	struct floe_listener *l;
	struct peer peer;

	peer = peer_start(notify_and_wait, NULL);
	hear(peer.wire);
	folder_list(&after);
	l = listener(LISTENER(.spin_ns = 1));
	peer_kill(&peer);
	for (size_t i = 0; i < after.count; i++)
		if (strstr(after.entry[i].path, "event.0"))
			file_write(after.entry[i].path, 256 + 8 + 5 * 8, &count, sizeof(count));
	expect_equal(floe_listener_wait(l, now_ns() + 60 * SECONDS), 1);
	expect_next(l, FLOE_EVENT_NOTIFIED, 5, 1);
	expect_equal(floe_listener_wait(l, now_ns() + 60 * SECONDS), 1);
	expect_next(l, FLOE_EVENT_DIED, 0, 1);
	/* And the sums are right for who takes its place. */
	n = notifier(NULL);
	notify(n, 5, 1);
	expect_next(l, FLOE_EVENT_CREATED, 0, 1);
	expect_next(l, FLOE_EVENT_NOTIFIED, 5, 1);
	expect_none(l);
	floe_listener_close(l);
	floe_notifier_close(n);
}

static void a_death_makes_the_descriptor_readable(void)
{
	struct peer peer = peer_start(notify_and_wait, NULL);
	struct floe_event event = {0};
	struct floe_listener *l;
	int64_t end = now_ns() + 60 * SECONDS;
	int fd;

	hear(peer.wire);
	l = listener(NULL);
	fd = floe_listener_fd(l);
	expect(fd >= 0 && !is_readable(fd));
	peer_kill(&peer);
	while (floe_listener_take(l, &event) == 0 && now_ns() < end)
		expect_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 60000), 1);
	expect_equal(event.kind, FLOE_EVENT_DIED);
	floe_listener_close(l);
}

static void listen_and_sleep(int wire, void *argument)
{
	struct floe_listener *l = listener(LISTENER(.spin_ns = 1));

	(void)argument;
	tell(wire, 1);
	expect_equal(floe_listener_wait(l, FOREVER), 1);
	expect_next(l, FLOE_EVENT_CREATED, 0, 1);
	tell(wire, 2);
	(void)floe_listener_wait(l, FOREVER);
}

static void the_death_of_a_listener_costs_nothing(void)
{
	struct peer peer = peer_start(listen_and_sleep, NULL);
	struct floe_notifier *n;

	hear(peer.wire);
	n = notifier(NULL);
	hear(peer.wire);
	until_asleep(peer.pid);
	peer_kill(&peer);
	/* What it left is one announcement at most: two looks into an empty queue. */
	notify(n, 0, 10);
	expect_equal(floe_notify(n, 0), 0);
	floe_notifier_close(n);
	notify(n = notifier(NULL), 0, 1);
	floe_notifier_close(n);
	expect_folder_empty();
}

static void all_places_can_be_taken_and_used_again(void)
{
	struct floe_listener *l = listener(NULL);
	struct floe_notifier *n[FLOE_NOTIFIERS_MAX];
	struct floe_notifier *more = NULL;
	struct floe_error error = {{0}};
	struct floe_event event;
	unsigned created = 0;

	for (int i = 0; i < FLOE_NOTIFIERS_MAX; i++)
		n[i] = notifier(NOTIFIER(.ids = 1));
	expect_equal(floe_notifier_open(&more, "event", NOTIFIER(.error = &error)), -EMFILE);
	expect(strstr(error.text, "64 notifiers"));
	for (int i = 0; i < FLOE_NOTIFIERS_MAX; i++)
		expect(floe_notify(n[i], 0) >= 0);
	while (floe_listener_take(l, &event) == 1)
		created += event.kind == FLOE_EVENT_CREATED;
	expect_equal(created, FLOE_NOTIFIERS_MAX);
	/* A sleeper waits for all of them. */
	expect_equal(floe_listener_wait(l, now_ns() + 2 * MILLISECONDS), 0);
	expect(floe_listener_fd(l) >= 0);
	for (int i = 0; i < FLOE_NOTIFIERS_MAX; i++)
		floe_notifier_close(n[i]);
	/* Another number of ids: no place fits, so the old ones go. */
	more = notifier(NOTIFIER(.ids = 2));
	floe_notifier_close(more);
	floe_listener_close(l);
	expect_folder_empty();
}

/*
 * Waiting
 */

static int count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	expect(folder != NULL);
	while (readdir(folder))
		count++;
	expect_equal(closedir(folder), 0);
	return count;
}

/* However many there are, and whatever they have told each other: one is the process's in its domain. */
static void notifiers_and_listeners_take_no_descriptors(void)
{
	struct floe_notifier *n[FLOE_NOTIFIERS_MAX];
	struct floe_listener *l[100];
	struct floe_event event;
	int before = count_descriptors();

	for (size_t i = 0; i < COUNT(l); i++)
		l[i] = listener(NULL);
	for (size_t i = 0; i < COUNT(n); i++)
		n[i] = notifier(NOTIFIER(.ids = 1));
	for (size_t i = 0; i < COUNT(n); i++)
		notify(n[i], 0, 1);
	for (size_t i = 0; i < COUNT(l); i++) {
		unsigned told = 0;

		expect_equal(floe_listener_wait(l[i], now_ns() + SECONDS), 1);
		while (floe_listener_take(l[i], &event) == 1)
			told += event.kind == FLOE_EVENT_NOTIFIED;
		expect_equal(told, FLOE_NOTIFIERS_MAX);
	}
	expect(count_descriptors() <= before + 1);
	for (size_t i = 0; i < COUNT(n); i++)
		floe_notifier_close(n[i]);
	for (size_t i = 0; i < COUNT(l); i++)
		floe_listener_close(l[i]);
	expect_folder_empty();
}

static uint64_t count_bytes(void)
{
	static struct folder folder;
	uint64_t bytes = 0;

	folder_list(&folder);
	for (size_t i = 0; i < folder.count; i++)
		bytes += folder.entry[i].size;
	return bytes;
}

/* No queue fills for one that never looks, nobody waits for it, and in the end it is told all. */
static void a_listener_that_never_looks_costs_nothing(void)
{
	struct floe_listener *l = listener(NULL);
	struct floe_notifier *n = notifier(NULL);
	uint64_t before = count_bytes();
	struct floe_event event;

	for (int i = 0; i < 100000; i++)
		expect_equal(floe_notify(n, 3), 0);
	expect_equal(count_bytes(), before);
	expect_equal(floe_listener_take(l, &event), 1);
	expect_equal(event.kind, FLOE_EVENT_CREATED);
	expect_next(l, FLOE_EVENT_NOTIFIED, 3, 100000);
	floe_notifier_close(n);
	floe_listener_close(l);
}

static void wait_ends_at_the_deadline_and_not_before(void)
{
	struct floe_listener *l = listener(NULL);
	struct floe_notifier *n = NULL;

	for (int round = 0; round < 2; round++) {
		int64_t deadline = now_ns() + 20 * MILLISECONDS;

		expect_equal(floe_listener_wait(l, deadline), 0);
		expect(now_ns() >= deadline);
		expect_equal(floe_listener_wait(l, 0), 0);
		if (!n) {
			n = notifier(NULL);
			expect_equal(floe_listener_wait(l, FOREVER), 1);
			expect_next(l, FLOE_EVENT_CREATED, 0, 1);
		}
	}
	notify(n, 0, 1);
	expect_equal(floe_listener_wait(l, FOREVER), 1);
	expect_equal(floe_listener_wait(l, 0), 1);
	expect_next(l, FLOE_EVENT_NOTIFIED, 0, 1);
	floe_notifier_close(n);
	floe_listener_close(l);
}

static struct floe_listener *other_listener(const char *name, uint64_t spin_ns)
{
	struct floe_listener *l = NULL;

	expect_equal(floe_listener_open(&l, name, LISTENER(.spin_ns = spin_ns)), 0);
	return l;
}

/* Waits for one notification, by the descriptor or not. */
static void await(struct floe_listener *l, bool by_fd)
{
	struct floe_event event = {0};

	while (event.kind != FLOE_EVENT_NOTIFIED) {
		int r = floe_listener_take(l, &event);

		expect(r >= 0);
		if (r == 1)
			continue;
		event.kind = 0;
		if (by_fd)
			expect_equal(
				poll(&(struct pollfd){.fd = floe_listener_fd(l), .events = POLLIN},
				     1, 60000),
				1);
		else
			expect_equal(floe_listener_wait(l, now_ns() + 60 * SECONDS), 1);
	}
	expect_equal(event.count, 1);
}

static void answer(int wire, void *argument)
{
	bool by_fd = *(const bool *)argument;
	struct floe_listener *l = other_listener("there", 1);
	struct floe_notifier *n = NULL;

	expect_equal(floe_notifier_open(&n, "back", NULL), 0);
	tell(wire, 1);
	for (int i = 0; i < ALTERNATIONS; i++) {
		await(l, by_fd);
		notify(n, 0, 1);
	}
	hear(wire);
	floe_notifier_close(n);
	floe_listener_close(l);
}

static void alternate(bool by_fd)
{
	struct floe_listener *l = other_listener("back", 1);
	struct peer peer = peer_start(answer, &by_fd);
	struct floe_notifier *n = NULL;

	hear(peer.wire);
	expect_equal(floe_notifier_open(&n, "there", NULL), 0);
	for (int i = 0; i < ALTERNATIONS; i++) {
		notify(n, 0, 1);
		await(l, by_fd);
	}
	tell(peer.wire, 1);
	peer_end(&peer);
	floe_notifier_close(n);
	floe_listener_close(l);
}

static void no_wake_is_lost_in_thousands_of_turns(void)
{
	alternate(false);
}

static void no_wake_is_lost_by_the_descriptor(void)
{
	alternate(true);
}

static void the_descriptor_is_readable_while_there_is_something(void)
{
	struct floe_notifier *n = notifier(NULL);
	struct floe_listener *l = listener(NULL);
	int fd = floe_listener_fd(l);

	expect(fd >= 0);
	expect_equal(floe_listener_fd(l), fd);
	expect(!is_readable(fd));
	notify(n, 1, 1);
	expect(is_readable(fd));
	expect_next(l, FLOE_EVENT_NOTIFIED, 1, 1);
	expect_none(l);
	expect(!is_readable(fd));
	floe_notifier_close(n);
	expect(is_readable(fd));
	expect_next(l, FLOE_EVENT_DROPPED, 0, 1);
	expect_none(l);
	expect(!is_readable(fd));
	floe_listener_close(l);
}

/*
 * Deadlines
 */

static void a_broken_promise_is_told_with_its_periods(void)
{
	struct floe_notifier *n = notifier(NOTIFIER(.deadline_ns = 20 * MILLISECONDS));
	struct floe_listener *l = listener(NULL);
	struct floe_event event;
	int fd = floe_listener_fd(l);

	expect_equal(floe_listener_wait(l, now_ns() + 60 * SECONDS), 1);
	expect_equal(floe_listener_take(l, &event), 1);
	expect_equal(event.kind, FLOE_EVENT_MISSED);
	expect_equal(event.notifier, 0);
	expect(event.count >= 1);
	/* By the descriptor as well, without anybody's doing. */
	while (floe_listener_take(l, &event) == 1)
		;
	expect_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 60000), 1);
	expect_equal(floe_listener_take(l, &event), 1);
	expect_equal(event.kind, FLOE_EVENT_MISSED);
	floe_notifier_close(n);
	while (floe_listener_take(l, &event) == 1)
		;
	/* Who has left promises nothing. */
	expect_equal(floe_listener_wait(l, now_ns() + 50 * MILLISECONDS), 0);
	floe_listener_close(l);
}

static void a_promise_that_is_kept_is_no_news(void)
{
	struct floe_notifier *n = notifier(NOTIFIER(.deadline_ns = 1000 * SECONDS));
	struct floe_listener *l = listener(NULL);

	notify(n, 0, 1);
	expect_next(l, FLOE_EVENT_NOTIFIED, 0, 1);
	expect_equal(floe_listener_wait(l, now_ns() + 5 * MILLISECONDS), 0);
	floe_listener_close(l);
	floe_notifier_close(n);
}

static void an_expected_id_that_is_silent_is_told(void)
{
	struct floe_listener *l = listener(NULL);
	struct floe_event event;

	expect_equal(floe_listener_expect(l, 7, 10 * MILLISECONDS), 0);
	expect_equal(floe_listener_wait(l, now_ns() + 60 * SECONDS), 1);
	expect_equal(floe_listener_take(l, &event), 1);
	expect_equal(event.kind, FLOE_EVENT_MISSED);
	expect_equal(event.id, 7);
	expect_equal(event.notifier, -1);
	expect_equal(floe_listener_expect(l, 7, 1000 * SECONDS), 0);
	expect_none(l);
	expect_equal(floe_listener_expect(l, 7, 0), 0);
	expect_equal(floe_listener_expect(l, 8, 0), 0);
	for (uint32_t i = 0; i < FLOE_EXPECTATIONS_MAX; i++)
		expect_equal(floe_listener_expect(l, i, SECONDS), 0);
	expect_equal(floe_listener_expect(l, 100, SECONDS), -ENOBUFS);
	floe_listener_close(l);
}

/*
 * Rules
 */

static void bad_arguments_are_refused(void)
{
	struct floe_notifier *n = notifier(NULL);
	struct floe_listener *l = listener(NULL);
	struct floe_notifier *no_notifier = (struct floe_notifier *)(void *)l;
	struct floe_listener *no_listener = (struct floe_listener *)(void *)n;
	struct floe_event event;

	expect_equal(floe_notifier_open(NULL, "event", NULL), -EINVAL);
	expect_equal(floe_notifier_open(&n, NULL, NULL), -EINVAL);
	expect_equal(floe_notifier_open(&n, "a/b", NULL), -EINVAL);
	expect_equal(floe_notifier_open(&n, "event", NOTIFIER(.ids = FLOE_EVENT_IDS_MAX + 1)),
		     -EINVAL);
	expect_equal(floe_notifier_open(&n, "event", NOTIFIER(.flags = 1)), -EINVAL);
	expect_equal(floe_notifier_open(&n, "event", NOTIFIER(.deadline_ns = -1)), -EINVAL);
	expect_equal(floe_listener_open(NULL, "event", NULL), -EINVAL);
	expect_equal(floe_listener_open(&l, "", NULL), -EINVAL);
	expect_equal(floe_listener_open(&l, "event", LISTENER(.flags = 1)), -EINVAL);
	expect_equal(floe_notify(NULL, 0), -EINVAL);
	expect_equal(floe_notify(no_notifier, 0), -EINVAL);
	expect_equal(floe_listener_take(NULL, &event), -EINVAL);
	expect_equal(floe_listener_take(no_listener, &event), -EINVAL);
	expect_equal(floe_listener_take(l, NULL), -EINVAL);
	expect_equal(floe_listener_wait(NULL, 0), -EINVAL);
	expect_equal(floe_listener_fd(no_listener), -EINVAL);
	expect_equal(floe_listener_expect(l, FLOE_EVENT_IDS_MAX, 1), -EINVAL);
	expect_equal(floe_listener_expect(l, 0, -1), -EINVAL);
	expect_equal(floe_notifier_memory_size(NOTIFIER(.ids = FLOE_EVENT_IDS_MAX + 1)), -EINVAL);
	floe_notifier_close(NULL);
	floe_notifier_close(no_notifier);
	floe_listener_close(no_listener);
	floe_listener_close(l);
	floe_notifier_close(n);
	expect_equal(floe_notify(n, 0), -EINVAL);
	expect_equal(floe_listener_take(l, &event), -EINVAL);
	floe_listener_close(l);
	floe_notifier_close(n);
}

static void the_file_is_as_large_as_was_said(void)
{
	static const size_t ids[] = {1, 64, 65, FLOE_EVENT_IDS_MAX};

	for (size_t i = 0; i < COUNT(ids); i++) {
		static struct folder before, after;
		struct floe_listener *l = listener(NULL);
		struct floe_notifier *n;
		struct stat seen;

		folder_list(&before);
		n = notifier(NOTIFIER(.ids = ids[i], .mode = 0644));
		folder_list(&after);
		expect_equal(stat(folder_new_file(&before, &after), &seen), 0);
		expect_equal(seen.st_size, floe_notifier_memory_size(NOTIFIER(.ids = ids[i])));
		expect_equal(seen.st_mode & 07777, 0644);
		floe_notifier_close(n);
		floe_listener_close(l);
	}
}

static void a_child_has_no_handles(void)
{
	struct floe_notifier *n = notifier(NULL);
	struct floe_listener *l = listener(NULL);
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		struct floe_event event;

		_exit(floe_notify(n, 0) == -EINVAL && floe_listener_take(l, &event) == -EINVAL &&
				      floe_listener_fd(l) == -EINVAL
			      ? 0
			      : 1);
	}
	expect_equal(waitpid(child, &status, 0), child);
	expect_equal(status, 0);
	notify(n, 0, 1);
	expect_next(l, FLOE_EVENT_NOTIFIED, 0, 1);
	floe_listener_close(l);
	floe_notifier_close(n);
}

/* A notifier's file with other bytes in it, at places that are drawn: the listener's calls return, say
 * what they say, and the next notifier is heard. */
static void a_notifier_that_writes_nonsense_harms_nobody(void)
{
	uint64_t state = random_seed();

	for (int round = 0; round < 200; round++) {
		static struct folder before, after;
		struct floe_listener *l;
		struct floe_notifier *n;
		struct floe_event event;
		const char *path;

		folder_list(&before);
		n = notifier(NOTIFIER(.ids = 100, .deadline_ns = 1));
		folder_list(&after);
		path = folder_new_file(&before, &after);
		l = round % 2 ? listener(NULL) : NULL;
		for (int i = 0; i < 20; i++) {
			uint64_t word = random_next(&state) >> (random_next(&state) % 64);
			uint64_t at = random_next(&state) % 140 * 8;

			/* Where it lives, it is not what is tested. */
			if (at + 8 <= (uint64_t)floe_notifier_memory_size(NOTIFIER(.ids = 100)))
				file_write(path, at, &word, 8);
		}
		if (!l && floe_listener_open(&l, "event", NULL) < 0)
			l = NULL;
		for (int i = 0; l && i < 300; i++)
			(void)floe_listener_take(l, &event);
		if (l)
			(void)floe_listener_wait(l, now_ns() + 1000);
		floe_listener_close(l);
		floe_notifier_close(n);
		folder_wipe();
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(each_id_is_told_with_its_count),
		TEST(what_comes_while_others_are_told_is_not_lost),
		TEST(hundreds_of_thousands_from_two_notifiers_add_up),
		TEST(a_notifier_that_comes_and_leaves_is_told),
		TEST(one_that_was_there_before_is_no_news),
		TEST(a_place_is_taken_over_with_its_counters),
		TEST(a_death_is_told_after_all_that_was_notified),
		TEST(a_notification_without_its_sum_is_told_with_the_death),
		TEST(a_death_makes_the_descriptor_readable),
		TEST(the_death_of_a_listener_costs_nothing),
		TEST(all_places_can_be_taken_and_used_again),
		TEST(notifiers_and_listeners_take_no_descriptors),
		TEST(a_listener_that_never_looks_costs_nothing),
		TEST(wait_ends_at_the_deadline_and_not_before),
		TEST(no_wake_is_lost_in_thousands_of_turns),
		TEST(no_wake_is_lost_by_the_descriptor),
		TEST(the_descriptor_is_readable_while_there_is_something),
		TEST(a_broken_promise_is_told_with_its_periods),
		TEST(a_promise_that_is_kept_is_no_news),
		TEST(an_expected_id_that_is_silent_is_told),
		TEST(bad_arguments_are_refused),
		TEST(the_file_is_as_large_as_was_said),
		TEST(a_child_has_no_handles),
		TEST(a_notifier_that_writes_nonsense_harms_nobody),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
