/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Services: every request ends exactly once, with its response or with the reason why there is
 * none; nobody waits for who does not answer, does not read, or is dead.
 */

#include <floe/inspect.h>
#include <floe/service.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "asleep.h"
#include "counted.h"
#include "folder.h"
#include "forbidden.h"
#include "peer.h"
#include "steps.h"

#define CHUNK 1000
#define FOREVER (-1)
#define MILLISECONDS ((int64_t)1000000)
#define SECONDS ((int64_t)1000000000)

#define CLIENT(...) \
	(&(struct floe_client_options){.size = sizeof(struct floe_client_options), __VA_ARGS__})
#define SERVER(...) \
	(&(struct floe_server_options){.size = sizeof(struct floe_server_options), __VA_ARGS__})

static struct floe_client *client(const struct floe_client_options *options)
{
	struct floe_client *opened = NULL;

	expect_equal(floe_client_open(&opened, "sum", options), 0);
	return opened;
}

static struct floe_server *server(const struct floe_server_options *options)
{
	struct floe_server *opened = NULL;

	expect_equal(floe_server_open(&opened, "sum", options), 0);
	return opened;
}

/* A request of `size` bytes filled from `seed`; returns its number. */
static uint64_t request_until(struct floe_client *c, size_t size, uint64_t seed,
			      int64_t deadline_ns)
{
	struct floe_loan loan;
	uint64_t number = 0;

	expect_equal(floe_client_loan(c, size, &loan), 1);
	fill(loan.data, size, seed);
	expect_equal(floe_client_send(c, &loan, deadline_ns, &number), 1);
	expect(!loan.data);
	expect(number != 0);
	return number;
}

static uint64_t request(struct floe_client *c, size_t size, uint64_t seed)
{
	return request_until(c, size, seed, FOREVER);
}

/* The next request is there and is this one; it stays taken. */
static struct floe_request accept_request(struct floe_server *s, size_t size, uint64_t seed)
{
	struct floe_request taken;

	expect_equal(floe_server_wait(s, now_ns() + 60 * SECONDS), 1);
	expect_equal(floe_server_take(s, &taken), 1);
	expect_equal(taken.size, size);
	expect(is_filled(taken.data, size, seed));
	return taken;
}

static int respond(struct floe_server *s, struct floe_request *taken, size_t size, uint64_t seed,
		   int more)
{
	struct floe_loan loan;
	int r = floe_server_loan(s, taken, size, &loan);

	if (r != 1)
		return r;
	fill(loan.data, size, seed);
	r = floe_server_send(s, taken, &loan, more);
	if (r < 1 && loan.data)
		floe_server_discard(s, taken, &loan);
	return r;
}

/* The next outcome, which must be of this request and have this status. */
static struct floe_response outcome(struct floe_client *c, uint64_t number, int status)
{
	struct floe_response response;
	int r;

	do {
		expect_equal(floe_client_wait(c, now_ns() + 60 * SECONDS), 1);
		r = floe_client_take(c, &response);
	} while (r == 0);
	expect_equal(r, 1);
	expect_equal(response.request, number);
	expect_equal(response.status, status);
	return response;
}

static void expect_response(struct floe_client *c, uint64_t number, size_t size, uint64_t seed,
			    int status)
{
	struct floe_response response = outcome(c, number, status);

	expect_equal(response.size, size);
	expect(is_filled(response.data, size, seed));
	floe_client_release(c, &response);
	expect(!response.data);
}

static void expect_end(struct floe_client *c, uint64_t number, int status)
{
	struct floe_response response = outcome(c, number, status);

	expect(!response.data);
	floe_client_release(c, &response);
}

static void expect_silence(struct floe_client *c)
{
	struct floe_response response;

	expect_equal(floe_client_take(c, &response), 0);
}

static struct floe_client_counts client_counts(struct floe_client *c)
{
	struct floe_client_counts counts;

	expect_equal(floe_client_count(c, &counts, sizeof(counts)), 0);
	return counts;
}

static struct floe_server_counts server_counts(struct floe_server *s)
{
	struct floe_server_counts counts;

	expect_equal(floe_server_count(s, &counts, sizeof(counts)), 0);
	return counts;
}

/*
 * One process
 */

static void a_response_comes_back_to_who_asked(void)
{
	static const size_t sizes[] = {1, 8, 48, 49, 64, CHUNK, 65536};
	struct floe_server *s = server(NULL);
	struct floe_client *c = client(NULL);

	for (unsigned i = 0; i < COUNT(sizes); i++) {
		uint64_t number = request(c, sizes[i], i);
		struct floe_request taken = accept_request(s, sizes[i], i);

		expect_silence(c);
		expect_equal(respond(s, &taken, sizes[i], i + 100, 0), 1);
		expect(!taken.data);
		expect_response(c, number, sizes[i], i + 100, 0);
		expect_silence(c);
	}
	expect_equal(client_counts(c).sent, COUNT(sizes));
	expect_equal(client_counts(c).ended, COUNT(sizes));
	expect_equal(client_counts(c).active, 0);
	expect_equal(client_counts(c).servers, 1);
	expect_equal(server_counts(s).taken, COUNT(sizes));
	expect_equal(server_counts(s).ended, COUNT(sizes));
	expect_equal(server_counts(s).clients, 1);

	floe_client_close(c);
	floe_server_close(s);
	expect_folder_empty();
}

static void responses_come_in_any_order_and_each_finds_its_request(void)
{
	struct floe_client *c = client(NULL);
	struct floe_server *s = server(NULL);
	struct floe_request taken[4];
	uint64_t number[4];

	for (unsigned i = 0; i < 4; i++)
		number[i] = request(c, 8, i);
	for (unsigned i = 0; i < 4; i++)
		taken[i] = accept_request(s, 8, i);
	for (unsigned i = 4; i-- > 0;)
		expect_equal(respond(s, &taken[i], 16, i, 0), 1);
	for (unsigned i = 4; i-- > 0;)
		expect_response(c, number[i], 16, i, 0);

	floe_client_close(c);
	floe_server_close(s);
}

static void a_stream_ends_with_its_last_response(void)
{
	struct floe_server *s = server(NULL);
	struct floe_client *c = client(NULL);
	uint64_t number = request(c, 8, 1);
	struct floe_request taken = accept_request(s, 8, 1);

	for (unsigned i = 0; i < 5; i++)
		expect_equal(respond(s, &taken, CHUNK, i, 1), 1);
	for (unsigned i = 0; i < 5; i++)
		expect_response(c, number, CHUNK, i, 1);
	expect_equal(floe_server_end(s, &taken, 0), 0);
	expect_end(c, number, 0);
	expect_silence(c);

	number = request(c, 8, 2);
	taken = accept_request(s, 8, 2);
	expect_equal(floe_server_end(s, &taken, -ENOENT), 0);
	expect_end(c, number, -ENOENT);

	floe_client_close(c);
	floe_server_close(s);
}

/* No payload is as large as a status, no header fits into a slot beside one, and each response is on loan. */
static void an_end_needs_no_payload_and_no_chunk(void)
{
	static const struct floe_type header = {.size = 64};

	for (size_t size = 1; size <= 4; size++) {
		struct floe_server *s = server(
			SERVER(.payload_max = size, .response_header = &header));
		struct floe_client *c = client(CLIENT(.active_max = 2));
		uint64_t first = request(c, 8, 1), second = request(c, 8, 2);
		struct floe_request a = accept_request(s, 8, 1), b = accept_request(s, 8, 2);
		struct floe_loan loan[2];

		expect_equal(floe_server_loan(s, &a, size, &loan[0]), 1);
		expect_equal(floe_server_loan(s, &b, size, &loan[1]), 1);
		expect_equal(floe_server_end(s, &a, -ENOENT), 0);
		expect_end(c, first, -ENOENT);
		expect_equal(floe_server_end(s, &b, 0), 0);
		expect_end(c, second, 0);
		floe_client_close(c);
		floe_server_close(s);
	}
}

/* The name of the only topic of the service that begins so. */
static void find_topic(const char *part, char *ret_name)
{
	static struct floe_topic_info info[8];
	struct floe_view *view;
	int count;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	count = floe_view_topics(view, info, sizeof(info[0]), COUNT(info));
	floe_view_close(view);
	for (int i = 0; i < count; i++)
		if (!strncmp(info[i].name, part, strlen(part)))
			strcpy(ret_name, info[i].name);
}

/* Somebody reads along and holds all that the server can lend, and no more memory is to be had. */
static void an_end_comes_where_no_chunk_is_left(void)
{
	static const struct floe_type header = {.size = 64};
	struct floe_server *s = server(SERVER(.response_header = &header));
	struct floe_client *c = client(NULL);
	uint64_t number = request(c, 8, 1);
	struct floe_request taken = accept_request(s, 8, 1);
	char topic[FLOE_TOPIC_NAME_MAX + 1] = "";
	struct floe_subscriber *sub;
	struct floe_sample sample;
	int r;

	find_topic("sum@client.", topic);
	expect_equal(respond(s, &taken, 8, 0, 1), 1);
	expect_response(c, number, 8, 0, 1);
	sub = subscriber(topic, SUBSCRIBER(.holds_max = 255));
	forbid(SYS_fallocate, ENOSPC);
	while ((r = respond(s, &taken, 8, 1, 1)) == 1) {
		expect_response(c, number, 8, 1, 1);
		expect_equal(floe_take(sub, &sample), 1);
	}
	expect_equal(r, -ENOSPC);
	expect_equal(floe_server_end(s, &taken, 0), 0);
	expect_end(c, number, 0);
	floe_subscriber_close(sub);
	floe_client_close(c);
	floe_server_close(s);
}

/* A client that does not read: what is not the last would block, what is the last never does. */
static void a_client_that_does_not_read_costs_a_bounded_ring(void)
{
	struct floe_server *s = server(SERVER(.responses_max = 3));
	struct floe_client *c = client(CLIENT(.active_max = 2));
	uint64_t first = request(c, 8, 1);
	uint64_t second = request(c, 8, 2);
	struct floe_request a = accept_request(s, 8, 1);
	struct floe_request b = accept_request(s, 8, 2);

	for (unsigned i = 0; i < 3; i++)
		expect_equal(respond(s, &a, CHUNK, i, 1), 1);
	expect_equal(respond(s, &a, CHUNK, 3, 1), 0);
	expect_equal(respond(s, &b, CHUNK, 3, 1), 0);
	expect_equal(server_counts(s).would_block, 2);
	expect_equal(respond(s, &b, CHUNK, 4, 0), 1);
	expect_equal(respond(s, &a, CHUNK, 5, 0), 1);
	for (unsigned i = 0; i < 3; i++)
		expect_response(c, first, CHUNK, i, 1);
	expect_response(c, second, CHUNK, 4, 0);
	expect_response(c, first, CHUNK, 5, 0);

	floe_client_close(c);
	floe_server_close(s);
}

static void a_server_that_never_answers_costs_a_deadline(void)
{
	struct floe_server *s = server(NULL);
	struct floe_client *c = client(CLIENT(.active_max = 2));
	int64_t deadline = now_ns() + 20 * MILLISECONDS;
	struct floe_request taken;
	struct floe_loan loan;
	uint64_t first = request_until(c, 8, 1, deadline);
	uint64_t second = request_until(c, 8, 2, FOREVER);

	expect_end(c, first, -ETIMEDOUT);
	expect(now_ns() >= deadline);
	expect_equal(floe_client_wait(c, now_ns() + 5 * MILLISECONDS), 0);
	expect_equal(client_counts(c).timed_out, 1);
	/* As long as the server has it, it counts. */
	expect_equal(client_counts(c).active, 2);
	expect_equal(floe_client_loan(c, 8, &loan), 0);

	taken = accept_request(s, 8, 1);
	expect_equal(floe_server_is_wanted(s, &taken), 0);
	expect_equal(respond(s, &taken, 8, 3, 1), -ECANCELED);
	expect_equal(respond(s, &taken, 8, 3, 0), 1);
	expect_silence(c);
	expect_equal(client_counts(c).late, 1);
	expect_equal(client_counts(c).active, 1);
	taken = accept_request(s, 8, 2);
	expect_equal(floe_server_is_wanted(s, &taken), 1);
	expect_equal(respond(s, &taken, 8, 4, 0), 1);
	expect_response(c, second, 8, 4, 0);

	floe_client_close(c);
	floe_server_close(s);
}

/* Who finds a response at each take looks now and then at what else there is to see to. */
static void a_stream_hides_no_deadline(void)
{
	struct floe_server *s = server(NULL);
	struct floe_client *c = client(NULL);
	int64_t deadline_ns = now_ns() + 10 * MILLISECONDS;
	uint64_t stream = request(c, CHUNK, 1);
	struct floe_request streamed, late;
	struct floe_response response;

	(void)request_until(c, CHUNK, 2, deadline_ns);
	streamed = accept_request(s, CHUNK, 1);
	late = accept_request(s, CHUNK, 2);
	while (now_ns() <= deadline_ns)
		usleep(1000);
	for (uint64_t i = 0; i < 200; i++) {
		expect_equal(respond(s, &streamed, CHUNK, i, 1), 1);
		expect_equal(floe_client_take(c, &response), 1);
		expect_equal(response.request, stream);
		floe_client_release(c, &response);
	}
	expect_equal(floe_server_is_wanted(s, &late), 0);
	expect_equal(floe_server_is_wanted(s, &streamed), 1);
	floe_client_close(c);
	floe_server_close(s);
}

static void cancel_ends_a_request_at_once_and_tells_its_server(void)
{
	struct floe_server *s = server(NULL);
	struct floe_client *c = client(CLIENT(.active_max = 1));
	uint64_t number = request(c, 8, 1);
	struct floe_request taken = accept_request(s, 8, 1);

	expect_equal(respond(s, &taken, 8, 1, 1), 1);
	expect_equal(floe_server_is_wanted(s, &taken), 1);
	expect_equal(floe_client_cancel(c, number), 1);
	expect_equal(floe_client_cancel(c, number), 0);
	expect_equal(floe_server_is_wanted(s, &taken), 0);
	expect_equal(respond(s, &taken, 8, 2, 1), -ECANCELED);
	expect_end(c, number, -ECANCELED);
	expect_equal(floe_client_cancel(c, number), 0);
	expect_equal(floe_server_end(s, &taken, -ECANCELED), 0);
	expect_silence(c);
	expect_equal(client_counts(c).late, 2);

	/* The next one in the same place is wanted. */
	number = request(c, 8, 3);
	taken = accept_request(s, 8, 3);
	expect_equal(floe_server_is_wanted(s, &taken), 1);
	expect_equal(respond(s, &taken, 8, 4, 0), 1);
	expect_response(c, number, 8, 4, 0);

	floe_client_close(c);
	floe_server_close(s);
}

static void requests_go_to_the_server_that_has_fewest(void)
{
	struct floe_server *s[3] = {server(NULL), server(NULL), server(NULL)};
	struct floe_client *c = client(CLIENT(.active_max = 9));
	struct floe_request taken;

	expect_equal(client_counts(c).servers, 3);
	for (unsigned i = 0; i < 9; i++)
		request(c, 8, 1);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned n = 0; n < 3; n++) {
			taken = accept_request(s[i], 8, 1);
			/* The first one is quick. */
			if (i == 0)
				expect_equal(respond(s[0], &taken, 8, 1, 0), 1);
		}
	for (unsigned n = 0; n < 3; n++) {
		struct floe_response response;

		expect_equal(floe_client_take(c, &response), 1);
		floe_client_release(c, &response);
		request(c, 8, 2);
		taken = accept_request(s[0], 8, 2);
		expect_equal(respond(s[0], &taken, 8, 2, 0), 1);
	}

	floe_client_close(c);
	for (unsigned i = 0; i < 3; i++)
		floe_server_close(s[i]);
	expect_folder_empty();
}

/* One request at a time: each server has as few as the others. */
static void among_equals_servers_take_turns(void)
{
	struct floe_server *s[3] = {server(NULL), server(NULL), server(NULL)};
	struct floe_client *c = client(NULL);
	unsigned served[3] = {0};

	for (unsigned i = 0; i < 9; i++) {
		uint64_t number = request(c, 8, i);
		struct floe_request taken;
		unsigned k = 0;

		while (k < 3 && floe_server_take(s[k], &taken) != 1)
			k++;
		expect(k < 3);
		expect_equal(served[k]++, i / 3);
		expect_equal(respond(s[k], &taken, 8, i, 0), 1);
		expect_response(c, number, 8, i, 0);
	}
	floe_client_close(c);
	for (unsigned i = 0; i < 3; i++)
		floe_server_close(s[i]);
}

/* Although the client has looked for nothing since. */
static void a_server_that_comes_is_asked_next(void)
{
	struct floe_server *first = server(NULL), *second;
	struct floe_client *c = client(NULL);
	struct floe_request taken;

	request(c, 8, 1);
	second = server(NULL);
	request(c, 8, 2);
	taken = accept_request(second, 8, 2);
	expect_equal(floe_server_end(second, &taken, 0), 0);
	floe_client_close(c);
	floe_server_close(second);
	floe_server_close(first);
	expect_folder_empty();
}

static void a_server_that_leaves_ends_what_it_has(void)
{
	struct floe_server *s = server(NULL);
	struct floe_client *c = client(NULL);
	struct floe_request taken;
	struct floe_loan loan;
	uint64_t answered = request(c, 8, 1);
	uint64_t begun = request(c, 8, 2);
	uint64_t untaken = request(c, 8, 3);

	taken = accept_request(s, 8, 1);
	expect_equal(respond(s, &taken, 8, 1, 0), 1);
	accept_request(s, 8, 2);
	expect_equal(floe_client_loan(c, 8, &loan), 1);
	floe_server_close(s);

	/* What it said before comes first. */
	expect_response(c, answered, 8, 1, 0);
	expect_end(c, begun, -EPIPE);
	expect_end(c, untaken, -EPIPE);
	expect_silence(c);
	expect_equal(floe_client_send(c, &loan, FOREVER, NULL), -EPIPE);
	memset(loan.data, 1, loan.size);
	floe_client_discard(c, &loan);
	expect_equal(floe_client_loan(c, 8, &loan), -ENOTCONN);
	expect_equal(client_counts(c).servers, 0);
	expect_equal(client_counts(c).failed, 2);

	s = server(NULL);
	answered = request(c, 8, 4);
	taken = accept_request(s, 8, 4);
	expect_equal(respond(s, &taken, 8, 5, 0), 1);
	expect_response(c, answered, 8, 5, 0);
	floe_server_close(s);
	floe_client_close(c);
	expect_folder_empty();
}

static void a_client_that_leaves_frees_what_its_server_held(void)
{
	struct floe_server *s = server(NULL);
	struct floe_client *c = client(NULL);
	struct floe_request taken, lent;
	struct floe_loan loan;

	request(c, CHUNK, 1);
	request(c, CHUNK, 2);
	request(c, CHUNK, 3);
	taken = accept_request(s, CHUNK, 1);
	lent = accept_request(s, CHUNK, 2);
	expect_equal(floe_server_loan(s, &lent, CHUNK, &loan), 1);
	floe_client_close(c);

	/* What is held can still be read, and written. */
	expect(is_filled(taken.data, taken.size, 1));
	expect_equal(floe_server_wait(s, 0), 1);
	expect_equal(floe_server_take(s, &(struct floe_request){0}), 0);
	expect(is_filled(taken.data, taken.size, 1));
	memset(loan.data, 1, loan.size);
	expect_equal(floe_server_is_wanted(s, &taken), -EPIPE);
	expect_equal(floe_server_loan(s, &taken, 8, &(struct floe_loan){0}), -EPIPE);
	expect_equal(floe_server_end(s, &taken, 0), 0);
	expect_equal(floe_server_send(s, &lent, &loan, 0), -EPIPE);
	expect(!lent.data);
	expect_equal(server_counts(s).abandoned, 3);
	expect_equal(server_counts(s).active, 0);
	expect_equal(server_counts(s).clients, 0);

	floe_server_close(s);
	expect_folder_empty();
}

/*
 * Limits and bad input
 */

static void limits_are_outcomes(void)
{
	struct floe_server *s = server(SERVER(.active_max = 1));
	struct floe_client *c = client(CLIENT(.active_max = 3, .loans_max = 2, .holds_max = 1));
	struct floe_request taken;
	struct floe_response response;
	struct floe_loan loan[3];
	uint64_t first;

	expect_equal(floe_client_loan(c, 8, &loan[0]), 1);
	expect_equal(floe_client_loan(c, 8, &loan[1]), 1);
	expect_equal(floe_client_loan(c, 8, &loan[2]), -ENOBUFS);
	floe_client_discard(c, &loan[0]);
	floe_client_discard(c, &loan[1]);
	first = request(c, CHUNK, 1);
	request(c, CHUNK, 2);
	request(c, CHUNK, 3);
	expect_equal(floe_client_loan(c, 8, &loan[0]), 0);

	taken = accept_request(s, CHUNK, 1);
	expect_equal(floe_server_take(s, &(struct floe_request){0}), -ENOBUFS);
	expect_equal(floe_server_loan(s, &taken, CHUNK, &loan[0]), 1);
	expect_equal(floe_server_loan(s, &taken, CHUNK, &loan[1]), -ENOBUFS);
	floe_server_discard(s, &taken, &loan[0]);
	expect_equal(respond(s, &taken, CHUNK, 1, 0), 1);
	taken = accept_request(s, CHUNK, 2);
	expect_equal(respond(s, &taken, CHUNK, 2, 0), 1);

	expect_equal(floe_client_take(c, &response), 1);
	expect_equal(response.request, first);
	expect_equal(floe_client_take(c, &(struct floe_response){0}), -ENOBUFS);
	expect_equal(client_counts(c).held, 1);
	floe_client_release(c, &response);
	expect_equal(floe_client_take(c, &response), 1);
	floe_client_release(c, &response);

	floe_client_close(c);
	floe_server_close(s);
}

/* Also when a second loan would cost nothing, for there have been two before. */
static void a_request_has_one_response_on_loan(void)
{
	struct floe_server *s = server(NULL);
	struct floe_client *c = client(NULL);
	struct floe_request taken[2];
	struct floe_loan loan[2];

	for (uint64_t i = 0; i < 2; i++) {
		request(c, 8, i);
		taken[i] = accept_request(s, 8, i);
		expect_equal(floe_server_loan(s, &taken[i], 8, &loan[i]), 1);
	}
	for (int i = 0; i < 2; i++)
		floe_server_discard(s, &taken[i], &loan[i]);
	expect_equal(floe_server_loan(s, &taken[0], 8, &loan[0]), 1);
	expect_equal(floe_server_loan(s, &taken[0], 8, &loan[1]), -ENOBUFS);
	expect_equal(floe_server_send(s, &taken[1], &loan[0], 0), -EINVAL);
	expect_equal(floe_server_send(s, &taken[0], &loan[0], 0), 1);

	floe_client_close(c);
	floe_server_close(s);
}

static void what_is_no_handle_or_no_request_is_refused(void)
{
	struct floe_server *s = server(NULL);
	struct floe_client *c = client(NULL);
	struct floe_client *other = client(NULL);
	struct floe_server *closed_server = server(NULL);
	struct floe_client *closed = client(NULL);
	struct floe_request taken, copy;
	struct floe_response response = {0};
	struct floe_loan loan = {0};
	uint64_t number;

	floe_client_close(closed);
	floe_server_close(closed_server);
	for (int i = 0; i < 3; i++) {
		struct floe_client *bad = i == 0 ? NULL : i == 1 ? closed : (void *)s;
		struct floe_server *bad_server = i == 0 ? NULL : i == 1 ? closed_server : (void *)c;

		expect_equal(floe_client_loan(bad, 8, &loan), -EINVAL);
		expect_equal(floe_client_send(bad, &loan, FOREVER, NULL), -EINVAL);
		expect_equal(floe_client_take(bad, &response), -EINVAL);
		expect_equal(floe_client_cancel(bad, 1), -EINVAL);
		expect_equal(floe_client_wait(bad, 0), -EINVAL);
		expect_equal(floe_client_wait_for_server(bad, 0), -EINVAL);
		expect_equal(floe_client_fd(bad), -EINVAL);
		floe_client_discard(bad, &loan);
		floe_client_release(bad, &response);
		expect_equal(floe_server_take(bad_server, &taken), -EINVAL);
		expect_equal(floe_server_wait(bad_server, 0), -EINVAL);
		expect_equal(floe_server_fd(bad_server), -EINVAL);
	}
	floe_client_close(NULL);
	floe_server_close(NULL);
	expect_equal(floe_client_loan(c, 0, &loan), -EINVAL);
	expect_equal(floe_client_loan(c, 65537, &loan), -EINVAL);
	expect_equal(floe_client_loan(c, 8, NULL), -EINVAL);
	expect_equal(floe_client_take(c, NULL), -EINVAL);
	expect_equal(floe_client_cancel(c, 0), -EINVAL);
	expect_equal(floe_client_cancel(c, UINT64_MAX), -EINVAL);
	expect_equal(floe_server_take(s, NULL), -EINVAL);

	expect_equal(floe_client_loan(c, 8, &loan), 1);
	expect_equal(floe_client_send(other, &loan, FOREVER, NULL), -EINVAL);
	floe_client_discard(other, &loan);
	expect_equal(floe_client_send(c, &loan, FOREVER, &number), 1);
	expect_equal(floe_client_cancel(other, number), -EINVAL);
	expect_equal(floe_server_wait(s, FOREVER), 1);
	expect_equal(floe_server_take(s, &taken), 1);
	copy = taken;
	expect_equal(floe_server_end(s, &taken, 1), -EINVAL);
	expect_equal(floe_server_end(s, NULL, 0), -EINVAL);
	expect_equal(floe_server_loan(s, &taken, 65537, &loan), -EINVAL);
	expect_equal(floe_server_send(s, &taken, &loan, 0), -EINVAL);
	expect_equal(floe_server_end(s, &taken, 0), 0);
	expect_equal(floe_server_end(s, &copy, 0), -EINVAL);
	expect_equal(floe_server_is_wanted(s, &copy), -EINVAL);
	expect_equal(floe_server_loan(s, &copy, 8, &loan), -EINVAL);

	floe_client_close(other);
	floe_client_close(c);
	floe_server_close(s);
}

static void what_does_not_fit_is_refused_with_a_sentence(void)
{
	struct floe_type a = {.name = "A", .size = 8};
	struct floe_type b = {.name = "B", .size = 8};
	struct floe_type b16 = {.name = "B", .size = 16};
	struct floe_error error;
	struct floe_server *s = server(SERVER(.request = &a, .response = &b));
	struct floe_client *c = client(CLIENT(.request = &a, .response = &b));
	struct floe_client *bad = NULL;
	struct floe_server *bad_server = NULL;

	expect_equal(floe_client_open(&bad, "sum",
				      CLIENT(.request = &a, .response = &a, .error = &error)),
		     -EPROTOTYPE);
	expect(strstr(error.text, "'A -> A'"));
	expect(strstr(error.text, "'A -> B'"));
	expect_equal(floe_client_open(&bad, "sum",
				      CLIENT(.request = &a, .response = &b16, .error = &error)),
		     -EPROTOTYPE);
	expect_equal(floe_server_open(&bad_server, "sum",
				      SERVER(.request = &b, .response = &a, .error = &error)),
		     -EPROTOTYPE);
	expect(strstr(error.text, "'B -> A'"));
	expect_equal(floe_server_open(&bad_server, "sum", SERVER(.request = &a, .error = &error)),
		     -EINVAL);
	expect(error.text[0]);
	expect_equal(floe_client_open(&bad, "a/b", CLIENT(.error = &error)), -EINVAL);
	expect(error.text[0]);
	expect_equal(floe_client_open(&bad, "sum", CLIENT(.active_max = 256, .error = &error)),
		     -EINVAL);
	expect(strstr(error.text, "active_max"));
	expect_equal(floe_client_open(NULL, "sum", NULL), -EINVAL);
	expect_equal(floe_client_open(&bad, NULL, NULL), -EINVAL);
	expect_equal(floe_server_open(NULL, "sum", NULL), -EINVAL);
	expect(!bad);
	expect(!bad_server);
	expect_equal(client_counts(c).servers, 1);

	floe_client_close(c);
	floe_server_close(s);
	expect_folder_empty();
}

/*
 * Another process
 */

/* Answers each request with its own bytes; the first byte tells what else is wanted. */
static void echo(int wire, void *argument)
{
	struct floe_server *s = server(argument);
	struct floe_request taken;
	struct floe_loan loan;

	tell(wire, 1);
	for (;;) {
		expect_equal(floe_server_wait(s, FOREVER), 1);
		if (floe_server_take(s, &taken) != 1)
			continue;
		if (*(const char *)taken.data == 'x')
			break;
		expect_equal(floe_server_loan(s, &taken, taken.size, &loan), 1);
		memcpy(loan.data, taken.data, taken.size);
		expect_equal(floe_server_send(s, &taken, &loan, 0), 1);
	}
	expect_equal(floe_server_end(s, &taken, -EOWNERDEAD), 0);
	floe_server_close(s);
}

static uint64_t say(struct floe_client *c, const char *text)
{
	struct floe_loan loan;
	uint64_t number;

	expect_equal(floe_client_loan(c, strlen(text) + 1, &loan), 1);
	memcpy(loan.data, text, loan.size);
	expect_equal(floe_client_send(c, &loan, FOREVER, &number), 1);
	return number;
}

static void another_process_answers(void)
{
	struct peer peer = peer_start(echo, SERVER(.spin_ns = 1));
	struct floe_client *c = client(CLIENT(.spin_ns = 1));
	struct floe_response response;

	expect_equal(floe_client_wait_for_server(c, FOREVER), 1);
	hear(peer.wire);
	for (int i = 0; i < 2000; i++) {
		response = outcome(c, say(c, "hello"), 0);
		expect(!strcmp(response.data, "hello"));
		floe_client_release(c, &response);
	}
	expect_end(c, say(c, "x"), -EOWNERDEAD);
	peer_end(&peer);
	floe_client_close(c);
	expect_folder_empty();
}

static void take_and_sleep(int wire, void *argument)
{
	struct floe_server *s = server(argument);
	struct floe_request taken;

	tell(wire, 1);
	expect_equal(floe_server_wait(s, FOREVER), 1);
	expect_equal(floe_server_take(s, &taken), 1);
	expect_equal(respond(s, &taken, CHUNK, 7, 1), 1);
	tell(wire, 2);
	hear(wire);
}

/* True: it did not take longer than a client looks for itself a few times. */
static bool a_death_ends_every_request_soon(void)
{
	struct peer peer = peer_start(take_and_sleep, NULL);
	struct floe_client *c = client(NULL);
	struct floe_loan lent;
	int64_t killed, took;
	uint64_t begun, untaken;

	hear(peer.wire);
	begun = request(c, CHUNK, 1);
	untaken = request(c, CHUNK, 2);
	expect_equal(floe_client_loan(c, 8, &lent), 1);
	hear(peer.wire);
	peer_kill(&peer);
	killed = now_ns();
	/* What it sent before comes first. */
	expect_response(c, begun, CHUNK, 7, 1);
	expect_end(c, begun, -EPIPE);
	expect_end(c, untaken, -EPIPE);
	took = now_ns() - killed;
	expect_silence(c);
	expect_equal(floe_client_send(c, &lent, FOREVER, NULL), -EPIPE);
	floe_client_discard(c, &lent);
	expect_equal(client_counts(c).active, 0);
	expect_equal(floe_client_loan(c, 8, &(struct floe_loan){0}), -ENOTCONN);
	floe_client_close(c);
	expect_folder_empty();
	return took < 2 * SECONDS;
}

/* A busy machine may be late, but not again and again. */
static void a_servers_death_ends_every_request_at_once(void)
{
	for (int i = 0; i < 5; i++)
		if (a_death_ends_every_request_soon())
			return;
	expect(false && "ended at once");
}

static void kill_when_asleep(int wire, void *argument)
{
	pid_t waits = (pid_t)hear(wire);
	pid_t dies = *(pid_t *)argument;

	until_asleep(waits);
	kill(dies, SIGKILL);
	hear(wire);
}

static void a_client_that_sleeps_is_told_of_its_servers_death(void)
{
	struct peer peer = peer_start(take_and_sleep, NULL);
	struct peer killer = peer_start(kill_when_asleep, &peer.pid);
	struct floe_client *c = client(CLIENT(.spin_ns = 1));
	struct floe_response response;
	uint64_t begun;

	hear(peer.wire);
	begun = request(c, CHUNK, 1);
	hear(peer.wire);
	expect_response(c, begun, CHUNK, 7, 1);
	tell(killer.wire, (uint64_t)getpid());
	expect_equal(floe_client_wait(c, FOREVER), 1);
	expect_equal(floe_client_take(c, &response), 1);
	expect_equal(response.request, begun);
	expect_equal(response.status, -EPIPE);
	tell(killer.wire, 1);
	peer_end(&killer);
	peer_kill(&peer);
	floe_client_close(c);
}

/* Nobody has looked since it died, but its omen speaks; who has looked just before does so a moment later. */
static void nothing_is_lent_for_a_server_that_is_dead(void)
{
	struct peer peer = peer_start(echo, NULL);
	struct floe_client *c = client(NULL);
	struct floe_response response;
	struct floe_loan loan;

	hear(peer.wire);
	response = outcome(c, say(c, "hello"), 0);
	floe_client_release(c, &response);
	expect_equal(floe_client_loan(c, 8, &loan), 1);
	floe_client_discard(c, &loan);
	peer_kill(&peer);
	while (floe_client_loan(c, 8, &loan) == 1)
		floe_client_discard(c, &loan);
	expect_equal(floe_client_loan(c, 8, &loan), -ENOTCONN);
	floe_client_close(c);
}

static void a_stopped_server_is_not_dead(void)
{
	struct peer peer = peer_start(echo, NULL);
	struct floe_client *c = client(NULL);
	uint64_t number;

	hear(peer.wire);
	kill(peer.pid, SIGSTOP);
	number = say(c, "hello");
	expect_equal(floe_client_wait(c, now_ns() + 100 * MILLISECONDS), 0);
	expect_silence(c);
	kill(peer.pid, SIGCONT);
	outcome(c, number, 0);
	expect_end(c, say(c, "x"), -EOWNERDEAD);
	peer_end(&peer);
	floe_client_close(c);
}

static void ask_and_sleep(int wire, void *argument)
{
	struct floe_client *c;

	hear(wire);
	c = client(argument);
	request(c, CHUNK, 1);
	request(c, CHUNK, 2);
	tell(wire, 1);
	hear(wire);
}

/* What a server does that waits for requests. */
static void look_around(struct floe_server *s)
{
	struct floe_request taken;

	floe_server_wait(s, now_ns() + 2 * MILLISECONDS);
	if (floe_server_take(s, &taken) == 1)
		expect_equal(floe_server_end(s, &taken, 0), 0);
}

static void a_clients_death_frees_what_its_server_holds(void)
{
	struct peer peer = peer_start(ask_and_sleep, NULL);
	struct floe_server *s = server(NULL);
	size_t before = folder_count_files();
	struct floe_request taken;

	ask(peer.wire, 1);
	taken = accept_request(s, CHUNK, 1);
	peer_kill(&peer);
	while (floe_server_is_wanted(s, &taken) == 1)
		look_around(s);
	expect_equal(floe_server_is_wanted(s, &taken), -EPIPE);
	expect(is_filled(taken.data, CHUNK, 1));
	expect_equal(floe_server_end(s, &taken, 0), 0);
	while (server_counts(s).clients || folder_count_files() > before)
		look_around(s);
	floe_server_close(s);
}

static void what_a_dead_client_asked_is_not_begun(void)
{
	struct peer peer = peer_start(ask_and_sleep, NULL);
	struct floe_server *s = server(NULL);
	struct floe_request taken;
	struct floe_loan loan;

	ask(peer.wire, 1);
	taken = accept_request(s, CHUNK, 1);
	expect_equal(floe_server_loan(s, &taken, 8, &loan), 1);
	peer_kill(&peer);
	while (server_counts(s).clients)
		usleep(1000);
	expect_equal(floe_server_take(s, &(struct floe_request){0}), 0);
	expect_equal(floe_server_send(s, &taken, &loan, 0), -EPIPE);
	expect_equal(server_counts(s).active, 0);
	floe_server_close(s);
	expect_folder_empty();
}

#define FLOOD 200
#define TAKES 64 /* that find something, until a server looks around */

/* Asks as much as it can, and reads nothing. */
static void ask_a_flood(int wire, void *argument)
{
	struct floe_client *c;

	(void)argument;
	(void)hear(wire);
	c = client(CLIENT(.active_max = FLOOD));
	for (uint64_t i = 0; i < FLOOD; i++)
		request(c, 8, i);
	tell(wire, 1);
	(void)hear(wire);
}

/* So many requests, or as many as there are. */
static unsigned serve(struct floe_server *s, unsigned count)
{
	struct floe_request taken;
	unsigned served = 0;

	while (served < count && floe_server_take(s, &taken) == 1) {
		expect_equal(floe_server_end(s, &taken, 0), 0);
		served++;
	}
	return served;
}

/* Of what is left only little is begun. */
static void end_flood(struct floe_server *s, struct peer *peer)
{
	peer_kill(peer);
	/* Who has just been looked at is not looked at again. */
	usleep(2000);
	expect(serve(s, FLOOD) <= TAKES);
	floe_server_close(s);
}

/* Who finds a request at each take looks now and then at what else there is to see to. */
static void a_flood_hides_no_death(void)
{
	struct peer peer = peer_start(ask_a_flood, NULL);
	struct floe_server *s = server(NULL);

	ask(peer.wire, 1);
	expect_equal(serve(s, 1), 1);
	end_flood(s, &peer);
	expect_folder_empty();
}

/* The server reads at its next take who is there, and finds nobody new. */
static void come_and_go(void)
{
	struct floe_client *c = client(NULL);
	struct floe_loan loan;

	expect_equal(floe_client_loan(c, 8, &loan), 1);
	floe_client_discard(c, &loan);
	floe_client_close(c);
}

/* Every other take is one that reads who is there, the even ones or the odd ones: it counts as well. */
static void a_flood_hides_no_death_while_others_come_and_go(void)
{
	for (unsigned first = 1; first <= 2; first++) {
		struct peer peer = peer_start(ask_a_flood, NULL);
		struct floe_server *s = server(NULL);

		ask(peer.wire, 1);
		expect_equal(serve(s, first), first);
		for (unsigned i = 0; i <= TAKES / 2; i++) {
			come_and_go();
			expect_equal(serve(s, 2), 2);
		}
		end_flood(s, &peer);
	}
	expect_folder_empty();
}

static void a_descriptor_is_readable_while_there_is_something(void)
{
	struct floe_server *s = server(NULL);
	struct floe_client *c = client(NULL);
	struct pollfd client_fd = {.fd = floe_client_fd(c), .events = POLLIN};
	struct pollfd server_fd = {.fd = floe_server_fd(s), .events = POLLIN};
	struct floe_request taken;
	uint64_t number;

	expect(client_fd.fd >= 0);
	expect_equal(floe_client_fd(c), client_fd.fd);
	for (unsigned i = 0; i < 100; i++) {
		number = request(c, CHUNK, i);
		expect_equal(poll(&server_fd, 1, 60000), 1);
		while (floe_server_take(s, &taken) != 1)
			expect_equal(poll(&server_fd, 1, 60000), 1);
		expect_equal(respond(s, &taken, CHUNK, i, 0), 1);
		expect_equal(poll(&client_fd, 1, 60000), 1);
		expect_response(c, number, CHUNK, i, 0);
		expect_silence(c);
	}
	request(c, CHUNK, 1);
	floe_server_close(s);
	expect_equal(poll(&client_fd, 1, 60000), 1);
	floe_client_close(c);
}

static void use_what_is_the_parents(int wire, void *argument)
{
	void *const *handles = argument;
	struct floe_response response;
	struct floe_request request;
	struct floe_loan loan;

	(void)wire;
	expect_equal(floe_client_loan(handles[0], 8, &loan), -EINVAL);
	expect_equal(floe_client_take(handles[0], &response), -EINVAL);
	expect_equal(floe_client_wait(handles[0], -1), -EINVAL);
	expect_equal(floe_client_fd(handles[0]), -EINVAL);
	expect_equal(floe_server_take(handles[1], &request), -EINVAL);
	expect_equal(floe_server_wait(handles[1], -1), -EINVAL);
	expect_equal(floe_server_fd(handles[1]), -EINVAL);
	floe_client_close(handles[0]);
	floe_server_close(handles[1]);
}

static void a_child_after_fork_is_refused(void)
{
	struct floe_server *s = server(NULL);
	struct floe_client *c = client(NULL);
	void *handles[] = {c, s};
	struct peer peer = peer_start(use_what_is_the_parents, handles);

	peer_end(&peer);
	expect_equal(floe_client_wait_for_server(c, now_ns() + 60 * SECONDS), 1);
	(void)request_until(c, CHUNK, 1, -1);
	(void)accept_request(s, CHUNK, 1);
	floe_client_close(c);
	floe_server_close(s);
}

/*
 * Memory
 */

/* Bytes of tmpfs that the rings take on topics whose names begin so. */
static uint64_t memory_of(const char *prefix)
{
	static struct floe_topic_info info[8];
	struct floe_view *view;
	uint64_t memory = 0;
	int count;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	count = floe_view_topics(view, info, sizeof(info[0]), COUNT(info));
	floe_view_close(view);
	expect(count <= (int)COUNT(info));
	for (int i = 0; i < count; i++)
		if (!strncmp(info[i].name, prefix, strlen(prefix)))
			memory += info[i].memory;
	return memory;
}

static uint64_t memory_of_this_process(void)
{
	struct floe_node_info info;
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_view_nodes(view, &info, sizeof(info), 1), 1);
	floe_view_close(view);
	return info.memory;
}

static uint64_t in_pages(ssize_t bytes)
{
	ssize_t page = sysconf(_SC_PAGESIZE);

	expect(bytes > 0);
	return (uint64_t)((bytes + page - 1) / page * page);
}

static void expect_memory_as_told(const struct floe_client_options *asks,
				  const struct floe_server_options *answers)
{
	struct floe_server *s = server(answers);
	struct floe_client *c = client(asks);
	uint64_t number = request(c, 1, 1);
	struct floe_request taken = accept_request(s, 1, 1);

	expect_equal(respond(s, &taken, 1, 2, 0), 1);
	expect_response(c, number, 1, 2, 0);
	expect_equal(memory_of("sum@server."),
		     in_pages(floe_client_memory_size(asks, 1) - floe_client_memory_size(asks, 0)));
	expect_equal(memory_of("sum@client."), in_pages(floe_server_memory_size(answers, 1) -
							floe_server_memory_size(answers, 0)));
	expect_equal(memory_of("sum@service"),
		     in_pages(floe_server_memory_size(answers, 0) -
			      floe_subscriber_memory_size(SUBSCRIBER(.holds_max = 8))));
	floe_client_close(c);
	floe_server_close(s);
}

/* Of many sizes, so that one line more or less is a page more or less with some of them. */
static void rings_take_the_memory_that_is_told(void)
{
	static const size_t payloads[] = {1, 48, 49, 64, 300, 1000, 1024, 5000, 65536};

	for (size_t i = 0; i < COUNT(payloads); i++)
		for (size_t k = 1; k <= 16; k += 3)
			expect_memory_as_told(
				CLIENT(.payload_max = payloads[i], .loans_max = k),
				SERVER(.payload_max = payloads[i], .responses_max = k));
}

/* What a client has in the file of its process is less than a page, so that it takes many to see it. */
static void places_take_the_memory_that_is_told(void)
{
	static struct floe_client *clients[250];
	int64_t page = sysconf(_SC_PAGESIZE);
	int64_t told = 200 * (int64_t)floe_client_memory_size(NULL, 0);
	uint64_t before = 0;
	int64_t taken;

	for (size_t i = 0; i < COUNT(clients); i++) {
		if (i == 50)
			before = memory_of_this_process();
		clients[i] = client(NULL);
	}
	taken = (int64_t)(memory_of_this_process() - before);
	/* A line of each client more would be three pages. */
	expect(taken > told - page && taken < told + page);
	for (size_t i = 0; i < COUNT(clients); i++)
		floe_client_close(clients[i]);
	expect_equal(floe_client_memory_size(NULL, FLOE_SERVERS_MAX + 1), -EINVAL);
	expect_equal(floe_server_memory_size(NULL, FLOE_CLIENTS_MAX + 1), -EINVAL);
}

/*
 * What a client costs others: nothing, for what flows between it and its server nobody else reads
 */

#define CROWD_MAX 60 /* of FLOE_CLIENTS_MAX */
#define TRIPS 8
#define COUNTED_TRIPS 3
#define SLEEPS 20

static void answer_next(struct floe_server *s)
{
	struct floe_request taken;

	expect_equal(floe_server_wait(s, now_ns() + 60 * SECONDS), 1);
	while (floe_server_take(s, &taken) != 1)
		;
	expect_equal(respond(s, &taken, CHUNK, 2, 0), 1);
}

/* A server and so many clients of it, which ask and are answered whenever somebody else has asked. */
static void serve_a_crowd(int wire, void *argument)
{
	struct floe_client *crowd[CROWD_MAX];
	struct floe_server *s = server(NULL);
	int count = *(const int *)argument;
	uint64_t number[CROWD_MAX];

	for (int i = 0; i < count; i++)
		crowd[i] = client(NULL);
	tell(wire, 1);
	for (;;) {
		(void)hear(wire);
		for (int i = 0; i < count; i++)
			number[i] = request(crowd[i], CHUNK, 1);
		for (int i = 0; i <= count; i++)
			answer_next(s);
		for (int i = 0; i < count; i++)
			expect_response(crowd[i], number[i], CHUNK, 2, 0);
		tell(wire, 1);
	}
}

struct asking_one {
	struct floe_client *client;
	int wire;
};

static void *open_one(const void *argument)
{
	static struct asking_one one;

	one.client = client(NULL);
	one.wire = *(const int *)argument;
	return &one;
}

/* It is told when the response is there, so that nothing is looked for. */
static void ask_in_a_crowd(void *state)
{
	const struct asking_one *one = state;
	struct floe_response response;

	for (int i = 0; i < COUNTED_TRIPS; i++) {
		(void)request(one->client, CHUNK, 1);
		tell(one->wire, 1);
		(void)hear(one->wire);
		expect_equal(floe_client_take(one->client, &response), 1);
		floe_client_release(one->client, &response);
		expect_equal(floe_client_take(one->client, &response), 0);
	}
}

static uint64_t count_steps_in_a_crowd(int count)
{
	static const struct counted_work work = {open_one, ask_in_a_crowd};
	struct peer peer = peer_start(serve_a_crowd, &count);
	uint64_t steps;

	expect_equal(hear(peer.wire), 1);
	steps = counted_steps(&work, &peer.wire);
	peer_kill(&peer);
	return steps;
}

static void what_a_round_trip_costs_does_not_depend_on_how_many_others_ask(void)
{
	uint64_t few = count_steps_in_a_crowd(1);
	uint64_t many = count_steps_in_a_crowd(CROWD_MAX);

	printf("# %llu instructions beside one other client, %llu beside %d\n",
	       (unsigned long long)few, (unsigned long long)many, CROWD_MAX);
	expect(few > COUNTED_TRIPS);
	expect_equal(many, few);
}

/* It has met its server, and sleeps on all that can come of it. */
static void ask_and_sleep_on(int wire, void *argument)
{
	struct floe_client *c;

	(void)argument;
	(void)hear(wire);
	c = client(NULL);
	expect_response(c, request(c, CHUNK, 1), CHUNK, 2, 0);
	(void)request(c, CHUNK, 1);
	(void)floe_client_wait(c, FOREVER);
}

/* How often it has gone to sleep. */
static unsigned long count_sleeps(pid_t pid)
{
	static const char key[] = "\nvoluntary_ctxt_switches:";
	char path[64], text[4096];
	const char *found;
	size_t size;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	expect(file);
	size = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[size] = 0;
	found = strstr(text, key);
	expect(found);
	return strtoul(found + sizeof(key) - 1, NULL, 10);
}

static void ask_and_answer(struct floe_client *c, struct floe_server *s)
{
	for (int i = 0; i < TRIPS; i++) {
		uint64_t number = request(c, CHUNK, 1);

		answer_next(s);
		expect_response(c, number, CHUNK, 2, 0);
	}
}

/* Who is woken has slept once more when he sleeps again; so has who looks for himself, twice a second. */
static void a_round_trip_wakes_no_other_client(void)
{
	struct peer peer = peer_start(ask_and_sleep_on, NULL);
	struct floe_server *s = server(NULL);
	struct floe_request taken;
	struct floe_client *c;
	unsigned long sleeps, looks;
	int64_t begin_ns;

	tell(peer.wire, 1);
	answer_next(s);
	taken = accept_request(s, CHUNK, 1);
	c = client(NULL);
	ask_and_answer(c, s);
	until_asleep(peer.pid);
	begin_ns = now_ns();
	sleeps = count_sleeps(peer.pid);
	for (int i = 0; i < SLEEPS; i++) {
		ask_and_answer(c, s);
		until_asleep(peer.pid);
	}
	sleeps = count_sleeps(peer.pid) - sleeps;
	looks = (unsigned long)((now_ns() - begin_ns) / (SECONDS / 2)) + 1;
	printf("# %lu sleeps, %lu looks\n", sleeps, looks);
	expect(sleeps <= 2 * looks);
	peer_kill(&peer);
	expect_equal(floe_server_end(s, &taken, 0), 0);
	floe_client_close(c);
	floe_server_close(s);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_response_comes_back_to_who_asked),
		TEST(responses_come_in_any_order_and_each_finds_its_request),
		TEST(a_stream_ends_with_its_last_response),
		TEST(an_end_needs_no_payload_and_no_chunk),
		TEST(an_end_comes_where_no_chunk_is_left),
		TEST(a_client_that_does_not_read_costs_a_bounded_ring),
		TEST(a_server_that_never_answers_costs_a_deadline),
		TEST(a_stream_hides_no_deadline),
		TEST(cancel_ends_a_request_at_once_and_tells_its_server),
		TEST(requests_go_to_the_server_that_has_fewest),
		TEST(among_equals_servers_take_turns),
		TEST(a_server_that_comes_is_asked_next),
		TEST(a_server_that_leaves_ends_what_it_has),
		TEST(a_client_that_leaves_frees_what_its_server_held),
		TEST(limits_are_outcomes),
		TEST(a_request_has_one_response_on_loan),
		TEST(what_is_no_handle_or_no_request_is_refused),
		TEST(what_does_not_fit_is_refused_with_a_sentence),
		TEST(another_process_answers),
		TEST(a_servers_death_ends_every_request_at_once),
		TEST(a_client_that_sleeps_is_told_of_its_servers_death),
		TEST(nothing_is_lent_for_a_server_that_is_dead),
		TEST(a_stopped_server_is_not_dead),
		TEST(a_clients_death_frees_what_its_server_holds),
		TEST(what_a_dead_client_asked_is_not_begun),
		TEST(a_flood_hides_no_death),
		TEST(a_flood_hides_no_death_while_others_come_and_go),
		TEST(a_descriptor_is_readable_while_there_is_something),
		TEST(a_child_after_fork_is_refused),
		TEST(rings_take_the_memory_that_is_told),
		TEST(places_take_the_memory_that_is_told),
		TEST(what_a_round_trip_costs_does_not_depend_on_how_many_others_ask),
		TEST(a_round_trip_wakes_no_other_client),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
