/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What fork leaves in the child: handles of each kind, of which every call says that they are none, and
 * the way to open others. The parent does not notice.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <floe/board.h>
#include <floe/event.h>
#include <floe/inspect.h>
#include <floe/service.h>
#include <floe/waitset.h>
#include <floe/watch.h>

#include "folder.h"
#include "peer.h"
#include "steps.h"

#define SIZE 1000

/* Every call that takes a handle, of one process. */
struct all {
	struct floe_publisher *pub, *safe_pub;
	struct floe_subscriber *sub, *safe_sub;
	struct floe_shared_sample *shared;
	struct floe_client *client;
	struct floe_server *server;
	struct floe_notifier *notifier;
	struct floe_listener *listener;
	struct floe_board_writer *writer;
	struct floe_board_reader *reader;
	struct floe_waitset *waitset, *running;
	struct floe_watch *watch;
	struct floe_view *view;
	struct floe_observer *observer;
	struct floe_loan loan, question;
	struct floe_sample sample, seen;
	struct floe_request request;
};

/*
 * Refused
 */

static void refuse_publisher(struct floe_publisher *pub, const struct all *all)
{
	struct floe_publisher_counts counts;
	struct floe_loan loan = all->loan;
	struct floe_sample sample = all->sample;
	struct floe_loan other;

	expect_equal(floe_loan(pub, 8, &other), -EINVAL);
	expect_equal(floe_loan_traced(pub, 8, &other, "file", 1), -EINVAL);
	expect_equal(floe_loan_parts(pub, 8, &other, 1), -EINVAL);
	expect_equal(floe_publish(pub, &loan), -EINVAL);
	expect_equal(floe_publish_all(pub, &loan, 1), -EINVAL);
	expect_equal(floe_publish_parts(pub, &loan, 1), -EINVAL);
	expect(floe_loan_header(pub, &loan) == NULL);
	expect(loan.data == all->loan.data && loan.ticket == all->loan.ticket);
	floe_discard(pub, &loan);
	expect_equal(floe_publisher_wait(pub, -1), -EINVAL);
	expect_equal(floe_publisher_wait_for_room(pub, 1, -1), -EINVAL);
	expect_equal(floe_publisher_wait_for_subscribers(pub, 9, -1), -EINVAL);
	expect_equal(floe_publisher_limit_loans(pub, 1), -EINVAL);
	expect_equal(floe_publisher_limit_memory(pub, 1 << 20), -EINVAL);
	expect_equal(floe_publisher_loans(pub, NULL, sizeof(struct floe_loan_info), 0), -EINVAL);
	expect_equal(floe_publisher_count(pub, &counts, sizeof(counts)), -EINVAL);
	expect_equal(floe_republish(pub, all->sub, &sample), -EINVAL);
	floe_publisher_close(pub);
}

static void refuse_subscriber(struct floe_subscriber *sub, const struct all *all)
{
	struct floe_subscriber_counts counts;
	struct floe_shared_sample *shared;
	struct floe_sample sample = all->sample;
	const struct floe_word *words;
	struct floe_sample other;

	expect_equal(floe_take(sub, &other), -EINVAL);
	expect_equal(floe_take_all(sub, &other, 1), -EINVAL);
	expect_equal(floe_take_parts(sub, &other, 1), -EINVAL);
	expect_equal(floe_wait(sub, -1), -EINVAL);
	expect_equal(floe_subscriber_fd(sub), -EINVAL);
	expect_equal(floe_subscriber_words(sub, &words), -EINVAL);
	expect_equal(floe_subscriber_limit_holds(sub, 1), -EINVAL);
	expect_equal(floe_subscriber_limit_depth(sub, 1), -EINVAL);
	expect_equal(floe_subscriber_count(sub, &counts, sizeof(counts)), -EINVAL);
	expect(floe_sample_header(sub, &sample, NULL) == NULL);
	expect_equal(floe_sample_publisher(sub, &sample), -EINVAL);
	expect_equal(floe_sample_part(sub, &sample, NULL), -EINVAL);
	expect_equal(floe_sample_share(sub, &sample, &shared), -EINVAL);
	floe_release(sub, &sample);
	floe_subscriber_close(sub);
}

static void refuse_shared(struct floe_shared_sample *shared)
{
	expect(floe_shared_sample_get(shared) == NULL);
	expect(floe_shared_sample_header(shared, NULL) == NULL);
	expect(floe_shared_sample_ref(shared) == NULL);
	expect_equal(floe_shared_sample_unref(shared), -EINVAL);
}

static void refuse_client(struct floe_client *client, const struct all *all)
{
	struct floe_client_counts counts;
	struct floe_loan loan = all->question;
	struct floe_response response = {0};
	struct floe_loan other;
	size_t size;

	expect_equal(floe_client_loan(client, 8, &other), -EINVAL);
	expect(floe_client_loan_header(client, &loan) == NULL);
	expect_equal(floe_client_send(client, &loan, -1, NULL), -EINVAL);
	expect(loan.data == all->question.data);
	floe_client_discard(client, &loan);
	expect_equal(floe_client_take(client, &response), -EINVAL);
	expect(floe_client_response_header(client, &response, &size) == NULL);
	floe_client_release(client, &response);
	expect_equal(floe_client_cancel(client, 1), -EINVAL);
	expect_equal(floe_client_wait(client, -1), -EINVAL);
	expect_equal(floe_client_wait_for_server(client, -1), -EINVAL);
	expect_equal(floe_client_fd(client), -EINVAL);
	expect_equal(floe_client_count(client, &counts, sizeof(counts)), -EINVAL);
	floe_client_close(client);
}

static void refuse_server(struct floe_server *server, const struct all *all)
{
	struct floe_request request = all->request;
	struct floe_server_counts counts;
	struct floe_loan loan = {0};
	struct floe_request other;
	size_t size;

	expect_equal(floe_server_take(server, &other), -EINVAL);
	expect(floe_server_request_header(server, &request, &size) == NULL);
	expect_equal(floe_server_loan(server, &request, 8, &loan), -EINVAL);
	expect(floe_server_loan_header(server, &request, &loan) == NULL);
	expect_equal(floe_server_send(server, &request, &loan, 0), -EINVAL);
	floe_server_discard(server, &request, &loan);
	expect_equal(floe_server_is_wanted(server, &request), -EINVAL);
	expect_equal(floe_server_end(server, &request, 0), -EINVAL);
	expect_equal(floe_server_wait(server, -1), -EINVAL);
	expect_equal(floe_server_fd(server), -EINVAL);
	expect_equal(floe_server_count(server, &counts, sizeof(counts)), -EINVAL);
	floe_server_close(server);
}

static void refuse_event(struct floe_notifier *notifier, struct floe_listener *listener)
{
	struct floe_event event;

	expect_equal(floe_notify(notifier, 0), -EINVAL);
	floe_notifier_close(notifier);
	expect_equal(floe_listener_take(listener, &event), -EINVAL);
	expect_equal(floe_listener_wait(listener, -1), -EINVAL);
	expect_equal(floe_listener_fd(listener), -EINVAL);
	expect_equal(floe_listener_expect(listener, 0, 1000), -EINVAL);
	floe_listener_close(listener);
}

static void refuse_board(struct floe_board_writer *writer, struct floe_board_reader *reader)
{
	struct floe_board_key_info info;
	struct floe_board_value value = {0};
	uint64_t word = 0;
	void *place;

	expect_equal(floe_board_write(writer, 0, &word, 8, NULL), -EINVAL);
	expect_equal(floe_board_prepare(writer, 0, &place), -EINVAL);
	expect_equal(floe_board_commit(writer, 0, NULL), -EINVAL);
	floe_board_writer_close(writer);
	expect_equal(floe_board_find(reader, "key", NULL, NULL), -EINVAL);
	expect_equal(floe_board_look(reader, 0, &word), -EINVAL);
	expect_equal(floe_board_read(reader, 0, &word, 8, NULL), -EINVAL);
	expect_equal(floe_board_borrow(reader, 0, &value), -EINVAL);
	expect_equal(floe_board_kept(reader, 0, &value), -EINVAL);
	expect_equal(floe_board_list(reader, 0, &info, sizeof(info)), -EINVAL);
	floe_board_reader_close(reader);
}

static void refuse_waitset(struct floe_waitset *waitset, const struct all *all)
{
	struct floe_ready ready;

	expect_equal(floe_waitset_add_subscriber(waitset, all->sub, NULL), -EINVAL);
	expect_equal(floe_waitset_add_listener(waitset, all->listener, NULL), -EINVAL);
	expect_equal(floe_waitset_add_fd(waitset, 0, POLLIN, NULL), -EINVAL);
	expect_equal(floe_waitset_add_timer(waitset, 1, 1, NULL), -EINVAL);
	expect_equal(floe_waitset_add_signal(waitset, 10, NULL), -EINVAL);
	expect_equal(floe_waitset_remove(waitset, 0), -EINVAL);
	expect_equal(floe_waitset_wait(waitset, -1, &ready, 1), -EINVAL);
	expect_equal(floe_waitset_stop(waitset), -EINVAL);
	expect_equal(floe_waitset_fd(waitset), -EINVAL);
	expect_equal(floe_waitset_start(waitset), -EINVAL);
	expect_equal(floe_waitset_join(waitset), -EINVAL);
	floe_waitset_close(waitset);
}

static void refuse_watch(struct floe_watch *watch)
{
	struct floe_watch_event event;

	expect_equal(floe_watch_next(watch, &event, sizeof(event)), -EINVAL);
	expect_equal(floe_watch_wait(watch, -1), -EINVAL);
	expect_equal(floe_watch_fd(watch), -EINVAL);
	floe_watch_close(watch);
}

static void refuse_view(struct floe_view *view, const char *topic)
{
	struct floe_observer *observer;
	char text[8];

	expect(floe_view_path(view) == NULL);
	expect_equal(floe_view_nodes(view, NULL, 0, 0), -EINVAL);
	expect_equal(floe_view_topics(view, NULL, 0, 0), -EINVAL);
	expect_equal(floe_view_publishers(view, topic, NULL, 0, 0), -EINVAL);
	expect_equal(floe_view_subscribers(view, topic, NULL, 0, 0), -EINVAL);
	expect_equal(floe_view_seats(view, topic, NULL, 0, 0), -EINVAL);
	expect_equal(floe_view_loans(view, topic, 0, NULL, 0, 0), -EINVAL);
	expect_equal(floe_view_attributes(view, topic, 0, NULL, 0, 0), -EINVAL);
	expect_equal(floe_view_schema(view, topic, text, sizeof(text)), -EINVAL);
	expect_equal(floe_view_clean(view, 0, NULL, NULL), -EINVAL);
	expect_equal(floe_observer_open(&observer, view, topic, NULL), -EINVAL);
	floe_view_close(view);
}

static void refuse_observer(struct floe_observer *observer, const struct floe_sample *seen)
{
	struct floe_sample other;

	expect_equal(floe_observer_next(observer, 0, &other), -EINVAL);
	expect_equal(floe_observer_borrow(observer, &other), -EINVAL);
	expect(floe_observer_header(observer, seen, NULL) == NULL);
	expect_equal(floe_observer_left(observer, seen), -EINVAL);
	expect_equal(floe_observer_has(observer, seen), -EINVAL);
	floe_observer_close(observer);
}

static void refuse_all(const struct all *all)
{
	refuse_shared(all->shared);
	refuse_publisher(all->pub, all);
	refuse_publisher(all->safe_pub, all);
	refuse_client(all->client, all);
	refuse_server(all->server, all);
	refuse_event(all->notifier, all->listener);
	refuse_board(all->writer, all->reader);
	refuse_waitset(all->waitset, all);
	refuse_waitset(all->running, all);
	refuse_watch(all->watch);
	refuse_observer(all->observer, &all->seen);
	refuse_view(all->view, "topic");
	refuse_subscriber(all->sub, all);
	refuse_subscriber(all->safe_sub, all);
}

/*
 * Opened and used
 */

static const struct floe_board_key key = {.name = "key", .size = 8};

static void open_board(struct all *all)
{
	uint64_t word = 7;

	expect_equal(
		floe_board_writer_open(&all->writer, all->pub ? "board" : "another",
				       &(struct floe_board_writer_options){
					       .size = sizeof(struct floe_board_writer_options),
					       .keys = &key,
					       .keys_count = 1}),
		0);
	expect_equal(floe_board_reader_open(&all->reader, "board", NULL), 0);
	expect_equal(floe_board_write(all->writer, 0, &word, 8, NULL), 0);
}

static void open_service(struct all *all)
{
	struct floe_loan loan;

	expect_equal(floe_server_open(&all->server, "service", NULL), 0);
	expect_equal(floe_client_open(&all->client, "service", NULL), 0);
	expect_equal(floe_client_wait_for_server(all->client, now_ns() + 60000000000), 1);
	expect_equal(floe_client_loan(all->client, 8, &loan), 1);
	expect_equal(floe_client_send(all->client, &loan, -1, NULL), 1);
	expect_equal(floe_server_wait(all->server, now_ns() + 60000000000), 1);
	expect_equal(floe_server_take(all->server, &all->request), 1);
	expect_equal(floe_client_loan(all->client, 8, &all->question), 1);
}

static void open_topic(struct all *all)
{
	struct floe_sample sample;

	all->pub = publisher("topic", PUBLISHER(.loans_ceiling = 9));
	all->safe_pub = publisher("topic", PUBLISHER(.flags = FLOE_THREAD_SAFE));
	all->sub = subscriber("topic", SUBSCRIBER(.holds_ceiling = 9));
	all->safe_sub = subscriber("topic", SUBSCRIBER(.flags = FLOE_THREAD_SAFE));
	expect_equal(floe_view_open(&all->view, NULL, NULL, NULL), 0);
	expect_equal(floe_observer_open(&all->observer, all->view, "topic", NULL), 0);
	publish(all->pub, SIZE, 1);
	publish(all->pub, SIZE, 2);
	all->sample = take(all->sub, SIZE, 1);
	sample = take(all->sub, SIZE, 2);
	expect_equal(floe_sample_share(all->sub, &sample, &all->shared), 0);
	expect_equal(floe_observer_borrow(all->observer, &all->seen), 1);
	expect_equal(floe_loan(all->pub, SIZE, &all->loan), 1);
}

static void open_all(struct all *all)
{
	open_topic(all);
	open_service(all);
	expect_equal(floe_notifier_open(&all->notifier, "event", NULL), 0);
	expect_equal(floe_listener_open(&all->listener, "event", NULL), 0);
	open_board(all);
	expect_equal(floe_watch_open(&all->watch, NULL), 0);
	expect_equal(floe_waitset_open(&all->waitset), 0);
	expect_equal(floe_waitset_open(&all->running), 0);
	expect(floe_waitset_add_subscriber(all->waitset, all->sub, NULL) >= 0);
	expect_equal(floe_waitset_start(all->running), 0);
}

/* Whatever was out is as it was. */
static void go_on(struct all *all)
{
	struct floe_watch_event event;
	struct floe_response response;
	struct floe_event news;
	struct floe_loan loan;
	uint64_t word = 0;

	expect(is_filled(all->sample.data, SIZE, 1));
	floe_release(all->sub, &all->sample);
	expect(is_filled(floe_shared_sample_get(all->shared)->data, SIZE, 2));
	expect_equal(floe_shared_sample_unref(all->shared), 1);
	expect_equal(floe_observer_has(all->observer, &all->seen), 1);
	fill(all->loan.data, SIZE, 3);
	expect_equal(floe_publish(all->pub, &all->loan), 1);
	receive(all->sub, SIZE, 3);
	expect_equal(floe_server_loan(all->server, &all->request, 8, &loan), 1);
	expect_equal(floe_server_send(all->server, &all->request, &loan, 0), 1);
	expect_equal(floe_client_wait(all->client, now_ns() + 60000000000), 1);
	expect_equal(floe_client_take(all->client, &response), 1);
	expect_equal(response.status, 0);
	floe_client_release(all->client, &response);
	expect_equal(floe_client_send(all->client, &all->question, -1, NULL), 1);
	expect(floe_notify(all->notifier, 5) >= 0);
	expect_equal(floe_listener_take(all->listener, &news), 1);
	expect_equal(news.id, 5);
	expect_equal(floe_board_read(all->reader, floe_board_find(all->reader, "key", NULL, NULL),
				     &word, 8, NULL),
		     1);
	expect_equal(word, 7);
	expect_equal(floe_watch_next(all->watch, &event, sizeof(event)), 1);
	expect(floe_view_topics(all->view, NULL, 0, 0) > 0);
}

static void close_all(struct all *all)
{
	floe_waitset_close(all->running);
	floe_waitset_close(all->waitset);
	floe_watch_close(all->watch);
	floe_observer_close(all->observer);
	floe_view_close(all->view);
	floe_board_reader_close(all->reader);
	floe_board_writer_close(all->writer);
	floe_listener_close(all->listener);
	floe_notifier_close(all->notifier);
	floe_client_close(all->client);
	floe_server_close(all->server);
	floe_subscriber_close(all->safe_sub);
	floe_subscriber_close(all->sub);
	floe_publisher_close(all->safe_pub);
	floe_publisher_close(all->pub);
}

static void refuse_and_open(int wire, void *argument)
{
	struct all own = {0};

	(void)wire;
	refuse_all(argument);
	own.sub = subscriber("own", NULL);
	expect_equal(floe_notifier_open(&own.notifier, "event", NULL), 0);
	expect_equal(floe_listener_open(&own.listener, "event", NULL), 0);
	open_board(&own);
	expect_equal(floe_watch_open(&own.watch, NULL), 0);
	expect_equal(floe_waitset_open(&own.waitset), 0);
	expect(floe_waitset_add_listener(own.waitset, own.listener, NULL) >= 0);
	expect_equal(floe_client_open(&own.client, "service", NULL), 0);
	expect_equal(floe_client_wait_for_server(own.client, now_ns() + 60000000000), 1);
	expect_equal(floe_view_open(&own.view, NULL, NULL, NULL), 0);
	expect_equal(floe_observer_open(&own.observer, own.view, "topic", NULL), 0);
	own.pub = publisher("own", NULL);
	publish(own.pub, SIZE, 9);
	receive(own.sub, SIZE, 9);
	/* Whatever it has of its own. */
	refuse_all(argument);
	close_all(&own);
}

static void all_handles_of_the_parent_are_refused(void)
{
	static struct all all;
	struct peer peer;

	open_all(&all);
	peer = peer_start(refuse_and_open, &all);
	peer_end(&peer);
	go_on(&all);
	close_all(&all);
	expect_folder_empty();
}

/*
 * Who only looks on
 */

static void publish_and_stay(int wire, void *argument)
{
	struct floe_publisher *pub = publisher(argument, NULL);

	publish(pub, SIZE, 1);
	tell(wire, 1);
	(void)hear(wire);
	floe_publisher_close(pub);
}

static void refuse_and_look(int wire, void *argument)
{
	const struct all *parents = argument;
	struct floe_watch_event event;
	struct floe_view *view;
	struct floe_watch *watch;

	(void)wire;
	refuse_observer(parents->observer, &parents->seen);
	refuse_view(parents->view, "topic");
	refuse_watch(parents->watch);
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_view_topics(view, NULL, 0, 0), 1);
	expect_equal(floe_watch_open(&watch, NULL), 0);
	expect_equal(floe_watch_next(watch, &event, sizeof(event)), 1);
	floe_watch_close(watch);
	floe_view_close(view);
}

/* No node, and none of what comes with one. */
static void so_are_those_of_a_process_that_only_looks_on(void)
{
	struct peer other = peer_start(publish_and_stay, "topic");
	struct all all = {0};
	struct peer peer;

	expect_equal(hear(other.wire), 1);
	expect_equal(floe_view_open(&all.view, NULL, NULL, NULL), 0);
	expect_equal(floe_observer_open(
			     &all.observer, all.view, "topic",
			     &(struct floe_observer_options){
				     .size = sizeof(struct floe_observer_options), .history = 1}),
		     0);
	expect_equal(floe_observer_borrow(all.observer, &all.seen), 1);
	expect_equal(floe_watch_open(&all.watch, NULL), 0);
	peer = peer_start(refuse_and_look, &all);
	peer_end(&peer);
	expect_equal(floe_observer_has(all.observer, &all.seen), 1);
	expect_equal(floe_view_topics(all.view, NULL, 0, 0), 1);
	floe_watch_close(all.watch);
	floe_observer_close(all.observer);
	floe_view_close(all.view);
	tell(other.wire, 1);
	peer_end(&other);
	expect_folder_empty();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(all_handles_of_the_parent_are_refused),
		TEST(so_are_those_of_a_process_that_only_looks_on),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
