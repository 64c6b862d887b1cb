/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who watches a domain is told who is there, and then who comes, goes and dies, by a descriptor and
 * without looking in turn.
 */

#include <floe/watch.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <floe/board.h>
#include <floe/event.h>
#include <floe/inspect.h>
#include <floe/service.h>
#include <floe/waitset.h>

#include "asleep.h"
#include "folder.h"
#include "peer.h"
#include "steps.h"

#define CHUNK 1000
#define SECONDS ((int64_t)1000000000)
#define BIT(number) (1u << (number))

#define WATCH(...) \
	(&(struct floe_watch_options){.size = sizeof(struct floe_watch_options), __VA_ARGS__})

static struct floe_watch *watch(const struct floe_watch_options *options)
{
	struct floe_error error = {""};
	struct floe_watch_options o = *options;
	struct floe_watch *opened = NULL;
	int r;

	o.error = &error;
	r = floe_watch_open(&opened, &o);
	if (r < 0)
		printf("# watch: %s\n", error.text);
	expect_equal(r, 0);
	return opened;
}

static void expect_quiet(struct floe_watch *w)
{
	struct floe_watch_event event;

	expect_equal(floe_watch_next(w, &event, sizeof(event)), 0);
}

/* The next thing that is told, whenever it is. */
static struct floe_watch_event next(struct floe_watch *w)
{
	struct floe_watch_event event;
	int r;

	while ((r = floe_watch_next(w, &event, sizeof(event))) == 0)
		expect_equal(floe_watch_wait(w, now_ns() + 60 * SECONDS), 1);
	expect_equal(r, 1);
	return event;
}

static struct floe_watch_event expect_told(struct floe_watch *w, uint32_t what, uint32_t kind,
					   const char *topic)
{
	struct floe_watch_event event = next(w);

	if (event.what != what || event.kind != kind || strcmp(event.topic, topic) != 0)
		printf("# told: what %u, kind %u, state %u, topic '%s', process '%s'\n", event.what,
		       event.kind, event.state, event.topic, event.process);
	expect_equal(event.what, what);
	expect_equal(event.kind, kind);
	expect(strcmp(event.topic, topic) == 0);
	return event;
}

/*
 * Lists
 */

static void who_is_there_is_told_first(void)
{
	struct floe_publisher *pub = publisher(
		"camera", PUBLISHER(.type = &(struct floe_type){.name = "image"}));
	struct floe_watch *w = watch(WATCH(0));
	struct floe_watch_event event = expect_told(w, FLOE_WATCH_THERE, FLOE_KIND_NODE, "");

	expect_equal(event.pid, getpid());
	expect_equal(event.uid, getuid());
	expect(event.node != 0);
	event = expect_told(w, FLOE_WATCH_THERE, FLOE_KIND_TOPIC, "camera");
	expect_equal(event.state, FLOE_STATE_ALIVE);
	expect(strcmp(event.type, "image") == 0);
	event = expect_told(w, FLOE_WATCH_THERE, FLOE_KIND_PUBLISHER, "camera");
	expect_equal(event.pid, getpid());
	expect_equal(event.index, 0);
	expect(strcmp(event.type, "image") == 0);
	expect_quiet(w);
	floe_watch_close(w);
	floe_publisher_close(pub);
}

static void a_node_has_the_name_of_its_thread(void)
{
	struct floe_watch_event event;
	struct floe_publisher *pub;
	struct floe_watch *w;

	expect_equal(prctl(PR_SET_NAME, "captain"), 0);
	pub = publisher("t", NULL);
	w = watch(WATCH(.kinds = BIT(FLOE_KIND_NODE)));
	event = next(w);
	expect_equal(event.tid, getpid());
	expect(strcmp(event.thread, "captain") == 0);
	floe_watch_close(w);
	floe_publisher_close(pub);
}

static void who_comes_and_goes_is_told(void)
{
	struct floe_watch *w = watch(WATCH(.kinds = ~BIT(FLOE_KIND_NODE)));
	struct floe_publisher *pub;
	struct floe_subscriber *sub;

	expect_quiet(w);
	sub = subscriber("t", NULL);
	expect_told(w, FLOE_WATCH_CAME, FLOE_KIND_TOPIC, "t");
	expect_told(w, FLOE_WATCH_CAME, FLOE_KIND_SUBSCRIBER, "t");
	expect_quiet(w);
	pub = publisher("t", NULL);
	expect_told(w, FLOE_WATCH_CAME, FLOE_KIND_PUBLISHER, "t");
	expect_quiet(w);
	floe_subscriber_close(sub);
	expect_told(w, FLOE_WATCH_WENT, FLOE_KIND_SUBSCRIBER, "t");
	expect_quiet(w);
	floe_publisher_close(pub);
	expect_told(w, FLOE_WATCH_WENT, FLOE_KIND_TOPIC, "t");
	expect_told(w, FLOE_WATCH_WENT, FLOE_KIND_PUBLISHER, "t");
	expect_quiet(w);
	floe_watch_close(w);
	expect_folder_empty();
}

static void a_domain_may_come_and_go_and_come_again(void)
{
	struct floe_watch *w = watch(WATCH(.dir = NULL, .domain = "later"));

	for (int i = 0; i < 3; i++) {
		struct floe_publisher *pub = publisher("t", PUBLISHER(.domain = "later"));

		expect_told(w, FLOE_WATCH_CAME, FLOE_KIND_NODE, "");
		expect_told(w, FLOE_WATCH_CAME, FLOE_KIND_TOPIC, "t");
		expect_told(w, FLOE_WATCH_CAME, FLOE_KIND_PUBLISHER, "t");
		floe_publisher_close(pub);
		expect_told(w, FLOE_WATCH_WENT, FLOE_KIND_NODE, "");
		expect_told(w, FLOE_WATCH_WENT, FLOE_KIND_TOPIC, "t");
		expect_told(w, FLOE_WATCH_WENT, FLOE_KIND_PUBLISHER, "t");
		expect_quiet(w);
	}
	floe_watch_close(w);
}

static void folders_above_the_domain_may_be_missing(void)
{
	char dir[300];
	struct floe_publisher *pub;
	struct floe_watch *w;

	(void)snprintf(dir, sizeof(dir), "%s/deep", getenv("FLOE_DIR"));
	w = watch(WATCH(.dir = dir, .domain = "d"));
	expect_quiet(w);
	pub = publisher("t", PUBLISHER(.dir = dir, .domain = "d"));
	expect_told(w, FLOE_WATCH_CAME, FLOE_KIND_NODE, "");
	floe_publisher_close(pub);
	floe_watch_close(w);
}

static void events_and_boards_are_told(void)
{
	struct floe_watch *w = watch(WATCH(.kinds = ~BIT(FLOE_KIND_NODE)));
	struct floe_board_key key = {.name = "driver", .size = 8};
	struct floe_notifier *notifier = NULL;
	struct floe_board_writer *writer = NULL;
	struct floe_notifier_options o = {.size = sizeof(o)};
	struct floe_board_writer_options b = {.size = sizeof(b), .keys = &key, .keys_count = 1};

	expect_equal(floe_notifier_open(&notifier, "door", &o), 0);
	expect_told(w, FLOE_WATCH_CAME, FLOE_KIND_TOPIC, "door");
	expect_told(w, FLOE_WATCH_CAME, FLOE_KIND_NOTIFIER, "door");
	expect_equal(floe_board_writer_open(&writer, "car", &b), 0);
	expect_told(w, FLOE_WATCH_CAME, FLOE_KIND_TOPIC, "car");
	expect_told(w, FLOE_WATCH_CAME, FLOE_KIND_WRITER, "car");
	floe_notifier_close(notifier);
	floe_board_writer_close(writer);
	floe_watch_close(w);
}

/*
 * Deaths
 */

static void live(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("t", NULL);
	struct floe_subscriber *sub = subscriber("t", NULL);

	(void)argument;
	publish(pub, CHUNK, 1);
	tell(wire, 1);
	hear(wire);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void publish_only(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("t", NULL);

	(void)argument;
	publish(pub, CHUNK, 1);
	tell(wire, 1);
	hear(wire);
	floe_publisher_close(pub);
}

static void expect_clean(void)
{
	struct floe_view *v = NULL;

	expect_equal(floe_view_open(&v, NULL, NULL, NULL), 0);
	expect(floe_view_clean(v, 0, NULL, NULL) > 0);
	floe_view_close(v);
}

/* Nobody cleans up, and no file changes: that it is closed by the kernel says it. */
static void a_death_is_told_and_then_what_was_cleaned(void)
{
	struct peer peer = peer_start(live, NULL);
	pid_t pid = peer.pid;
	struct floe_watch_event event;
	struct floe_watch *w;

	hear(peer.wire);
	w = watch(WATCH(0));
	for (int i = 0; i < 4; i++)
		expect_equal(next(w).what, FLOE_WATCH_THERE);
	expect_quiet(w);
	peer_kill(&peer);
	event = expect_told(w, FLOE_WATCH_DIED, FLOE_KIND_NODE, "");
	expect_equal(event.state, FLOE_STATE_DEAD);
	expect_equal(event.pid, pid);
	event = expect_told(w, FLOE_WATCH_CHANGED, FLOE_KIND_TOPIC, "t");
	expect_equal(event.state, FLOE_STATE_DEAD);
	event = expect_told(w, FLOE_WATCH_DIED, FLOE_KIND_PUBLISHER, "t");
	expect_equal(event.pid, pid);
	expect_told(w, FLOE_WATCH_DIED, FLOE_KIND_SUBSCRIBER, "t");
	expect_clean();
	expect_told(w, FLOE_WATCH_WENT, FLOE_KIND_NODE, "");
	expect_told(w, FLOE_WATCH_WENT, FLOE_KIND_TOPIC, "t");
	expect_told(w, FLOE_WATCH_WENT, FLOE_KIND_PUBLISHER, "t");
	expect_told(w, FLOE_WATCH_WENT, FLOE_KIND_SUBSCRIBER, "t");
	expect_quiet(w);
	floe_watch_close(w);
}

/* As many deaths as descriptors would not do for. */
static void many_deaths_take_no_descriptors(void)
{
	enum {
		MANY = 20
	};
	struct peer peers[MANY];
	struct floe_watch *w;
	int fd;

	for (int i = 0; i < MANY; i++) {
		peers[i] = peer_start(live, NULL);
		hear(peers[i].wire);
	}
	fd = dup(STDIN_FILENO);
	(void)close(fd);
	w = watch(WATCH(.kinds = BIT(FLOE_KIND_NODE)));
	expect_equal(dup(STDIN_FILENO), fd + 4);
	(void)close(fd + 4);
	for (int i = 0; i < MANY; i++)
		expect_told(w, FLOE_WATCH_THERE, FLOE_KIND_NODE, "");
	for (int i = 0; i < MANY; i++)
		peer_kill(&peers[i]);
	for (int i = 0; i < MANY; i++)
		expect_told(w, FLOE_WATCH_DIED, FLOE_KIND_NODE, "");
	expect_quiet(w);
	floe_watch_close(w);
	expect_clean();
}

/* What was closed is looked at again for a while. */
static void settle(struct floe_watch *w)
{
	expect_quiet(w);
	while (floe_watch_wait(w, now_ns() + SECONDS / 4) == 1)
		expect_quiet(w);
}

static void a_ring_that_is_taken_over_has_another_publisher(void)
{
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct peer peer = peer_start(publish_only, NULL);
	pid_t pid = peer.pid;
	struct floe_watch_event event;
	struct floe_publisher *pub;
	struct floe_watch *w;

	hear(peer.wire);
	w = watch(WATCH(.kinds = BIT(FLOE_KIND_PUBLISHER)));
	event = expect_told(w, FLOE_WATCH_THERE, FLOE_KIND_PUBLISHER, "t");
	expect_equal(event.pid, pid);
	peer_kill(&peer);
	expect_told(w, FLOE_WATCH_DIED, FLOE_KIND_PUBLISHER, "t");
	settle(w);
	pub = publisher("t", NULL);
	event = expect_told(w, FLOE_WATCH_WENT, FLOE_KIND_PUBLISHER, "t");
	expect_equal(event.pid, pid);
	event = expect_told(w, FLOE_WATCH_CAME, FLOE_KIND_PUBLISHER, "t");
	expect_equal(event.pid, getpid());
	expect_quiet(w);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
	floe_watch_close(w);
}

static void a_ring_that_is_left_to_readers_is_closed_and_taken_up(void)
{
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct floe_publisher *pub = publisher("t", NULL);
	struct floe_watch *w = watch(WATCH(.kinds = BIT(FLOE_KIND_PUBLISHER)));
	struct floe_watch_event event;

	expect_told(w, FLOE_WATCH_THERE, FLOE_KIND_PUBLISHER, "t");
	publish(pub, CHUNK, 1);
	floe_publisher_close(pub);
	event = expect_told(w, FLOE_WATCH_CHANGED, FLOE_KIND_PUBLISHER, "t");
	expect_equal(event.state, FLOE_STATE_CLOSED);
	expect_equal(event.pid, getpid());
	settle(w);
	pub = publisher("t", NULL);
	expect_told(w, FLOE_WATCH_WENT, FLOE_KIND_PUBLISHER, "t");
	expect_told(w, FLOE_WATCH_CAME, FLOE_KIND_PUBLISHER, "t");
	floe_publisher_close(pub);
	expect_told(w, FLOE_WATCH_CHANGED, FLOE_KIND_PUBLISHER, "t");
	floe_subscriber_close(sub);
	expect_told(w, FLOE_WATCH_WENT, FLOE_KIND_PUBLISHER, "t");
	floe_watch_close(w);
}

/*
 * Filters
 */

static void only_what_is_asked_for_is_told(void)
{
	struct peer peer = peer_start(live, NULL);
	struct floe_watch *names, *kinds, *states, *others;
	struct floe_publisher *pub;

	hear(peer.wire);
	names = watch(WATCH(.topic = "cam*", .kinds = ~BIT(FLOE_KIND_NODE)));
	kinds = watch(WATCH(.kinds = BIT(FLOE_KIND_SUBSCRIBER)));
	states = watch(WATCH(.states = BIT(FLOE_STATE_DEAD), .kinds = BIT(FLOE_KIND_PUBLISHER)));
	others = watch(WATCH(.process = "nobody*", .kinds = ~BIT(FLOE_KIND_TOPIC)));
	pub = publisher("camera", NULL);
	expect_told(names, FLOE_WATCH_CAME, FLOE_KIND_TOPIC, "camera");
	expect_told(names, FLOE_WATCH_CAME, FLOE_KIND_PUBLISHER, "camera");
	expect_told(kinds, FLOE_WATCH_THERE, FLOE_KIND_SUBSCRIBER, "t");
	expect_quiet(states);
	peer_kill(&peer);
	expect_told(states, FLOE_WATCH_DIED, FLOE_KIND_PUBLISHER, "t");
	expect_told(kinds, FLOE_WATCH_DIED, FLOE_KIND_SUBSCRIBER, "t");
	expect_quiet(names);
	expect_quiet(kinds);
	expect_quiet(states);
	expect_quiet(others);
	floe_publisher_close(pub);
	floe_watch_close(names);
	floe_watch_close(kinds);
	floe_watch_close(states);
	floe_watch_close(others);
	expect_clean();
}

static void a_service_is_told_as_servers_and_clients(void)
{
	struct floe_watch *w = watch(WATCH(.kinds = ~BIT(FLOE_KIND_NODE)));
	struct floe_server_options so = {.size = sizeof(so)};
	struct floe_client_options co = {.size = sizeof(co)};
	struct floe_server *server = NULL;
	struct floe_client *client = NULL;
	struct floe_watch_event event;
	struct floe_watch *inside;

	expect_equal(floe_server_open(&server, "sum", &so), 0);
	expect_told(w, FLOE_WATCH_CAME, FLOE_KIND_SERVER, "sum");
	expect_quiet(w);
	expect_equal(floe_client_open(&client, "sum", &co), 0);
	expect_told(w, FLOE_WATCH_CAME, FLOE_KIND_CLIENT, "sum");
	expect_quiet(w);
	inside = watch(WATCH(.flags = FLOE_WATCH_INSIDE, .kinds = BIT(FLOE_KIND_TOPIC)));
	for (int i = 0; i < 3; i++) {
		event = next(inside);
		expect(strncmp(event.topic, "sum@", 4) == 0);
	}
	expect_quiet(inside);
	floe_server_close(server);
	event = next(w);
	expect_equal(event.kind, FLOE_KIND_SERVER);
	floe_client_close(client);
	floe_watch_close(w);
	floe_watch_close(inside);
}

/*
 * The descriptor
 */

static bool is_readable(struct floe_watch *w, int timeout_ms)
{
	struct pollfd fd = {.fd = floe_watch_fd(w), .events = POLLIN};

	return poll(&fd, 1, timeout_ms) == 1;
}

static void watch_until_told(int wire, void *argument)
{
	struct floe_watch *w = watch(WATCH(BIT(FLOE_KIND_PUBLISHER)));

	(void)argument;
	expect_quiet(w);
	tell(wire, 1);
	expect_equal(floe_watch_wait(w, -1), 1);
	tell(wire, next(w).kind);
	floe_watch_close(w);
}

/* It sleeps without a time, and what comes is what wakes it. */
static void who_waits_looks_at_nothing_meanwhile(void)
{
	struct peer peer = peer_start(watch_until_told, NULL);
	int64_t deadline_ns = now_ns() + 60 * SECONDS;
	struct floe_publisher *pub;

	expect_equal(hear(peer.wire), 1);
	while (!stays_asleep(peer.pid))
		expect(now_ns() < deadline_ns);
	pub = publisher("t", NULL);
	expect_equal(hear(peer.wire), FLOE_KIND_PUBLISHER);
	peer_end(&peer);
	floe_publisher_close(pub);
}

static void the_descriptor_is_readable_while_there_is_something(void)
{
	struct floe_publisher *pub = publisher("t", NULL);
	struct floe_watch *w = watch(WATCH(0));

	for (int i = 0; i < 3; i++) {
		expect(is_readable(w, 0));
		expect_equal(next(w).what, FLOE_WATCH_THERE);
	}
	expect_quiet(w);
	expect(!is_readable(w, 0));
	floe_publisher_close(pub);
	for (int i = 0; i < 3; i++) {
		expect(is_readable(w, 60000));
		expect_equal(next(w).what, FLOE_WATCH_WENT);
	}
	expect_quiet(w);
	floe_watch_close(w);
}

static void a_wait_set_waits_for_it(void)
{
	struct peer peer = peer_start(live, NULL);
	struct floe_waitset *set = NULL;
	struct floe_ready ready;
	struct floe_watch *w;
	int id;

	hear(peer.wire);
	w = watch(WATCH(.kinds = BIT(FLOE_KIND_NODE)));
	expect_told(w, FLOE_WATCH_THERE, FLOE_KIND_NODE, "");
	expect_quiet(w);
	expect_equal(floe_waitset_open(&set), 0);
	id = floe_waitset_add_fd(set, floe_watch_fd(w), POLLIN, NULL);
	expect(id >= 0);
	peer_kill(&peer);
	expect_equal(floe_waitset_wait(set, now_ns() + 60 * SECONDS, &ready, 1), 1);
	expect_equal(ready.id, (uint32_t)id);
	expect_told(w, FLOE_WATCH_DIED, FLOE_KIND_NODE, "");
	floe_waitset_close(set);
	floe_watch_close(w);
	expect_clean();
}

static void a_wait_ends_at_its_deadline(void)
{
	struct floe_watch *w = watch(WATCH(0));
	int64_t deadline_ns = now_ns() + SECONDS / 100;

	expect_equal(floe_watch_wait(w, deadline_ns), 0);
	expect(now_ns() >= deadline_ns);
	floe_watch_close(w);
}

static void wrong_arguments_are_refused(void)
{
	struct floe_watch *w = watch(WATCH(0));
	struct floe_watch_event event;
	struct floe_watch *none = NULL;

	expect_equal(floe_watch_open(NULL, NULL), -EINVAL);
	expect_equal(floe_watch_open(&none, WATCH(.flags = 8)), -EINVAL);
	expect_equal(floe_watch_next(w, NULL, sizeof(event)), -EINVAL);
	expect_equal(floe_watch_next(w, &event, 0), -EINVAL);
	expect_equal(floe_watch_next(NULL, &event, sizeof(event)), -EINVAL);
	expect_equal(floe_watch_fd(NULL), -EINVAL);
	floe_watch_close(w);
	expect_equal(floe_watch_wait(w, 0), -EINVAL);
	floe_watch_close(NULL);
}

/* An older program has a shorter struct. */
static void an_event_is_cut_to_its_size(void)
{
	struct floe_publisher *pub = publisher("t", NULL);
	struct floe_watch *w = watch(WATCH(.kinds = BIT(FLOE_KIND_TOPIC)));
	uint32_t words[3] = {0, 0, 77};

	expect_equal(floe_watch_next(w, (struct floe_watch_event *)(void *)words, 8), 1);
	expect_equal(words[0], FLOE_WATCH_THERE);
	expect_equal(words[1], FLOE_KIND_TOPIC);
	expect_equal(words[2], 77);
	floe_publisher_close(pub);
	floe_watch_close(w);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(who_is_there_is_told_first),
		TEST(a_node_has_the_name_of_its_thread),
		TEST(who_comes_and_goes_is_told),
		TEST(a_domain_may_come_and_go_and_come_again),
		TEST(folders_above_the_domain_may_be_missing),
		TEST(events_and_boards_are_told),
		TEST(a_death_is_told_and_then_what_was_cleaned),
		TEST(many_deaths_take_no_descriptors),
		TEST(a_ring_that_is_taken_over_has_another_publisher),
		TEST(a_ring_that_is_left_to_readers_is_closed_and_taken_up),
		TEST(only_what_is_asked_for_is_told),
		TEST(a_service_is_told_as_servers_and_clients),
		TEST(who_waits_looks_at_nothing_meanwhile),
		TEST(the_descriptor_is_readable_while_there_is_something),
		TEST(a_wait_set_waits_for_it),
		TEST(a_wait_ends_at_its_deadline),
		TEST(wrong_arguments_are_refused),
		TEST(an_event_is_cut_to_its_size),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
