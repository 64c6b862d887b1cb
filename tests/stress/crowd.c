/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Threads of one process open, use and close everything there is at the same time, on topics of their own
 * and on one that all share. What they have in common is the process's: its node with its ports, its
 * domain, its omens, places, blocks and handles. ThreadSanitizer looks at these.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <floe/board.h>
#include <floe/event.h>
#include <floe/inspect.h>
#include <floe/service.h>
#include <floe/watch.h>

#include "api/folder.h"
#include "api/steps.h"
#include "stress/message.h"

#define THREADS 3
#define LIVES 20
#define NEWS_MAX 1000 /* that one who watches listens to */
#define SECONDS ((int64_t)1000000000)
#define KIB ((size_t)1024)

struct one {
	void (*live)(const struct one *one);
	const char *topic;
	uint64_t number; /* which thread */
	uint64_t life;
	unsigned lives;
};

/*
 * What a thread does in one life
 */

static void send(struct floe_publisher *pub, const struct one *one, size_t size)
{
	struct message message = {.writer = one->number, .number = one->life + 1};
	struct floe_loan loan;

	expect_equal(floe_loan(pub, size, &loan), 1);
	message_write(loan.data, size, &message);
	expect_equal(floe_publish(pub, &loan), 1);
}

/* Also those of others. Who comes and goes is no reason to get nothing. */
static void read_all(struct floe_subscriber *sub)
{
	struct floe_sample sample;
	int r;

	while ((r = floe_take(sub, &sample)) == 1) {
		(void)message_read(sample.data, sample.size);
		floe_release(sub, &sample);
	}
	expect_equal(r, 0);
}

static void publish_and_take(const struct one *one)
{
	struct floe_publisher *pub = publisher(one->topic,
					       PUBLISHER(.depth = 4, .payload_max = 200));
	struct floe_subscriber *sub = subscriber(one->topic, NULL);

	send(pub, one, 40);
	send(pub, one, 150);
	expect_equal(floe_wait(sub, now_ns() + 60 * SECONDS), 1);
	read_all(sub);
	floe_publisher_close(pub);
	read_all(sub);
	floe_subscriber_close(sub);
}

/* What was sent after the descriptor was there makes it readable. */
static void send_and_poll(const struct one *one)
{
	struct floe_subscriber *sub = subscriber(one->topic, NULL);
	struct floe_publisher *pub = publisher(one->topic,
					       PUBLISHER(.depth = 4, .payload_max = 200));
	struct pollfd entry = {.fd = floe_subscriber_fd(sub), .events = POLLIN};

	expect(entry.fd >= 0);
	send(pub, one, 40);
	expect_equal(poll(&entry, 1, 60000), 1);
	read_all(sub);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void raise_limits(const struct one *one)
{
	struct floe_subscriber *sub = subscriber(one->topic,
						 SUBSCRIBER(.holds_max = 1, .holds_ceiling = 8));
	struct floe_publisher *pub = publisher(
		one->topic,
		PUBLISHER(.depth = 4, .payload_max = 200, .loans_max = 1, .loans_ceiling = 9));
	struct floe_publisher *elastic = publisher(
		one->topic,
		PUBLISHER(.depth = 4, .payload_max = KIB, .flags = FLOE_ELASTIC, .loans_max = 1,
			  .quota = 64 * KIB, .quota_ceiling = 256 * KIB));

	expect_equal(floe_publisher_limit_loans(pub, 9), 0);
	expect_equal(floe_publisher_limit_memory(elastic, 256 * KIB), 0);
	expect_equal(floe_subscriber_limit_holds(sub, 8), 0);
	expect_equal(floe_subscriber_limit_depth(sub, 2), 0);
	send(elastic, one, 900);
	send(pub, one, 150);
	read_all(sub);
	floe_publisher_close(elastic);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

/* What it took it sends on where it lies, and what it sent is there when all others have left. */
static void relay(const struct one *one)
{
	char raw[64];
	struct floe_publisher *source, *out;
	struct floe_subscriber *in, *sub;
	struct floe_sample sample;

	(void)snprintf(raw, sizeof(raw), "raw.%u", (unsigned)one->number);
	source = publisher(raw, PUBLISHER(.depth = 4, .payload_max = 200));
	out = publisher(one->topic, PUBLISHER(.depth = 4, .payload_max = 200, .relays_max = 4));
	in = subscriber(raw, NULL);
	sub = subscriber(one->topic, NULL);
	send(source, one, 150);
	expect_equal(floe_take(in, &sample), 1);
	expect_equal(floe_republish(out, in, &sample), 1);
	floe_subscriber_close(in);
	floe_publisher_close(source);
	expect_equal(floe_take(sub, &sample), 1);
	expect_equal(message_read(sample.data, sample.size).writer, one->number);
	floe_release(sub, &sample);
	floe_subscriber_close(sub);
	floe_publisher_close(out);
}

/* One that is asked by whomever. A client that left needs no answer. */
static void serve(struct floe_server *server)
{
	struct floe_request request;
	struct floe_loan loan;
	int r;

	while ((r = floe_server_take(server, &request)) == 1) {
		r = floe_server_loan(server, &request, request.size, &loan);
		if (r == 1) {
			memcpy(loan.data, request.data, request.size);
			r = floe_server_send(server, &request, &loan, 0);
		}
		expect(r == 1 || r == -EPIPE);
		if (request.data)
			expect_equal(floe_server_end(server, &request, 0), 0);
	}
	expect_equal(r, 0);
}

/* Its own server may be the one that it asks; another one may leave. */
static void call(const struct one *one)
{
	struct floe_server *server = NULL;
	struct floe_client *client = NULL;
	struct floe_response response;
	struct floe_loan loan;

	expect_equal(floe_server_open(&server, one->topic, NULL), 0);
	expect_equal(floe_client_open(&client, one->topic, NULL), 0);
	expect_equal(floe_client_loan(client, 100, &loan), 1);
	memset(loan.data, (int)one->number, 100);
	expect_equal(floe_client_send(client, &loan, now_ns() + 60 * SECONDS, NULL), 1);
	while (floe_client_take(client, &response) == 0)
		serve(server);
	expect(response.status == 0 || response.status == -EPIPE);
	if (response.data)
		expect_equal(*(const unsigned char *)response.data, one->number);
	floe_client_release(client, &response);
	floe_client_close(client);
	floe_server_close(server);
}

static void write_and_read(const struct one *one)
{
	char name[16];
	struct floe_board_key key = {.name = name, .size = 64};
	struct floe_board_writer_options options = {
		.size = sizeof(options), .keys = &key, .keys_count = 1};
	struct floe_board_writer *writer = NULL;
	struct floe_board_reader *reader = NULL;
	unsigned char value[64];
	int found;

	(void)snprintf(name, sizeof(name), "key%u", (unsigned)one->number);
	expect_equal(floe_board_writer_open(&writer, one->topic, &options), 0);
	expect_equal(floe_board_reader_open(&reader, one->topic, NULL), 0);
	fill(value, sizeof(value), one->life);
	expect_equal(floe_board_write(writer, 0, value, sizeof(value), NULL), 0);
	memset(value, 0, sizeof(value));
	found = floe_board_find(reader, name, NULL, NULL);
	expect(found >= 0);
	expect_equal(floe_board_read(reader, found, value, sizeof(value), NULL), 1);
	expect(is_filled(value, sizeof(value), one->life));
	floe_board_writer_close(writer);
	floe_board_reader_close(reader);
}

static void notify(const struct one *one)
{
	struct floe_listener *listener = NULL;
	struct floe_notifier *notifier = NULL;
	struct floe_event event;
	int r;

	expect_equal(floe_listener_open(&listener, one->topic, NULL), 0);
	expect_equal(floe_notifier_open(&notifier, one->topic, NULL), 0);
	expect(floe_notify(notifier, (uint32_t)one->number) >= 0);
	do {
		expect_equal(floe_listener_wait(listener, now_ns() + 60 * SECONDS), 1);
		r = floe_listener_take(listener, &event);
		expect(r >= 0);
	} while (r == 0 || event.kind != FLOE_EVENT_NOTIFIED || event.id != one->number);
	floe_notifier_close(notifier);
	floe_listener_close(listener);
}

static void look(const struct one *one)
{
	struct floe_publisher_info publishers[4];
	struct floe_subscriber_info subscribers[4];
	struct floe_topic_info topics[4];
	struct floe_node_info nodes[2];
	struct floe_seat_info seats[2];
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	(void)floe_view_nodes(view, nodes, sizeof(nodes[0]), COUNT(nodes));
	(void)floe_view_topics(view, topics, sizeof(topics[0]), COUNT(topics));
	(void)floe_view_publishers(view, one->topic, publishers, sizeof(publishers[0]),
				   COUNT(publishers));
	(void)floe_view_subscribers(view, one->topic, subscribers, sizeof(subscribers[0]),
				    COUNT(subscribers));
	(void)floe_view_seats(view, one->topic, seats, sizeof(seats[0]), COUNT(seats));
	floe_view_close(view);
}

static void observe(const struct one *one)
{
	struct floe_observer *observer;
	struct floe_sample sample;
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	/* There may be no such topic just now. */
	if (floe_observer_open(&observer, view, one->topic, NULL) == 0) {
		while (floe_observer_next(observer, 0, &sample) == 1)
			continue;
		floe_observer_close(observer);
	}
	floe_view_close(view);
}

static void watch(const struct one *one)
{
	struct floe_watch *watch = NULL;
	struct floe_watch_event event;

	(void)one;
	expect_equal(floe_watch_open(&watch, NULL), 0);
	for (unsigned i = 0; i < NEWS_MAX; i++)
		if (floe_watch_next(watch, &event, sizeof(event)) != 1)
			break;
	floe_watch_close(watch);
}

static void clean(const struct one *one)
{
	struct floe_view *view;

	(void)one;
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect(floe_view_clean(view, 0, NULL, NULL) >= 0);
	floe_view_close(view);
}

/*
 * Handles that are none
 */

static atomic_bool enough;

static void *ask_without_a_handle(void *nothing)
{
	struct floe_sample sample = {0};

	while (!atomic_load(&enough)) {
		expect_equal(floe_take(NULL, &sample), -EINVAL);
		floe_release(NULL, &sample);
	}
	return nothing;
}

/* The range of handles comes with the first of them. */
static void who_has_no_handle_is_told_so_while_the_first_is_made(void)
{
	const struct one one = {.topic = "a"};
	pthread_t thread;

	expect_equal(pthread_create(&thread, NULL, ask_without_a_handle, NULL), 0);
	publish_and_take(&one);
	atomic_store(&enough, true);
	expect_equal(pthread_join(thread, NULL), 0);
	expect_folder_empty();
}

/*
 * Many of them
 */

static void (*const lives[])(const struct one *one) = {
	publish_and_take, send_and_poll, raise_limits, relay, call,  write_and_read,
	notify,           look,          observe,      watch, clean,
};

static void *live(void *argument)
{
	struct one *one = argument;

	for (one->life = 0; one->life < one->lives; one->life++)
		one->live(one);
	return NULL;
}

static void run(struct one *all, size_t count)
{
	pthread_t thread[COUNT(lives)];

	for (size_t i = 0; i < count; i++)
		expect_equal(pthread_create(&thread[i], NULL, live, &all[i]), 0);
	for (size_t i = 0; i < count; i++)
		expect_equal(pthread_join(thread[i], NULL), 0);
	expect_folder_empty();
}

/* On one topic, then each on its own. */
static void run_same(void (*same)(const struct one *one))
{
	static const char *const topics[THREADS] = {"a", "b", "c"};
	struct one all[THREADS];

	for (int apart = 0; apart <= 1; apart++) {
		for (size_t i = 0; i < THREADS; i++)
			all[i] = (struct one){same, topics[apart ? i : 0], i, 0, LIVES};
		run(all, THREADS);
	}
}

static void threads_that_publish_and_take_disturb_nobody(void)
{
	run_same(publish_and_take);
}

static void threads_that_poll_are_told(void)
{
	run_same(send_and_poll);
}

static void threads_that_raise_limits_disturb_nobody(void)
{
	run_same(raise_limits);
}

/* Each has a topic of its own: what comes there is what it sent. */
static void what_threads_relay_comes_whoever_closes(void)
{
	static const char *const topics[THREADS] = {"a", "b", "c"};
	struct one all[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		all[i] = (struct one){relay, topics[i], i, 0, 8 * LIVES};
	run(all, THREADS);
}

static void threads_that_call_each_other_disturb_nobody(void)
{
	run_same(call);
}

static void threads_that_write_boards_disturb_nobody(void)
{
	run_same(write_and_read);
}

static void threads_that_notify_disturb_nobody(void)
{
	run_same(notify);
}

static void threads_do_everything_at_once(void)
{
	struct one all[COUNT(lives)];

	for (size_t i = 0; i < COUNT(lives); i++)
		all[i] = (struct one){lives[i], lives[i] == relay ? "relayed" : "all", i, 0, LIVES};
	run(all, COUNT(lives));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(who_has_no_handle_is_told_so_while_the_first_is_made),
		TEST(threads_that_publish_and_take_disturb_nobody),
		TEST(threads_that_poll_are_told),
		TEST(threads_that_raise_limits_disturb_nobody),
		TEST(what_threads_relay_comes_whoever_closes),
		TEST(threads_that_call_each_other_disturb_nobody),
		TEST(threads_that_write_boards_disturb_nobody),
		TEST(threads_that_notify_disturb_nobody),
		TEST(threads_do_everything_at_once),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
