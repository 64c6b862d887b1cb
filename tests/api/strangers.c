/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Several users in one folder. What one of them leaves there that is not what it must be, or that
 * nobody else may open, is left out, and keeps nobody from joining.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <floe/board.h>
#include <floe/event.h>
#include <floe/inspect.h>

#include "folder.h"
#include "peer.h"
#include "steps.h"

#define CHUNK 1000
#define NOBODY 65534
#define TOPIC "a"

#define HUGE_SIZE ((off_t)1 << 62)

static struct folder files;

/*
 * Rubbish
 */

enum rubbish {
	EMPTY,
	NOISE,
	CLOSED,
	LEASED,
	HUGE_AND_EMPTY,
	FOLDER,
	PIPE,
	LINK_TO_ITSELF,
	LINK_TO_A_DEVICE,
	RUBBISH_COUNT
};

static void make_file(const char *path, enum rubbish kind)
{
	static unsigned char noise[8192];
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0666);

	expect(fd >= 0);
	fill(noise, sizeof(noise), 7);
	if (kind == NOISE || kind == CLOSED || kind == LEASED)
		expect_equal(write(fd, noise, sizeof(noise)), sizeof(noise));
	if (kind == CLOSED)
		expect_equal(fchmod(fd, 0), 0);
	if (kind == HUGE_AND_EMPTY)
		expect_equal(ftruncate(fd, HUGE_SIZE), 0);
	/* A lease goes with its descriptor. Its owner is told who opens the file, by SIGIO. */
	if (kind == LEASED) {
		(void)signal(SIGIO, SIG_IGN);
		expect_equal(fcntl(fd, F_SETLEASE, F_WRLCK), 0);
	} else {
		close(fd);
	}
}

static void leave(const char *path, enum rubbish kind)
{
	switch (kind) {
	case FOLDER:
		expect_equal(mkdir(path, 0777), 0);
		break;
	case PIPE:
		expect_equal(mkfifo(path, 0666), 0);
		break;
	case LINK_TO_ITSELF:
		expect_equal(symlink(path, path), 0);
		break;
	case LINK_TO_A_DEVICE:
		expect_equal(symlink("/dev/zero", path), 0);
		break;
	default:
		make_file(path, kind);
	}
}

struct litter {
	const char *path;
	enum rubbish kind;
	bool as_another;
};

static void litter(int wire, void *argument)
{
	const struct litter *wanted = argument;

	if (wanted->as_another) {
		expect_equal(setgid(NOBODY), 0);
		expect_equal(setuid(NOBODY), 0);
	}
	leave(wanted->path, wanted->kind);
	tell(wire, 1);
	(void)hear(wire);
}

/* In the folder of the topic that is there. */
static struct peer litter_topic(const char *name, enum rubbish kind, bool as_another)
{
	struct litter wanted = {.kind = kind, .as_another = as_another};
	char path[600] = "";
	struct peer peer;

	folder_list(&files);
	for (size_t i = 0; i < files.count; i++)
		if (strstr(files.entry[i].path, "/" TOPIC "/topic"))
			(void)snprintf(path, sizeof(path), "%.*s%s",
				       (int)(strlen(files.entry[i].path) - strlen("topic")),
				       files.entry[i].path, name);
	expect(path[0]);
	wanted.path = path;
	peer = peer_start(litter, &wanted);
	(void)hear(peer.wire);
	return peer;
}

/* As /tmp is. */
static void open_folder_to_all(void)
{
	if (geteuid() != 0)
		skip("only root can become another user");
	expect_equal(chmod(getenv("FLOE_DIR"), 01777), 0);
}

/*
 * Newcomers
 */

/* Opening works, says what was left out, and so does the first take, once. */
static struct floe_subscriber *join(const char *name)
{
	struct floe_error error = {""};
	struct floe_subscriber *sub;
	struct floe_sample sample;
	int r;

	expect_equal(floe_subscriber_open(&sub, TOPIC, SUBSCRIBER(.history = 1, .error = &error)),
		     0);
	expect(strstr(error.text, name));
	r = floe_take(sub, &sample);
	expect(r == -EPROTO || r == -EACCES);
	return sub;
}

static void join_beside(enum rubbish kind)
{
	struct floe_publisher *pub = publisher(TOPIC, NULL);
	struct floe_subscriber *sub;
	struct peer stranger;

	publish(pub, CHUNK, 1);
	stranger = litter_topic("pub.7", kind, true);
	sub = join("pub.7");
	receive(sub, CHUNK, 1);
	publish(pub, CHUNK, 2);
	receive(sub, CHUNK, 2);
	expect_nothing(sub);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	peer_kill(&stranger);
	folder_wipe();
}

static void what_another_user_left_keeps_no_subscriber_out(void)
{
	open_folder_to_all();
	for (int kind = 0; kind < RUBBISH_COUNT; kind++)
		join_beside((enum rubbish)kind);
}

/* The publisher comes later. */
static void not_even_when_there_is_nothing_else(void)
{
	open_folder_to_all();
	for (int kind = 0; kind < RUBBISH_COUNT; kind++) {
		struct floe_subscriber *first = subscriber(TOPIC, NULL);
		struct peer stranger = litter_topic("pub.0", (enum rubbish)kind, true);
		struct floe_subscriber *sub = join("pub.0");
		struct floe_publisher *pub = publisher(TOPIC, NULL);

		publish(pub, CHUNK, 1);
		receive(sub, CHUNK, 1);
		floe_publisher_close(pub);
		floe_subscriber_close(sub);
		floe_subscriber_close(first);
		peer_kill(&stranger);
		folder_wipe();
	}
}

static void publishers_come_and_go_beside_it(void)
{
	static const char *const names[] = {"pub.0", "sub.3"};

	open_folder_to_all();
	for (int i = 0; i < 2 * RUBBISH_COUNT; i++) {
		struct floe_subscriber *sub = subscriber(TOPIC, NULL);
		struct peer stranger = litter_topic(names[i % 2], (enum rubbish)(i / 2), true);

		for (uint64_t round = 0; round < 2; round++) {
			struct floe_publisher *pub = publisher(TOPIC, NULL);
			struct floe_sample sample;
			int r;

			publish(pub, CHUNK, 7 + round);
			r = floe_take(sub, &sample);
			if (i % 2 == 0 && round == 0)
				expect(r == -EPROTO || r == -EACCES);
			if (r < 0)
				r = floe_take(sub, &sample);
			expect_equal(r, 1);
			expect(is_filled(sample.data, CHUNK, 7 + round));
			floe_release(sub, &sample);
			floe_publisher_close(pub);
		}
		floe_subscriber_close(sub);
		peer_kill(&stranger);
		folder_wipe();
	}
}

/* One's own is left out as well, where there is something else to read. */
static void rubbish_of_this_user_is_left_out_beside_a_good_ring(void)
{
	struct floe_publisher *pub = publisher(TOPIC, NULL);
	struct floe_subscriber *sub;
	struct peer self;

	publish(pub, CHUNK, 1);
	self = litter_topic("pub.7", NOISE, false);
	sub = join("pub.7");
	receive(sub, CHUNK, 1);
	expect_nothing(sub);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	peer_kill(&self);
	folder_wipe();
}

/* But if it is all there is, the sentence says what to remove. */
static void rubbish_of_this_user_alone_is_an_error(void)
{
	struct floe_subscriber *sub = subscriber(TOPIC, NULL);
	struct peer self = litter_topic("pub.7", NOISE, false);

	expect_equal(try_subscriber(TOPIC, NULL, "pub.7"), -EPROTO);
	floe_subscriber_close(sub);
	peer_kill(&self);
	folder_wipe();
}

/*
 * Events and boards of another user
 */

/* What is not dumpable cannot give names to its files. */
static void become_another(void)
{
	expect_equal(setgid(NOBODY), 0);
	expect_equal(setuid(NOBODY), 0);
	expect_equal(prctl(PR_SET_DUMPABLE, 1), 0);
}

static uint64_t count_heard(struct floe_listener *listener, uint64_t *refused)
{
	struct floe_event event;
	uint64_t count = 0;
	int r;

	while ((r = floe_listener_take(listener, &event)) != 0) {
		expect(r == 1 || r == -EACCES);
		*refused += r == -EACCES;
		count += r == 1 && event.kind == FLOE_EVENT_NOTIFIED ? event.count : 0;
	}
	return count;
}

/* Says what it heard, and how often it was refused, at each question. */
static void listen_as_another(int wire, void *argument)
{
	struct floe_listener *listener = NULL;
	uint64_t refused = 0;

	(void)argument;
	become_another();
	(void)hear(wire);
	expect_equal(floe_listener_open(&listener, TOPIC, NULL), 0);
	tell(wire, 1);
	while (hear(wire)) {
		tell(wire, count_heard(listener, &refused));
		tell(wire, refused);
	}
	floe_listener_close(listener);
}

static struct floe_notifier *open_notifier(uint32_t mode)
{
	struct floe_notifier_options o = {.size = sizeof(o), .mode = mode};
	struct floe_notifier *notifier = NULL;

	expect_equal(floe_notifier_open(&notifier, TOPIC, &o), 0);
	return notifier;
}

static void expect_heard(const struct peer *other, uint64_t count, uint64_t refused)
{
	expect_equal(ask(other->wire, 1), count);
	expect_equal(hear(other->wire), refused);
}

static void each_notifier_that_may_not_be_heard_is_told_once(void)
{
	struct floe_notifier *closed, *open, *late;
	struct peer other;

	open_folder_to_all();
	other = peer_start(listen_as_another, NULL);
	closed = open_notifier(0600);
	open = open_notifier(0644);
	expect_equal(ask(other.wire, 1), 1);
	expect(floe_notify(closed, 1) >= 0);
	expect(floe_notify(open, 1) >= 0);
	expect(floe_notify(open, 2) >= 0);
	expect_equal(ask(other.wire, 1), 2);
	(void)hear(other.wire);
	late = open_notifier(0600);
	expect_heard(&other, 0, 2);
	expect(floe_notify(open, 1) >= 0);
	expect_heard(&other, 1, 2);
	tell(other.wire, 0);
	peer_end(&other);
	floe_notifier_close(late);
	floe_notifier_close(open);
	floe_notifier_close(closed);
}

static void read_as_another(int wire, void *argument)
{
	static const struct floe_board_key key = {"a", 8, NULL};
	struct floe_board_writer_options o = {.size = sizeof(o), .keys = &key, .keys_count = 1};
	struct floe_board_writer *writer = NULL;
	struct floe_board_reader *reader = NULL;
	uint64_t value = 0;
	int number;

	(void)argument;
	become_another();
	(void)hear(wire);
	expect_equal(floe_board_reader_open(&reader, TOPIC, NULL), 0);
	expect_equal(floe_board_find(reader, "closed", NULL, NULL), -EACCES);
	number = floe_board_find(reader, "a", NULL, NULL);
	expect(number >= 0);
	expect_equal(floe_board_read(reader, number, &value, sizeof(value), NULL), 1);
	expect_equal(value, 7);
	/* Its writer lives; and when it has left, another user has no part in what is its. */
	expect_equal(floe_board_writer_open(&writer, TOPIC, &o), -EEXIST);
	tell(wire, 1);
	(void)hear(wire);
	expect_equal(floe_board_writer_open(&writer, TOPIC, &o), 0);
	expect_equal(floe_board_write(writer, 0, &(uint64_t){9}, 8, &value), 0);
	expect_equal(value, 1);
	floe_board_writer_close(writer);
	floe_board_reader_close(reader);
	tell(wire, 1);
}

static struct floe_board_writer *open_writer(const char *name, uint32_t mode)
{
	struct floe_board_key key = {name, 8, NULL};
	struct floe_board_writer_options o = {
		.size = sizeof(o), .keys = &key, .keys_count = 1, .mode = mode};
	struct floe_board_writer *writer = NULL;

	expect_equal(floe_board_writer_open(&writer, TOPIC, &o), 0);
	expect_equal(floe_board_write(writer, 0, &(uint64_t){7}, 8, NULL), 0);
	return writer;
}

static void a_board_is_read_as_far_as_its_writers_let_others(void)
{
	struct floe_board_writer *closed, *open;
	struct peer other;

	open_folder_to_all();
	other = peer_start(read_as_another, NULL);
	closed = open_writer("closed", 0600);
	open = open_writer("a", 0644);
	expect_equal(ask(other.wire, 1), 1);
	floe_board_writer_close(open);
	expect_equal(ask(other.wire, 1), 1);
	peer_end(&other);
	floe_board_writer_close(closed);
}

/*
 * A folder that others may read, and not write
 */

static void look_on_as_another(int wire, void *argument)
{
	struct floe_observer_options all = {.size = sizeof(all), .history = 8};
	struct floe_observer *observer;
	struct floe_sample sample;
	struct floe_view *view;

	(void)argument;
	expect_equal(setgid(NOBODY), 0);
	expect_equal(setuid(NOBODY), 0);
	expect_equal(try_subscriber("t", NULL, NULL), -EACCES);
	expect_equal(try_publisher("t", NULL, NULL), -EACCES);
	expect_equal(try_publisher("of my own", NULL, NULL), -EACCES);
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_observer_open(&observer, view, "t", &all), 0);
	expect_equal(floe_observer_next(observer, 0, &sample), 1);
	expect(is_filled(sample.data, 3000, 7));
	expect_equal(floe_observer_next(observer, 0, &sample), 0);
	expect_equal(ask(wire, 1), 1);
	expect_equal(floe_observer_next(observer, 0, &sample), 1);
	expect(is_filled(sample.data, 8, 8));
	expect_equal(floe_view_clean(view, 0, NULL, NULL), 0);
	floe_observer_close(observer);
	floe_view_close(view);
}

static void who_may_only_read_looks_on_and_takes_no_part(void)
{
	struct floe_publisher *pub;
	struct peer other;

	if (geteuid() != 0)
		skip("becoming another user needs root");
	expect_equal(chmod(getenv("FLOE_DIR"), 0755), 0);
	pub = publisher("t", PUBLISHER(.mode = 0644));
	publish(pub, 3000, 7);
	other = peer_start(look_on_as_another, NULL);
	(void)hear(other.wire);
	publish(pub, 8, 8);
	tell(other.wire, 1);
	peer_end(&other);
	floe_publisher_close(pub);
}

/* Waiting by a descriptor, too, where no memory may be locked. */
static void wait_as_another(int wire, void *argument)
{
	static const struct rlimit none = {0, 0};
	struct pollfd entry = {.events = POLLIN};
	struct floe_subscriber *sub;
	struct floe_sample sample;
	int r;

	(void)argument;
	expect_equal(setrlimit(RLIMIT_MEMLOCK, &none), 0);
	expect_equal(setgid(NOBODY), 0);
	expect_equal(setuid(NOBODY), 0);
	sub = subscriber("t", NULL);
	entry.fd = floe_subscriber_fd(sub);
	expect(entry.fd >= 0);
	expect_nothing(sub);
	tell(wire, 1);
	/* A timer stands in, which looks for nothing now and then. */
	while ((r = floe_take(sub, &sample)) == 0)
		expect_equal(poll(&entry, 1, -1), 1);
	expect_equal(r, 1);
	expect(is_filled(sample.data, 8, 4));
	floe_release(sub, &sample);
	floe_subscriber_close(sub);
}

static void who_may_lock_no_memory_waits_by_a_descriptor(void)
{
	struct floe_publisher *pub;
	struct peer other;

	open_folder_to_all();
	other = peer_start(wait_as_another, NULL);
	expect_equal(hear(other.wire), 1);
	pub = publisher("t", PUBLISHER(.mode = 0644));
	publish(pub, 8, 4);
	peer_end(&other);
	floe_publisher_close(pub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(what_another_user_left_keeps_no_subscriber_out),
		TEST(not_even_when_there_is_nothing_else),
		TEST(publishers_come_and_go_beside_it),
		TEST(rubbish_of_this_user_is_left_out_beside_a_good_ring),
		TEST(rubbish_of_this_user_alone_is_an_error),
		TEST(each_notifier_that_may_not_be_heard_is_told_once),
		TEST(a_board_is_read_as_far_as_its_writers_let_others),
		TEST(who_may_only_read_looks_on_and_takes_no_part),
		TEST(who_may_lock_no_memory_waits_by_a_descriptor),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
