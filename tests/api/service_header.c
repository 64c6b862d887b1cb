/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Headers of requests and responses: each goes with its payload by whatever way, and is a byte of nothing
 * else; who wants one and who sends none, or another, do not come together.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <floe/inspect.h>
#include <floe/service.h>

#include "folder.h"
#include "forbidden.h"
#include "peer.h"
#include "steps.h"

#define CHUNK 1000
#define SECONDS ((int64_t)1000000000)

static const struct floe_type question = {
	.name = "question", .size = 24, .alignment = 8, .hash = 7};
static const struct floe_type answer = {.name = "answer", .size = 100, .alignment = 8, .hash = 8};

static int open_client(struct floe_client **ret, const struct floe_type *request,
		       const struct floe_type *response, struct floe_error *error)
{
	const struct floe_client_options o = {.size = sizeof(o),
					      .request_header = request,
					      .response_header = response,
					      .payload_max = CHUNK,
					      .error = error};

	return floe_client_open(ret, "sum", &o);
}

static int open_server(struct floe_server **ret, const struct floe_type *request,
		       const struct floe_type *response, struct floe_error *error)
{
	const struct floe_server_options o = {.size = sizeof(o),
					      .request_header = request,
					      .response_header = response,
					      .payload_max = CHUNK,
					      .error = error};

	return floe_server_open(ret, "sum", &o);
}

/* One of each, with headers of these sizes; 0: none. */
struct pair {
	struct floe_client *client;
	struct floe_server *server;
	size_t request, response;
};

static struct pair open_pair(size_t request, size_t response)
{
	const struct floe_type asks = {.size = request}, answers = {.size = response};
	struct pair p = {.request = request, .response = response};

	expect_equal(
		open_server(&p.server, request ? &asks : NULL, response ? &answers : NULL, NULL),
		0);
	expect_equal(
		open_client(&p.client, request ? &asks : NULL, response ? &answers : NULL, NULL),
		0);
	return p;
}

static void close_pair(struct pair *p)
{
	floe_client_close(p->client);
	floe_server_close(p->server);
	expect_folder_empty();
}

/* Header first, payload last, and then the header is still the same: neither lies in the other. */
static void write_both(void *header, size_t header_size, const struct floe_loan *loan,
		       uint64_t seed)
{
	expect(!header == !header_size);
	if (header)
		fill(header, header_size, ~seed);
	fill(loan->data, loan->size, seed);
	expect(!header || is_filled(header, header_size, ~seed));
	expect((uintptr_t)header % 8 == 0);
}

static void read_both(const void *header, size_t seen, size_t header_size, const void *data,
		      size_t size, uint64_t seed)
{
	expect_equal(seen, header_size);
	expect(!header == !header_size);
	expect(!header || is_filled(header, header_size, ~seed));
	expect(is_filled(data, size, seed));
}

static struct floe_loan lend(const struct pair *p, size_t size, uint64_t seed)
{
	struct floe_loan loan;

	expect_equal(floe_client_loan(p->client, size, &loan), 1);
	write_both(floe_client_loan_header(p->client, &loan), p->request, &loan, seed);
	return loan;
}

static uint64_t ask_with(const struct pair *p, size_t size, uint64_t seed)
{
	struct floe_loan loan = lend(p, size, seed);
	struct floe_loan sent = loan;
	uint64_t number = 0;

	expect_equal(floe_client_send(p->client, &loan, -1, &number), 1);
	expect(!floe_client_loan_header(p->client, &loan));
	expect(!floe_client_loan_header(p->client, &sent));
	return number;
}

static void expect_request(const struct pair *p, const struct floe_request *request, size_t size,
			   uint64_t seed)
{
	size_t seen = 1;
	const void *header = floe_server_request_header(p->server, request, &seen);

	expect_equal(request->size, size);
	expect(floe_server_request_header(p->server, request, NULL) == header);
	read_both(header, seen, p->request, request->data, size, seed);
}

static struct floe_request take_request(const struct pair *p, size_t size, uint64_t seed)
{
	struct floe_request request;

	expect_equal(floe_server_wait(p->server, now_ns() + 60 * SECONDS), 1);
	expect_equal(floe_server_take(p->server, &request), 1);
	expect_request(p, &request, size, seed);
	return request;
}

static void respond(const struct pair *p, struct floe_request *request, size_t size, uint64_t seed,
		    int more)
{
	struct floe_loan loan, sent;

	expect_equal(floe_server_loan(p->server, request, size, &loan), 1);
	write_both(floe_server_loan_header(p->server, request, &loan), p->response, &loan, seed);
	sent = loan;
	expect_equal(floe_server_send(p->server, request, &loan, more), 1);
	expect(!floe_server_loan_header(p->server, request, &sent));
}

static struct floe_response take_response(const struct pair *p, uint64_t number, size_t size,
					  uint64_t seed, int status)
{
	struct floe_response response;
	const void *header;
	size_t seen = 1;

	expect_equal(floe_client_wait(p->client, now_ns() + 60 * SECONDS), 1);
	expect_equal(floe_client_take(p->client, &response), 1);
	expect_equal(response.request, number);
	expect_equal(response.status, status);
	expect_equal(response.size, size);
	header = floe_client_response_header(p->client, &response, &seen);
	expect(floe_client_response_header(p->client, &response, NULL) == header);
	read_both(header, seen, p->response, response.data, size, seed);
	return response;
}

static void receive_response(const struct pair *p, uint64_t number, size_t size, uint64_t seed,
			     int status)
{
	struct floe_response response = take_response(p, number, size, seed, status);
	struct floe_response gone = response;
	size_t seen = 1;

	floe_client_release(p->client, &response);
	expect(!floe_client_response_header(p->client, &gone, &seen));
	expect_equal(seen, 0);
}

/* All sizes around the limits of slots and chunks, and each ring several times. */
static void go_round(size_t request, size_t response)
{
	static const size_t sizes[] = {1, 7, 8, 24, 31, 40, 41, 47, 48, 49, 64, 65, CHUNK};
	struct pair p = open_pair(request, response);

	for (uint64_t i = 0; i < 3 * COUNT(sizes); i++) {
		size_t size = sizes[i % COUNT(sizes)], back = sizes[i * 5 % COUNT(sizes)];
		uint64_t number = ask_with(&p, size, i);
		struct floe_request taken = take_request(&p, size, i), ended;

		ended = taken;
		respond(&p, &taken, back, i + 100, 0);
		expect(!floe_server_request_header(p.server, &ended, NULL));
		receive_response(&p, number, back, i + 100, 0);
	}
	close_pair(&p);
}

static void a_header_goes_with_each_request_and_each_response(void)
{
	static const size_t sizes[] = {0, 1, 8, 16, 40, 41, 48, 49, 64, 65, 200, FLOE_HEADER_MAX};

	for (size_t i = 0; i < COUNT(sizes); i++)
		for (size_t k = i % 2; k < COUNT(sizes); k += 2)
			go_round(sizes[i], sizes[k]);
}

static void headers_of_several_that_are_out_are_not_confused(void)
{
	static const size_t sizes[] = {8, CHUNK, 48, 49};
	struct pair p = open_pair(question.size, answer.size);
	struct floe_request taken[COUNT(sizes)];
	struct floe_loan loan[COUNT(sizes)];
	uint64_t number[COUNT(sizes)];

	for (size_t i = 0; i < COUNT(sizes); i++)
		loan[i] = lend(&p, sizes[i], i);
	for (size_t i = COUNT(sizes); i-- > 0;)
		expect_equal(floe_client_send(p.client, &loan[i], -1, &number[i]), 1);
	for (size_t i = COUNT(sizes); i-- > 0;)
		taken[i] = take_request(&p, sizes[i], i);
	for (size_t i = 0; i < COUNT(sizes); i++)
		expect_request(&p, &taken[i], sizes[i], i);
	for (size_t i = 0; i < COUNT(sizes); i++)
		respond(&p, &taken[i], sizes[i], i + 10, 0);
	for (size_t i = 0; i < COUNT(sizes); i++)
		receive_response(&p, number[i], sizes[i], i + 10, 0);
	close_pair(&p);
}

/* Several of a stream are held; then it ends with no response, and so with no header. */
static void each_response_of_a_stream_has_its_own(void)
{
	struct pair p = open_pair(question.size, 16);
	uint64_t number = ask_with(&p, 8, 1);
	struct floe_request taken = take_request(&p, 8, 1);
	struct floe_response held[4], end;
	size_t seen = 1;

	for (uint64_t i = 0; i < COUNT(held); i++)
		respond(&p, &taken, i % 2 ? CHUNK : 8, i, 1);
	expect_request(&p, &taken, 8, 1);
	for (uint64_t i = 0; i < COUNT(held); i++)
		held[i] = take_response(&p, number, i % 2 ? CHUNK : 8, i, 1);
	for (uint64_t i = 0; i < COUNT(held); i++) {
		const void *header = floe_client_response_header(p.client, &held[i], NULL);

		expect(header && is_filled(header, 16, ~i));
		floe_client_release(p.client, &held[i]);
	}
	expect_equal(floe_server_end(p.server, &taken, -ENOENT), 0);
	expect_equal(floe_client_take(p.client, &end), 1);
	expect_equal(end.status, -ENOENT);
	expect(!floe_client_response_header(p.client, &end, &seen));
	expect_equal(seen, 0);
	close_pair(&p);
}

static void who_polls_a_descriptor_reads_them_too(void)
{
	struct pair p = open_pair(question.size, answer.size);

	expect(floe_client_fd(p.client) >= 0);
	expect(floe_server_fd(p.server) >= 0);
	for (uint64_t i = 0; i < 20; i++) {
		uint64_t number = ask_with(&p, 8 + i * 5, i);
		struct floe_request taken = take_request(&p, 8 + i * 5, i);

		respond(&p, &taken, 100 - i, i, 0);
		receive_response(&p, number, 100 - i, i, 0);
	}
	close_pair(&p);
}

/*
 * What does not fit
 */

static void refuse_client(const struct floe_type *request, const struct floe_type *response,
			  const char *words)
{
	struct floe_client *client = NULL;
	struct floe_error error = {0};

	expect_equal(open_client(&client, request, response, &error), -EPROTOTYPE);
	expect(strstr(error.text, words));
	expect(!client);
}

static void refuse_server(const struct floe_type *request, const struct floe_type *response,
			  const char *words)
{
	struct floe_server *server = NULL;
	struct floe_error error = {0};

	expect_equal(open_server(&server, request, response, &error), -EPROTOTYPE);
	expect(strstr(error.text, words));
	expect(!server);
}

static const struct floe_type longer = {.name = "question", .size = 32, .alignment = 8, .hash = 7};
static const struct floe_type renewed = {.name = "question", .size = 24, .alignment = 8, .hash = 9};

static const struct floe_type unnamed = {.size = 24};

static void a_client_that_comes_second_is_told_what_does_not_fit(void)
{
	struct floe_server *server;
	struct floe_client *client;

	expect_equal(open_server(&server, &question, &answer, NULL), 0);
	refuse_client(&longer, &answer,
		      "'request.header' is '32 bytes, hash 7, aligned to 8, question' here, "
		      "'24 bytes, hash 7, aligned to 8, question' at publisher 0");
	refuse_client(&renewed, &answer, "'24 bytes, hash 9, aligned to 8, question' here, ");
	refuse_client(&unnamed, &answer, "'24 bytes' here, ");
	refuse_client(&answer, &answer, "'request.header' is '100 bytes");
	refuse_client(&question, &question, "'response.header' is '24 bytes");
	refuse_client(NULL, &answer,
		      "publisher 0 wants the attribute 'request.header', here is none");
	/* It need not look at what a response has beside it. */
	expect_equal(open_client(&client, &question, NULL, NULL), 0);
	floe_client_close(client);
	expect_equal(open_client(&client, &question, &answer, NULL), 0);
	floe_client_close(client);
	floe_server_close(server);

	expect_equal(open_server(&server, NULL, NULL, NULL), 0);
	refuse_client(&question, NULL, "'request.header' is wanted here, publisher 0 has none");
	refuse_client(NULL, &answer, "'response.header' is wanted here, publisher 0 has none");
	floe_server_close(server);
	expect_folder_empty();
}

static void a_server_that_comes_second_is_told_what_does_not_fit(void)
{
	struct floe_server *server;
	struct floe_client *client;

	expect_equal(open_client(&client, &question, &answer, NULL), 0);
	refuse_server(&longer, &answer, "'request.header' is '32 bytes");
	refuse_server(&question, &question, "'response.header' is '24 bytes");
	refuse_server(NULL, &answer, "wants the attribute 'request.header', here is none");
	refuse_server(&question, NULL, "wants the attribute 'response.header', here is none");
	refuse_server(NULL, NULL, "wants the attribute 're");
	floe_client_close(client);

	expect_equal(open_client(&client, NULL, &answer, NULL), 0);
	refuse_server(&question, &answer,
		      "the attribute 'request.header' is wanted here, subscriber");
	floe_client_close(client);

	expect_equal(open_server(&server, &question, NULL, NULL), 0);
	refuse_server(&longer, NULL, "'request.header' is '32 bytes");
	floe_server_close(server);
	expect_folder_empty();
}

static void expect_explained(struct floe_client *client, const char *words)
{
	struct floe_error error = {0};

	expect_equal(floe_client_explain(client, &error), 1);
	if (!strstr(error.text, words))
		(void)fprintf(stderr, "# %s\n", error.text);
	expect(strstr(error.text, words));
}

/* Who names nothing is not compared; it is found out when it asks. */
static void who_says_nothing_is_told_when_it_asks(void)
{
	struct floe_server *server, *plain;
	struct floe_client *client;
	struct floe_loan loan;

	expect_equal(open_client(&client, NULL, NULL, NULL), 0);
	expect_equal(floe_client_explain(client, &(struct floe_error){0}), 0);
	expect_equal(floe_client_explain(client, NULL), -EINVAL);
	expect_equal(floe_client_explain(NULL, &(struct floe_error){0}), -EINVAL);
	expect_equal(open_server(&server, &question, &answer, NULL), 0);
	expect_equal(floe_client_loan(client, 8, &loan), -EPROTOTYPE);
	expect_explained(client, "wants a header of 24 bytes, here is none");
	expect_equal(open_server(&plain, NULL, NULL, NULL), 0);
	expect_equal(floe_client_loan(client, 8, &loan), 1);
	expect(!floe_client_loan_header(client, &loan));
	floe_client_discard(client, &loan);
	/* It is told each time, and not asked again. */
	floe_server_close(plain);
	expect_equal(floe_client_loan(client, 8, &loan), -EPROTOTYPE);
	expect_explained(client, "'sum@server.");
	expect_explained(client, "wants a header of 24 bytes, here is none");
	floe_server_close(server);
	expect_equal(floe_client_loan(client, 8, &loan), -ENOTCONN);
	expect_explained(client, "no server of 'sum' is there");
	floe_client_close(client);
	expect_folder_empty();
}

/* Making a ring for it would need memory. */
static void who_refuses_is_not_asked_again(void)
{
	struct floe_server *server, *plain;
	struct floe_client *client;
	struct floe_loan loan;

	expect_equal(open_client(&client, NULL, NULL, NULL), 0);
	expect_equal(open_server(&server, &question, NULL, NULL), 0);
	expect_equal(floe_client_loan(client, 8, &loan), -EPROTOTYPE);
	expect_equal(open_server(&plain, NULL, NULL, NULL), 0);
	expect_equal(floe_client_loan(client, 8, &loan), 1);
	floe_client_discard(client, &loan);
	floe_server_close(plain);
	forbid(SYS_fallocate, ENOSPC);
	expect_equal(floe_client_loan(client, 8, &loan), -EPROTOTYPE);
	floe_server_close(server);
	expect_equal(floe_client_loan(client, 8, &loan), -ENOTCONN);
	floe_client_close(client);
	expect_folder_empty();
}

/* Nobody wants it, and who looks finds it with its size. */
static void what_nobody_asked_for_can_be_read(void)
{
	struct pair p = {.response = answer.size};
	struct floe_request taken;
	uint64_t number;

	expect_equal(open_server(&p.server, NULL, &answer, NULL), 0);
	expect_equal(open_client(&p.client, NULL, NULL, NULL), 0);
	number = ask_with(&p, 8, 1);
	taken = take_request(&p, 8, 1);
	respond(&p, &taken, 8, 2, 0);
	receive_response(&p, number, 8, 2, 0);
	close_pair(&p);
}

static void what_is_no_header_is_refused(void)
{
	static const struct floe_type empty = {.name = "empty"};
	static const struct floe_type large = {.size = FLOE_HEADER_MAX + 1};
	static const struct floe_type odd = {.size = 8, .alignment = 3};
	const struct floe_type *bad[] = {&empty, &large, &odd};
	struct floe_client *client = NULL;
	struct floe_server *server = NULL;

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct floe_error error = {0};

		expect_equal(open_client(&client, bad[i], NULL, &error), -EINVAL);
		expect(strstr(error.text, "header"));
		expect_equal(open_client(&client, NULL, bad[i], NULL), -EINVAL);
		expect_equal(open_server(&server, bad[i], NULL, NULL), -EINVAL);
		expect_equal(open_server(&server, NULL, bad[i], NULL), -EINVAL);
	}
	expect(!client && !server);
	expect_folder_empty();
}

/* Each header is one of the attributes, and has a key of its own. */
static void headers_are_attributes(void)
{
	static const struct floe_attribute seven[] = {
		{"1", "1"}, {"2", "2"}, {"3", "3"}, {"4", "4"}, {"5", "5"}, {"6", "6"}, {"7", "7"}};
	struct floe_attribute_info info[FLOE_ATTRIBUTES_MAX];
	struct floe_error error = {0};
	struct floe_server_options o = {.size = sizeof(o),
					.request_header = &question,
					.response_header = &answer,
					.attributes = seven,
					.attributes_count = 7,
					.error = &error};
	struct floe_server *server = NULL;
	struct floe_view *view;

	expect_equal(floe_server_open(&server, "sum", &o), -EINVAL);
	expect(strstr(error.text, "each header is one"));
	expect_equal(floe_server_memory_size(&o, 0), -EINVAL);
	o.attributes = seven;
	o.attributes_count = 6;
	expect_equal(floe_server_open(&server, "sum", &o), 0);
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_view_attributes(view, "sum@service", 0, info, sizeof(info[0]), 8), 8);
	expect(!strcmp(info[7].key, "response.header"));
	expect(!strcmp(info[7].value, "100 bytes, hash 8, aligned to 8, answer"));
	floe_view_close(view);
	floe_server_close(server);
	expect_folder_empty();
}

static void nobody_else_says_what_a_header_is(void)
{
	static const struct floe_attribute own[] = {{"request.header", "24 bytes"},
						    {"response.header", "24 bytes"}};

	for (size_t i = 0; i < COUNT(own); i++) {
		struct floe_error error = {0};
		struct floe_server_options s = {.size = sizeof(s),
						.attributes = &own[i],
						.attributes_count = 1,
						.error = &error};
		struct floe_client_options c = {.size = sizeof(c),
						.attributes = &own[i],
						.attributes_count = 1,
						.error = &error};
		struct floe_server *server = NULL;
		struct floe_client *client = NULL;

		expect_equal(floe_server_open(&server, "sum", &s), -EINVAL);
		expect(strstr(error.text, own[i].key));
		error = (struct floe_error){0};
		expect_equal(floe_client_open(&client, "sum", &c), -EINVAL);
		expect(strstr(error.text, own[i].key));
		expect_equal(floe_server_memory_size(&s, 1), -EINVAL);
		expect_equal(floe_client_memory_size(&c, 1), -EINVAL);
		expect(!server && !client);
	}
	expect_folder_empty();
}

/*
 * What is none of ours
 */

static void a_header_is_given_to_who_has_its_message(void)
{
	struct pair p = open_pair(question.size, answer.size), other = {.client = NULL};
	struct floe_loan loan = lend(&p, 8, 1), back = {0};
	struct floe_response response = {0};
	struct floe_request taken, none = {0};
	size_t seen = 1;

	expect_equal(
		open_client(&other.client, &(struct floe_type){.size = question.size}, NULL, NULL),
		0);
	expect(!floe_client_loan_header(other.client, &loan));
	expect(!floe_client_loan_header(p.client, NULL));
	expect(!floe_client_loan_header(NULL, &loan));
	expect(!floe_client_loan_header((void *)p.server, &loan));
	floe_client_discard(p.client, &loan);
	(void)ask_with(&p, 8, 2);
	taken = take_request(&p, 8, 2);
	expect(!floe_server_request_header(p.server, &none, &seen));
	expect_equal(seen, 0);
	expect(!floe_server_request_header(p.server, NULL, NULL));
	expect(!floe_server_request_header(NULL, &taken, NULL));
	expect(!floe_server_request_header((void *)p.client, &taken, NULL));
	expect(!floe_server_loan_header(p.server, &taken, &back));
	expect_equal(floe_server_loan(p.server, &taken, 8, &back), 1);
	expect(floe_server_loan_header(p.server, &taken, &back));
	expect(!floe_server_loan_header(p.server, &none, &back));
	expect(!floe_server_loan_header(p.server, &taken, NULL));
	expect(!floe_server_loan_header(p.server, NULL, &back));
	expect(!floe_server_loan_header(NULL, &taken, &back));
	floe_server_discard(p.server, &taken, &back);
	expect(!floe_server_loan_header(p.server, &taken, &back));
	expect(!floe_client_response_header(p.client, &response, &seen));
	expect(!floe_client_response_header(p.client, NULL, NULL));
	expect(!floe_client_response_header(NULL, &response, NULL));
	floe_client_close(other.client);
	close_pair(&p);
}

/* All that a child of fork may find out is that these are not its own. */
static void use_what_is_the_parents(int wire, void *argument)
{
	const struct pair *p = argument;
	struct floe_request request = {.ticket = 1};
	struct floe_response response = {.ticket = 1};
	struct floe_loan loan = {.ticket = 1};

	expect(!floe_client_loan_header(p->client, &loan));
	expect(!floe_client_response_header(p->client, &response, NULL));
	expect(!floe_server_request_header(p->server, &request, NULL));
	expect(!floe_server_loan_header(p->server, &request, &loan));
	tell(wire, 1);
}

static void a_child_after_fork_gets_none(void)
{
	struct pair p = open_pair(question.size, answer.size);
	struct peer child = peer_start(use_what_is_the_parents, &p);

	expect_equal(hear(child.wire), 1);
	peer_end(&child);
	close_pair(&p);
}

/* What its server holds of a client that was killed stays as it is. */
static void ask_and_wait(int wire, void *argument)
{
	struct pair p = {.request = question.size, .response = answer.size};

	(void)argument;
	expect_equal(open_client(&p.client, &question, &answer, NULL), 0);
	(void)ask_with(&p, 8, 1);
	(void)ask_with(&p, CHUNK, 2);
	tell(wire, 1);
	(void)hear(wire);
}

static void a_header_outlives_who_wrote_it(void)
{
	struct pair p = {.request = question.size, .response = answer.size};
	struct floe_request small, large;
	struct peer asks;

	expect_equal(open_server(&p.server, &question, &answer, NULL), 0);
	asks = peer_start(ask_and_wait, NULL);
	expect_equal(hear(asks.wire), 1);
	small = take_request(&p, 8, 1);
	large = take_request(&p, CHUNK, 2);
	peer_kill(&asks);
	expect_equal(floe_server_take(p.server, &(struct floe_request){0}), 0);
	expect_request(&p, &small, 8, 1);
	expect_request(&p, &large, CHUNK, 2);
	expect_equal(floe_server_end(p.server, &small, 0), 0);
	expect_equal(floe_server_end(p.server, &large, 0), 0);
	floe_server_close(p.server);
	expect_folder_empty();
}

/*
 * Memory
 */

static uint64_t memory_of(const char *prefix)
{
	static struct floe_topic_info info[8];
	struct floe_view *view;
	uint64_t memory = 0;
	int count;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	count = floe_view_topics(view, info, sizeof(info[0]), COUNT(info));
	floe_view_close(view);
	for (int i = 0; i < count; i++)
		if (!strncmp(info[i].name, prefix, strlen(prefix)))
			memory += info[i].memory;
	return memory;
}

static uint64_t in_pages(ssize_t bytes)
{
	ssize_t page = sysconf(_SC_PAGESIZE);

	expect(bytes > 0);
	return (uint64_t)((bytes + page - 1) / page * page);
}

static void expect_memory_as_told(const struct floe_type *asks, const struct floe_type *answers)
{
	const struct floe_client_options co = {.size = sizeof(co),
					       .request_header = asks,
					       .response_header = answers,
					       .payload_max = CHUNK};
	const struct floe_server_options so = {.size = sizeof(so),
					       .request_header = asks,
					       .response_header = answers,
					       .payload_max = CHUNK};
	struct pair p = {.request = asks->size, .response = answers->size};
	struct floe_request taken;
	uint64_t number;

	expect_equal(floe_server_open(&p.server, "sum", &so), 0);
	expect_equal(floe_client_open(&p.client, "sum", &co), 0);
	number = ask_with(&p, 1, 1);
	taken = take_request(&p, 1, 1);
	respond(&p, &taken, 1, 2, 0);
	receive_response(&p, number, 1, 2, 0);
	expect_equal(memory_of("sum@server."),
		     in_pages(floe_client_memory_size(&co, 1) - floe_client_memory_size(&co, 0)));
	expect_equal(memory_of("sum@client."),
		     in_pages(floe_server_memory_size(&so, 1) - floe_server_memory_size(&so, 0)));
	expect_equal(
		memory_of("sum@service"),
		in_pages(floe_server_memory_size(&so, 0) -
			 floe_subscriber_memory_size(SUBSCRIBER(.holds_max = 8, .header = asks))));
	close_pair(&p);
}

static void they_take_the_memory_that_is_told(void)
{
	struct floe_type asks = {.name = "question"}, answers = {.name = "answer"};

	for (size_t size = 1; size < 800; size += 63) {
		asks.size = size;
		answers.size = 800 - size;
		expect_memory_as_told(&asks, &answers);
	}
	/* In the file of the process: two attributes, and the type of a header. */
	expect_equal(
		floe_client_memory_size(
			&(struct floe_client_options){.size = sizeof(struct floe_client_options),
						      .request_header = &asks,
						      .response_header = &answers},
			0) -
			floe_client_memory_size(NULL, 0),
		896 + 192);
	/* The same, the attributes in its ring of announcements. */
	expect_equal(
		floe_server_memory_size(
			&(struct floe_server_options){.size = sizeof(struct floe_server_options),
						      .request_header = &asks,
						      .response_header = &answers},
			0) -
			floe_server_memory_size(NULL, 0),
		896 + 192);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_header_goes_with_each_request_and_each_response),
		TEST(headers_of_several_that_are_out_are_not_confused),
		TEST(each_response_of_a_stream_has_its_own),
		TEST(who_polls_a_descriptor_reads_them_too),
		TEST(a_client_that_comes_second_is_told_what_does_not_fit),
		TEST(a_server_that_comes_second_is_told_what_does_not_fit),
		TEST(who_says_nothing_is_told_when_it_asks),
		TEST(who_refuses_is_not_asked_again),
		TEST(what_nobody_asked_for_can_be_read),
		TEST(what_is_no_header_is_refused),
		TEST(headers_are_attributes),
		TEST(nobody_else_says_what_a_header_is),
		TEST(a_header_is_given_to_who_has_its_message),
		TEST(a_child_after_fork_gets_none),
		TEST(a_header_outlives_who_wrote_it),
		TEST(they_take_the_memory_that_is_told),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
