/* SPDX-License-Identifier: Apache-2.0 */
#include "patterns.h"

#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <floe/board.h>
#include <floe/event.h>
#include <floe/service.h>

#define IDS 70
#define TAKES 300 /* none of what is read has more to say */

static const struct floe_board_key keys[] = {{"a", 8, NULL}, {"b", 200, NULL}};

static struct {
	struct floe_notifier *notifier;
	struct floe_board_writer *writer;
	struct floe_server *server;
	struct floe_client *client;
} self;

/*
 * Made first
 */

static struct floe_notifier *open_notifier(void)
{
	struct floe_notifier_options o = {.size = sizeof(o), .ids = IDS, .deadline_ns = 1000000};
	struct floe_notifier *notifier = NULL;

	(void)floe_notifier_open(&notifier, "t", &o);
	return notifier;
}

static struct floe_board_writer *open_writer(void)
{
	struct floe_board_writer_options o = {.size = sizeof(o), .keys = keys, .keys_count = 2};
	struct floe_board_writer *writer = NULL;

	(void)floe_board_writer_open(&writer, "t", &o);
	return writer;
}

static void write_both(struct floe_board_writer *writer)
{
	unsigned char value[200] = {1};

	for (uint32_t i = 0; i < 2; i++)
		(void)floe_board_write(writer, i, value, keys[i].size, NULL);
}

static struct floe_client *open_client(void)
{
	struct floe_client_options o = {
		.size = sizeof(o), .active_max = 4, .payload_max = 200, .spin_ns = 1};
	struct floe_client *client = NULL;

	(void)floe_client_open(&client, "s", &o);
	return client;
}

static void ask(struct floe_client *client, size_t size)
{
	struct floe_loan loan = {0};

	if (floe_client_loan(client, size, &loan) != 1)
		return;
	memset(loan.data, 2, size);
	(void)floe_client_send(client, &loan, -1, NULL);
	floe_client_discard(client, &loan);
}

/* A stream, an end with a status, a response in a chunk, one that is not answered. */
static void answer_all(struct floe_server *server)
{
	struct floe_request request;
	struct floe_loan loan;

	for (int i = 0; i < 3 && floe_server_take(server, &request) == 1; i++) {
		if (i == 1) {
			(void)floe_server_end(server, &request, -5);
			continue;
		}
		for (int more = i == 0; more >= 0; more--) {
			if (floe_server_loan(server, &request, i ? 150 : 20, &loan) != 1)
				continue;
			memset(loan.data, 3, loan.size);
			(void)floe_server_send(server, &request, &loan, more);
		}
	}
}

void patterns_open(void)
{
	struct floe_server_options o = {.size = sizeof(o), .active_max = 4, .payload_max = 200};

	self.notifier = open_notifier();
	(void)floe_notify(self.notifier, 1);
	(void)floe_notify(self.notifier, 65);
	self.writer = open_writer();
	write_both(self.writer);
	(void)floe_server_open(&self.server, "s", &o);
	self.client = open_client();
	for (size_t i = 0; i < 4; i++)
		ask(self.client, i % 2 ? 150 : 20);
	answer_all(self.server);
}

void patterns_close(void)
{
	floe_client_close(self.client);
	floe_server_close(self.server);
	floe_board_writer_close(self.writer);
	floe_notifier_close(self.notifier);
	memset(&self, 0, sizeof(self));
}

bool patterns_find(const char *folder, const char *name, char *ret, size_t size)
{
	char pattern[300];
	glob_t found;
	bool is_there;

	(void)snprintf(pattern, sizeof(pattern), "%s*/%s", folder, name);
	is_there = glob(pattern, 0, NULL, &found) == 0;
	if (is_there)
		(void)snprintf(ret, size, "%s", found.gl_pathv[0]);
	globfree(&found);
	return is_there;
}

/*
 * Reading
 */

static void take_events(struct floe_listener *listener)
{
	struct floe_event event;

	for (int i = 0; i < TAKES; i++)
		if (floe_listener_take(listener, &event) == 0)
			break;
	(void)floe_listener_wait(listener, 0);
}

void patterns_listen(void)
{
	struct floe_listener_options o = {.size = sizeof(o), .spin_ns = 1};
	struct floe_listener *listener = NULL;
	struct floe_notifier *notifier;

	(void)floe_listener_open(&listener, "t", &o);
	take_events(listener);
	notifier = open_notifier();
	for (uint32_t i = 0; i < IDS; i++)
		(void)floe_notify(notifier, i);
	take_events(listener);
	(void)floe_listener_fd(listener);
	floe_notifier_close(notifier);
	take_events(listener);
	floe_listener_close(listener);
}

static void use(const void *data, size_t size)
{
	static volatile unsigned char sink;
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		sink = (unsigned char)(sink + bytes[i]);
}

static void read_all(struct floe_board_reader *reader)
{
	static unsigned char value[65536];
	struct floe_board_key_info info;
	struct floe_board_value borrowed;

	for (size_t i = 0; i < TAKES; i++)
		if (floe_board_list(reader, i, &info, sizeof(info)) != 1)
			break;
	for (unsigned i = 0; i < 2; i++) {
		int key = floe_board_find(reader, keys[i].name, NULL, NULL);
		uint64_t sequence = 0;

		if (key < 0)
			continue;
		(void)floe_board_look(reader, key, &sequence);
		if (floe_board_borrow(reader, key, &borrowed) == 1)
			use(borrowed.data, borrowed.size);
		(void)floe_board_kept(reader, key, &borrowed);
		sequence = 0;
		(void)floe_board_read(reader, key, value, sizeof(value), &sequence);
	}
}

void patterns_read(void)
{
	struct floe_board_reader *reader = NULL;
	struct floe_board_writer *writer;

	(void)floe_board_reader_open(&reader, "t", NULL);
	read_all(reader);
	writer = open_writer();
	if (writer)
		write_both(writer);
	read_all(reader);
	floe_board_writer_close(writer);
	read_all(reader);
	floe_board_reader_close(reader);
}

/*
 * Asking
 */

bool patterns_ask(void)
{
	self.client = open_client();
	if (!self.client)
		return false;
	for (size_t i = 0; i < 4; i++)
		ask(self.client, i % 2 ? 150 : 20);
	return true;
}

void patterns_come_and_go(const char *topic)
{
	struct floe_publisher_options o = {.size = sizeof(o), .depth = 1, .payload_max = 64};
	struct floe_publisher *pub = NULL;

	(void)floe_publisher_open(&pub, topic, &o);
	floe_publisher_close(pub);
}

void patterns_take_answers(void)
{
	struct floe_client_counts counts;
	struct floe_response response;

	(void)floe_client_wait(self.client, 0);
	for (int i = 0; i < TAKES; i++) {
		int r = floe_client_take(self.client, &response);

		if (r == 0)
			break;
		if (r != 1)
			continue;
		use(response.data, response.data ? response.size : 0);
		floe_client_release(self.client, &response);
	}
	(void)floe_client_count(self.client, &counts, sizeof(counts));
	floe_client_close(self.client);
	self.client = NULL;
}
