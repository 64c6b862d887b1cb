/* SPDX-License-Identifier: Apache-2.0 */
#include "patterns.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <floe/board.h>
#include <floe/event.h>
#include <floe/service.h>

#include "api/peer.h"
#include "frame/frame.h"
#include "os/os.h"
#include "registry/domain.h"
#include "registry/terms.h"

#define NAME "life"
#define SHORT_NS 500000
#define LARGE 100000

static int64_t soon_ns(void)
{
	return os->now_ns() + SHORT_NS;
}

/* Somebody opens what `open` does, and is killed. */
static void open_and_stay(int wire, void *argument)
{
	void (*open)(void) = *(void (**)(void))argument;

	open();
	tell(wire, 1);
	(void)hear(wire);
}

static void leave(void (*open)(void))
{
	struct peer dead = peer_start(open_and_stay, &open);

	expect_equal(hear(dead.wire), 1);
	peer_kill(&dead);
}

/*
 * Boards
 */

static const struct floe_board_key keys[] = {{"a", 8, NULL}, {"b", 1000, NULL}, {"own", 8, NULL}};

static int open_writer(struct floe_board_writer **ret, size_t from, size_t count)
{
	struct floe_board_writer_options o = {
		.size = sizeof(o), .keys = keys + from, .keys_count = count};

	return floe_board_writer_open(ret, NAME, &o);
}

/* 1 it is this value; 0 another one; < 0 there is none */
static int reads(struct floe_board_reader *reader, const char *name, uint64_t value)
{
	unsigned char bytes[1000] = {0};
	int key = floe_board_find(reader, name, NULL, NULL);
	int r = key < 0 ? key : floe_board_read(reader, key, bytes, sizeof(bytes), NULL);

	return r == 1 ? memcmp(bytes, &value, sizeof(value)) == 0 : r;
}

static void write_large(struct floe_board_writer *writer, uint64_t value)
{
	void *place;

	if (floe_board_prepare(writer, 1, &place) < 0)
		return;
	memcpy(place, &value, sizeof(value));
	(void)floe_board_commit(writer, 1, NULL);
}

void board_live(void)
{
	struct floe_board_writer *writer = NULL;
	struct floe_board_reader *reader = NULL;
	uint64_t value = 5;

	(void)open_writer(&writer, 0, 2);
	(void)floe_board_write(writer, 0, &value, sizeof(value), NULL);
	write_large(writer, value);
	(void)floe_board_reader_open(&reader, NAME, NULL);
	(void)reads(reader, "a", value);
	floe_board_writer_close(writer);
	writer = NULL;
	(void)open_writer(&writer, 0, 2);
	(void)reads(reader, "b", value);
	floe_board_reader_close(reader);
	floe_board_writer_close(writer);
}

static void leave_board(void)
{
	struct floe_board_writer *writer = NULL;
	uint64_t value = 9;

	expect_equal(open_writer(&writer, 0, 2), 0);
	expect_equal(floe_board_write(writer, 0, &value, sizeof(value), NULL), 0);
}

void board_leave_the_dead(void)
{
	leave(leave_board);
}

static const char *write_and_read(struct floe_board_writer *writer,
				  struct floe_board_reader *reader)
{
	for (uint64_t value = 20; value < 24; value++) {
		if (floe_board_write(writer, 0, &value, sizeof(value), NULL) < 0)
			return "a newcomer cannot write";
		write_large(writer, value);
		if (reads(reader, "a", value) != 1 || reads(reader, "b", value) != 1)
			return "a newcomer does not read what is written";
	}
	return NULL;
}

const char *board_newcome(void)
{
	struct floe_board_writer *writer = NULL;
	struct floe_board_reader *reader = NULL;
	const char *wrong = NULL;

	if (floe_board_reader_open(&reader, NAME, NULL) < 0)
		wrong = "a newcomer cannot open a reader";
	else if (open_writer(&writer, 0, 2) < 0)
		wrong = "a newcomer cannot open a writer";
	else
		wrong = write_and_read(writer, reader);
	floe_board_writer_close(writer);
	floe_board_reader_close(reader);
	return wrong;
}

void board_live_beside(int wire, void *argument)
{
	struct floe_board_writer *writer = NULL;
	struct floe_board_reader *reader = NULL;
	uint64_t word;

	(void)argument;
	expect_equal(open_writer(&writer, 2, 1), 0);
	expect_equal(floe_board_reader_open(&reader, NAME, NULL), 0);
	tell(wire, 1);
	while ((word = hear(wire))) {
		expect_equal(floe_board_write(writer, 0, &word, sizeof(word), NULL), 0);
		tell(wire, reads(reader, "own", word) == 1);
	}
	floe_board_reader_close(reader);
	floe_board_writer_close(writer);
}

/*
 * Events
 */

static int open_notifier(struct floe_notifier **ret, size_t ids)
{
	struct floe_notifier_options o = {.size = sizeof(o), .ids = ids};

	return floe_notifier_open(ret, NAME, &o);
}

static int open_listener(struct floe_listener **ret)
{
	struct floe_listener_options o = {.size = sizeof(o), .spin_ns = 1};

	return floe_listener_open(ret, NAME, &o);
}

/* How often this id was notified since the last time. */
static uint64_t take_all(struct floe_listener *listener, uint32_t id)
{
	struct floe_event event;
	uint64_t count = 0;

	while (floe_listener_take(listener, &event) == 1)
		if (event.kind == FLOE_EVENT_NOTIFIED && event.id == id)
			count += event.count;
	return count;
}

void event_live(void)
{
	struct floe_notifier *notifier = NULL;
	struct floe_listener *listener = NULL;

	(void)open_notifier(&notifier, 8);
	(void)open_listener(&listener);
	(void)floe_notify(notifier, 3);
	(void)take_all(listener, 3);
	(void)floe_listener_wait(listener, soon_ns());
	(void)floe_notify(notifier, 3);
	(void)floe_listener_fd(listener);
	(void)take_all(listener, 3);
	floe_notifier_close(notifier);
	notifier = NULL;
	(void)open_notifier(&notifier, 8);
	(void)floe_notify(notifier, 3);
	(void)take_all(listener, 3);
	floe_listener_close(listener);
	floe_notifier_close(notifier);
}

static void leave_event(void)
{
	struct floe_notifier *notifier = NULL;
	struct floe_listener *listener = NULL;

	expect_equal(open_notifier(&notifier, 8), 0);
	expect_equal(open_listener(&listener), 0);
	expect(floe_notify(notifier, 3) >= 0);
}

void event_leave_the_dead(void)
{
	leave(leave_event);
}

static const char *notify_and_hear(struct floe_notifier *notifier, struct floe_listener *listener)
{
	for (uint64_t i = 0; i < 4; i++) {
		if (floe_notify(notifier, 5) < 0 || floe_notify(notifier, 5) < 0)
			return "a newcomer cannot notify";
		if (take_all(listener, 5) != 2)
			return "a newcomer does not hear what is notified";
	}
	return NULL;
}

const char *event_newcome(void)
{
	struct floe_notifier *notifier = NULL;
	struct floe_listener *listener = NULL;
	const char *wrong = NULL;

	if (open_listener(&listener) < 0)
		wrong = "a newcomer cannot listen";
	else if (open_notifier(&notifier, 8) < 0)
		wrong = "a newcomer cannot open a notifier";
	else
		wrong = notify_and_hear(notifier, listener);
	floe_listener_close(listener);
	floe_notifier_close(notifier);
	return wrong;
}

void event_live_beside(int wire, void *argument)
{
	struct floe_notifier *notifier = NULL;
	struct floe_listener *listener = NULL;

	(void)argument;
	expect_equal(open_notifier(&notifier, 3), 0);
	expect_equal(open_listener(&listener), 0);
	tell(wire, 1);
	while (hear(wire)) {
		expect(floe_notify(notifier, 2) >= 0);
		tell(wire, take_all(listener, 2) == 1);
	}
	floe_listener_close(listener);
	floe_notifier_close(notifier);
}

/*
 * Services
 */

struct both {
	struct floe_server *server;
	struct floe_client *client;
};

static int open_both(struct both *ret)
{
	struct floe_server_options s = {
		.size = sizeof(s), .active_max = 2, .payload_max = 200, .spin_ns = 1};
	struct floe_client_options c = {
		.size = sizeof(c), .active_max = 2, .payload_max = 200, .spin_ns = 1};
	int r = floe_server_open(&ret->server, NAME, &s);

	return r < 0 ? r : floe_client_open(&ret->client, NAME, &c);
}

static void close_both(struct both *both)
{
	floe_client_close(both->client);
	floe_server_close(both->server);
	*both = (struct both){0};
}

static uint64_t send_request(const struct both *both)
{
	struct floe_loan loan = {0};
	uint64_t number = 0;

	if (floe_client_loan(both->client, 150, &loan) != 1)
		return 0;
	memset(loan.data, 7, loan.size);
	(void)floe_client_send(both->client, &loan, -1, &number);
	floe_client_discard(both->client, &loan);
	return number;
}

/* 1: a request was taken and answered. */
static int answer_one(const struct both *both, int more)
{
	struct floe_request request = {0};
	struct floe_loan loan = {0};
	int r = floe_server_take(both->server, &request);

	if (r != 1)
		return r;
	for (; more >= 0; more--)
		if (floe_server_loan(both->server, &request, 150, &loan) == 1) {
			memset(loan.data, 8, loan.size);
			(void)floe_server_send(both->server, &request, &loan, more);
		}
	if (request.data)
		(void)floe_server_end(both->server, &request, 0);
	return 1;
}

/* How many were answered. */
static int take_responses(const struct both *both)
{
	struct floe_response response;
	int count = 0;

	while (floe_client_take(both->client, &response) == 1) {
		count += response.data && response.status == 0;
		floe_client_release(both->client, &response);
	}
	return count;
}

void service_live(void)
{
	struct both both = {0};

	(void)open_both(&both);
	(void)send_request(&both);
	(void)answer_one(&both, 1);
	(void)take_responses(&both);
	(void)floe_client_wait(both.client, soon_ns());
	(void)floe_client_cancel(both.client, send_request(&both));
	(void)answer_one(&both, 0);
	(void)take_responses(&both);
	(void)send_request(&both);
	close_both(&both);
}

static void leave_service(void)
{
	static struct both both;

	expect_equal(open_both(&both), 0);
	(void)send_request(&both);
}

void service_leave_the_dead(void)
{
	leave(leave_service);
}

/* Others may have servers, too: a request to each, until one came to our own. */
static const char *ask_and_answer(const struct both *both)
{
	uint64_t number[2];
	int answered = 0;

	for (int i = 0; i < 3; i++) {
		number[0] = send_request(both);
		number[1] = send_request(both);
		if (!number[0] || !number[1])
			return "a newcomer cannot ask";
		while (answer_one(both, 0) == 1)
			;
		answered += take_responses(both);
		for (int k = 0; k < 2; k++)
			(void)floe_client_cancel(both->client, number[k]);
		(void)take_responses(both);
		if (!answered)
			return "a newcomer is not answered";
	}
	return NULL;
}

/* What a neighbour's server has not ended counts still: it is asked once. */
static const char *ask_once(const struct both *both)
{
	uint64_t number[2] = {send_request(both), send_request(both)};
	int answered;

	if (!number[0] || !number[1])
		return "a newcomer cannot ask";
	while (answer_one(both, 0) == 1)
		;
	answered = take_responses(both);
	for (int k = 0; k < 2; k++)
		(void)floe_client_cancel(both->client, number[k]);
	(void)take_responses(both);
	return answered ? NULL : "a newcomer is not answered";
}

const char *service_newcome(void)
{
	struct both both = {0};
	const char *wrong = "a newcomer cannot open server and client";

	if (open_both(&both) == 0)
		wrong = ask_once(&both);
	close_both(&both);
	return wrong;
}

void service_live_beside(int wire, void *argument)
{
	struct both both = {0};

	(void)argument;
	expect_equal(open_both(&both), 0);
	tell(wire, 1);
	while (hear(wire)) {
		/* What the dead have asked, and those who have gone. */
		while (answer_one(&both, 0) == 1)
			;
		(void)take_responses(&both);
		tell(wire, ask_and_answer(&both) == NULL);
	}
	close_both(&both);
}

/*
 * Terms; publishers of any size
 */

void terms_live(void)
{
	static struct quotas_shared quotas;
	struct terms_shared terms = {
		.identity = identity_make(TERMS_MAGIC, TERMS_SIGNATURE),
		.depth = 4,
	};
	struct floe_subscriber *sub = NULL;
	struct domain domain;

	quotas.identity = identity_make(QUOTAS_MAGIC, QUOTAS_SIGNATURE);
	quotas.others.publishers_max = 50;
	(void)floe_subscriber_open(&sub, NAME, NULL);
	(void)domain_init(&domain, NULL, NULL, NULL);
	(void)terms_write(&terms, &domain, NAME, 0600, NULL);
	(void)terms_write_quotas(&quotas, &domain, 0600, NULL);
	(void)terms_write(&terms, &domain, NAME, 0600, NULL);
	terms_remove_quotas(&domain);
	floe_subscriber_close(sub);
}

static void say(struct floe_publisher *pub, size_t size)
{
	struct floe_loan loan = {0};

	if (floe_loan(pub, size, &loan) != 1)
		return;
	memset(loan.data, 3, size);
	(void)floe_publish(pub, &loan);
	floe_discard(pub, &loan);
}

void elastic_live(void)
{
	struct floe_publisher_options o = {.size = sizeof(o),
					   .depth = 2,
					   .loans_max = 2,
					   .payload_max = LARGE,
					   .flags = FLOE_ELASTIC};
	struct floe_publisher *pub = NULL;

	(void)floe_publisher_open(&pub, NAME, &o);
	say(pub, LARGE);
	say(pub, 1000);
	say(pub, 8);
	say(pub, 8);
	say(pub, LARGE / 2);
	floe_publisher_close(pub);
	pub = NULL;
	(void)floe_publisher_open(&pub, NAME, &o);
	say(pub, LARGE);
	floe_publisher_close(pub);
}
