/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A service. "serving": the victim is a server and the survivor its client; "asking": the other way
 * round. Each request that was sent ends exactly once, by its last response, or with an error because
 * somebody died or left; each response is the one to its request, and whole.
 */

#include <errno.h>
#include <string.h>

#include <floe/service.h>

#include "frame/frame.h"
#include "os/os.h"
#include "pattern.h"
#include "victim.h"

#define ACTIVE 4
#define SMALL 40
#define LARGE 200
#define SURVIVORS 1000000 /* keys of its requests begin there */
/* Far beyond what noticing a death takes. */
#define PATIENCE_NS ((int64_t)60000000000)

/* What a client has asked, and what came of it. */
struct asked {
	uint64_t request; /* 0: nothing is out */
	uint64_t key;
	uint64_t parts;
};

struct asking {
	struct floe_client *client;
	struct asked asked[ACTIVE];
	uint64_t keys;
	uint64_t answered; /* with a last response */
};

struct serving {
	struct floe_server *server;
	struct floe_request request[ACTIVE];
	uint64_t parts[ACTIVE];
};

static struct {
	struct asking asking;
	struct serving serving;
	struct floe_loan loan;
	struct floe_response response;
} self;

/*
 * Bytes
 */

static uint64_t word(uint64_t key, uint64_t part, size_t i)
{
	return (key ^ part << 44 ^ (uint64_t)i << 52) * 0x9e3779b97f4a7c15u;
}

static size_t size_of(uint64_t key)
{
	return key % 2 ? LARGE : SMALL;
}

static void write_words(void *data, uint64_t key, uint64_t part)
{
	uint64_t *words = data;

	words[0] = key;
	for (size_t i = 1; i < size_of(key) / sizeof(*words); i++)
		words[i] = word(key, part, i);
}

static uint64_t read_words(const void *data, size_t size, uint64_t part)
{
	const uint64_t *words = data;

	expect_equal(size, size_of(words[0]));
	for (size_t i = 1; i < size / sizeof(*words); i++)
		expect(words[i] == word(words[0], part, i));
	return words[0];
}

/*
 * Asking
 */

static void open_client(struct asking *a)
{
	memset(a, 0, sizeof(*a));
	expect_equal(floe_client_open(&a->client, WORLD_TOPIC,
				      &(struct floe_client_options){
					      .size = sizeof(struct floe_client_options),
					      .active_max = ACTIVE,
					      .payload_max = LARGE,
					      .spin_ns = 1}),
		     0);
}

static struct asked *find_asked(struct asking *a, uint64_t request)
{
	for (unsigned i = 0; i < ACTIVE; i++)
		if (a->asked[i].request == request)
			return &a->asked[i];
	return NULL;
}

/* 1; 0 and less: as floe_client_loan */
static int lend(struct asking *a, struct floe_loan *ret)
{
	int r = floe_client_loan(a->client, size_of(a->keys + 1), ret);

	expect(r == 1 || r == 0 || r == -ENOTCONN);
	return r;
}

static int send(struct asking *a, struct floe_loan *loan)
{
	struct asked *asked = find_asked(a, 0);
	uint64_t key = a->keys + 1;
	int r;

	if (!asked) {
		floe_client_discard(a->client, loan);
		return 0;
	}
	write_words(loan->data, key, 0);
	r = floe_client_send(a->client, loan, -1, &asked->request);
	expect(r == 1 || r == -EPIPE || r == 0);
	if (r == 1)
		asked->key = ++a->keys, asked->parts = 0;
	else
		floe_client_discard(a->client, loan);
	return r;
}

static int ask(struct asking *a)
{
	struct floe_loan loan;
	int r = lend(a, &loan);

	return r == 1 ? send(a, &loan) : r;
}

/* One response, or the end of a request: 1 or 0; *ret_status. */
static int take_one(struct asking *a, struct floe_response *ret, int *ret_status)
{
	int r = floe_client_take(a->client, ret);
	struct asked *asked;

	expect(r == 0 || r == 1);
	if (r == 0)
		return 0;
	asked = find_asked(a, ret->request);
	expect(asked && ret->request);
	if (ret->data)
		expect_equal(read_words(ret->data, ret->size, ++asked->parts), asked->key);
	*ret_status = ret->status;
	a->answered += ret->status == 0;
	if (ret->status != 1)
		asked->request = 0;
	return 1;
}

static unsigned count_asked(const struct asking *a)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ACTIVE; i++)
		count += a->asked[i].request != 0;
	return count;
}

static void take_all(struct asking *a)
{
	struct floe_response response;
	int status;

	while (take_one(a, &response, &status) == 1) {
		expect(status == 0 || status == 1 || status == -EPIPE || status == -ECANCELED ||
		       status == -ESTALE);
		floe_client_release(a->client, &response);
	}
}

/* Whoever was asked has ended, or is to answer: each request ends, with the response if it was sent,
 * and nothing is held. */
static void end_all(struct asking *a)
{
	struct floe_client_counts counts;

	take_all(a);
	while (count_asked(a)) {
		expect_equal(floe_client_wait(a->client, os_real.now_ns() + PATIENCE_NS), 1);
		take_all(a);
	}
	expect_equal(floe_client_count(a->client, &counts, sizeof(counts)), 0);
	expect_equal(counts.held, 0);
	expect_equal(counts.sent, counts.ended);
	expect(a->keys < SURVIVORS || a->answered >= atomic_load(&stage->made[0]));
}

/*
 * Serving
 */

static void open_server(struct serving *s)
{
	memset(s, 0, sizeof(*s));
	expect_equal(floe_server_open(&s->server, WORLD_TOPIC,
				      &(struct floe_server_options){
					      .size = sizeof(struct floe_server_options),
					      .active_max = ACTIVE,
					      .payload_max = LARGE,
					      .spin_ns = 1}),
		     0);
}

static int take_request(struct serving *s)
{
	for (unsigned i = 0; i < ACTIVE; i++) {
		int r;

		if (s->request[i].data)
			continue;
		r = floe_server_take(s->server, &s->request[i]);
		expect(r == 0 || r == 1);
		s->parts[i] = 0;
		if (r == 1)
			(void)read_words(s->request[i].data, s->request[i].size, 0);
		return r;
	}
	return 0;
}

/* What floe_server_send says; the client may be gone. */
static int answer(struct serving *s, unsigned i, bool more)
{
	struct floe_request *request = &s->request[i];
	uint64_t key = *(const uint64_t *)request->data;
	struct floe_loan loan;
	int r = floe_server_loan(s->server, request, size_of(key), &loan);

	expect(r == 1 || r == -EPIPE);
	if (r == 1) {
		write_words(loan.data, key, ++s->parts[i]);
		r = floe_server_send(s->server, request, &loan, more);
		/* stage->made: last responses to the survivor that were certainly sent. */
		if (r == 1 && !more && key > SURVIVORS)
			(void)atomic_fetch_add(&stage->made[0], 1);
	}
	expect(r == 1 || r == -EPIPE || (more && (r == -ECANCELED || r == 0)));
	if (r != 1 && request->data)
		expect_equal(floe_server_end(s->server, request, -ESTALE), 0);
	return r;
}

static void answer_all(struct serving *s)
{
	do {
		for (unsigned i = 0; i < ACTIVE; i++)
			if (s->request[i].data)
				(void)answer(s, i, false);
	} while (take_request(s) == 1);
}

static void close_server(struct serving *s)
{
	floe_server_close(s->server);
	s->server = NULL;
}

/* Another process's client may be told of it first, or one of ours. Whatever it is asked it answers,
 * also as many at once as it may have. */
static void serve_ourselves(struct serving *s, struct asking *a)
{
	uint64_t answered = 0;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < ACTIVE; i++)
			(void)ask(a);
		while (take_request(s) == 1)
			answered++;
		answer_all(s);
		take_all(a);
		for (unsigned i = 0; i < ACTIVE; i++)
			if (a->asked[i].request)
				expect(floe_client_cancel(a->client, a->asked[i].request) >= 0);
		take_all(a);
	}
	expect(answered > 0);
}

/*
 * Victim
 */

void serving_open(void)
{
	open_server(&self.serving);
}

void serving_take(void)
{
	int r = take_request(&self.serving);

	expect_usual(r == 1);
}

static void serve_first(bool more)
{
	for (unsigned i = 0; i < ACTIVE; i++)
		if (self.serving.request[i].data) {
			(void)answer(&self.serving, i, more);
			return;
		}
}

void serving_stream(void)
{
	serve_first(true);
}

void serving_answer(void)
{
	serve_first(false);
}

void serving_end(void)
{
	for (unsigned i = 0; i < ACTIVE; i++)
		if (self.serving.request[i].data) {
			expect_equal(floe_server_end(self.serving.server, &self.serving.request[i],
						     -ESTALE),
				     0);
			return;
		}
}

void serving_close(void)
{
	close_server(&self.serving);
}

void asking_open(void)
{
	open_client(&self.asking);
}

void asking_loan(void)
{
	int r = lend(&self.asking, &self.loan);

	expect_usual(r == 1);
}

void asking_send(void)
{
	if (self.loan.data)
		(void)send(&self.asking, &self.loan);
}

void asking_send_again(void)
{
	int r = ask(&self.asking);

	expect_usual(r == 1);
}

void asking_take(void)
{
	int status, r = take_one(&self.asking, &self.response, &status);

	expect_usual(r == 1);
	if (r == 1)
		expect_usual(status == 1);
}

void asking_release(void)
{
	floe_client_release(self.asking.client, &self.response);
}

void asking_take_last(void)
{
	int status, r = take_one(&self.asking, &self.response, &status);

	expect_usual(r == 1);
	if (r == 1)
		expect_usual(status == 0);
}

void asking_cancel(void)
{
	for (unsigned i = 0; i < ACTIVE; i++)
		if (self.asking.asked[i].request) {
			expect(floe_client_cancel(self.asking.client,
						  self.asking.asked[i].request) >= 0);
			return;
		}
}

void asking_take_cancelled(void)
{
	int status, r = take_one(&self.asking, &self.response, &status);

	expect_usual(r == 1);
	if (r == 1)
		expect_usual(status == -ECANCELED);
	floe_client_release(self.asking.client, &self.response);
}

void asking_close(void)
{
	floe_client_close(self.asking.client);
}

/*
 * Survivors
 */

static void open_asking(void)
{
	open_client(&self.asking);
	self.asking.keys = SURVIVORS;
}

static void act_asking(int64_t what)
{
	take_all(&self.asking);
	for (int i = 0; what == ACT_ASK && i < 2; i++) {
		int r = ask(&self.asking);

		expect_usual(r == 1);
	}
}

/* A server may be there or not; without one it is told so at once. */
static void go_on_asking(void)
{
	take_all(&self.asking);
	if (count_asked(&self.asking) < ACTIVE - 1)
		(void)ask(&self.asking);
	take_all(&self.asking);
}

static void settle_asking(void)
{
	end_all(&self.asking);
	open_server(&self.serving);
	serve_ourselves(&self.serving, &self.asking);
	close_server(&self.serving);
	end_all(&self.asking);
}

static void close_asking(void)
{
	floe_client_close(self.asking.client);
}

static void open_serving(void)
{
	open_server(&self.serving);
}

static void act_serving(int64_t what)
{
	if (what == ACT_STREAM) {
		int r = take_request(&self.serving);

		expect_usual(r == 1);
		if (r == 1)
			expect_equal(answer(&self.serving, 0, true), 1);
	}
	if (what == ACT_HEAR)
		(void)take_request(&self.serving);
	if (what == ACT_ANSWER)
		answer_all(&self.serving);
}

/* It looks around first: who was asking may be gone. */
static void go_on_serving(void)
{
	(void)floe_server_wait(self.serving.server, os->now_ns() + 50000);
	(void)take_request(&self.serving);
	answer_all(&self.serving);
}

static void settle_serving(void)
{
	struct floe_server_counts counts;

	answer_all(&self.serving);
	open_client(&self.asking);
	serve_ourselves(&self.serving, &self.asking);
	end_all(&self.asking);
	floe_client_close(self.asking.client);
	answer_all(&self.serving);
	expect_equal(floe_server_count(self.serving.server, &counts, sizeof(counts)), 0);
	expect_equal(counts.active, 0);
	expect_equal(counts.taken, counts.ended);
}

static void close_serving(void)
{
	close_server(&self.serving);
}

/*
 * Visitor: the same for both
 */

static void visit(bool lives)
{
	struct serving s;
	struct asking a;

	(void)lives;
	open_server(&s);
	open_client(&a);
	serve_ourselves(&s, &a);
	floe_client_close(a.client);
	close_server(&s);
}

const struct pattern pattern_serving = {
	.open = open_asking,
	.act = act_asking,
	.go_on = go_on_asking,
	.settle = settle_asking,
	.close = close_asking,
	.visit = visit,
};

const struct pattern pattern_asking = {
	.open = open_serving,
	.act = act_serving,
	.go_on = go_on_serving,
	.settle = settle_serving,
	.close = close_serving,
	.visit = visit,
};
