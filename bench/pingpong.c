/* SPDX-License-Identifier: Apache-2.0 */
#include "pingpong.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "pair.h"
#include "payload.h"
#include "series.h"
#include "session.h"
#include "topic.h"

/* Short enough that most batches meet no interrupt, long enough to forget the clock. */
#define BATCH_NS (20 * NS_PER_US)
#define BATCH_TRIPS_MAX 1000u

/* From here on a ring of buffers is faster than a single one, which the writer has to win back
 * from the reader's cache line by line. */
#define LARGE_PAYLOAD ((size_t)64 << 10)

#define loop_inline static inline __attribute__((always_inline))

/*
 * The two ends of a link
 */

struct line {
	alignas(64) _Atomic uint64_t word;
	uint64_t bytes[6];
};

/* One direction of bare memory: the line, and behind it buffers for larger payloads. */
struct way {
	struct line *line;
	uint64_t turn; /* of the next buffer; both sides count for themselves */
};

struct end {
	size_t payload;
	enum touch touch;
	uint64_t last; /* number that came in last */

	struct way out, in;
	size_t buffers_count, buffer_stride;

	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	struct floe_loan loan;     /* for what goes out next */
	struct floe_sample sample; /* that came in last */

	struct floe_client *client;
	struct floe_server *server;
	struct floe_request request; /* the server has it, until it answers */
	struct floe_response response;
};

static size_t buffers_count(size_t payload)
{
	return payload < LARGE_PAYLOAD ? 1 : topic_depth(payload);
}

static void *next_buffer(struct way *way, const struct end *end)
{
	char *buffers = (char *)(way->line + 1);

	return buffers + way->turn++ % end->buffers_count * end->buffer_stride;
}

static void send_line(struct end *end, uint64_t number)
{
	atomic_store_explicit(&end->out.line->word, number, memory_order_release);
}

loop_inline void look(struct patience *patience, bool pauses)
{
	if (pauses)
		look_again(patience);
	else
		look_at_once(patience);
}

loop_inline uint64_t receive_line(struct end *end, bool pauses)
{
	struct patience patience = {0};
	uint64_t number;

	while ((number = atomic_load_explicit(&end->in.line->word, memory_order_acquire)) ==
	       end->last)
		look(&patience, pauses);
	return end->last = number;
}

static void send_line48(struct end *end, uint64_t number)
{
	payload_write(end->out.line->bytes, sizeof(end->out.line->bytes), TOUCH_ALL, number);
	send_line(end, number);
}

loop_inline uint64_t receive_line48(struct end *end, bool pauses)
{
	uint64_t number = receive_line(end, pauses);

	payload_read(end->in.line->bytes, sizeof(end->in.line->bytes), TOUCH_ALL);
	return number;
}

static void send_buffer(struct end *end, uint64_t number)
{
	payload_write(next_buffer(&end->out, end), end->payload, end->touch, number);
	send_line(end, number);
}

loop_inline uint64_t receive_buffer(struct end *end, bool pauses)
{
	receive_line(end, pauses);
	return payload_read(next_buffer(&end->in, end), end->payload, end->touch);
}

/* The next loan is taken when a message is on its way, as a program does that waits for its turn;
 * only the first is taken before. */
static void send_floe(struct end *end, uint64_t number)
{
	if (!end->loan.data)
		topic_loan(end->pub, end->payload, &end->loan);
	payload_write(end->loan.data, end->payload, end->touch, number);
	topic_publish(end->pub, &end->loan);
	topic_loan(end->pub, end->payload, &end->loan);
}

/* What came in before is given back first: the answer to it is on its way by now. */
loop_inline uint64_t receive_floe(struct end *end, bool pauses)
{
	struct patience patience = {0};

	floe_release(end->sub, &end->sample);
	while (!topic_take(end->sub, &end->sample))
		look(&patience, pauses);
	return payload_read(end->sample.data, end->payload, end->touch);
}

/* A request, and its response: the client's side, and the server's. */

static void lend_request(struct end *end)
{
	if (floe_client_loan(end->client, end->payload, &end->loan) != 1)
		fail("no request can be lent");
}

static void send_request(struct end *end, uint64_t number)
{
	if (!end->loan.data)
		lend_request(end);
	payload_write(end->loan.data, end->payload, end->touch, number);
	if (floe_client_send(end->client, &end->loan, -1, NULL) != 1)
		fail("a request cannot be sent");
	lend_request(end);
}

loop_inline uint64_t receive_response(struct end *end, bool pauses)
{
	struct patience patience = {0};

	do {
		floe_client_release(end->client, &end->response);
		while (!floe_client_take(end->client, &end->response))
			look(&patience, pauses);
	} while (!end->response.data); /* the end of a request that only meant "stop" */
	return payload_read(end->response.data, end->payload, end->touch);
}

static void send_response(struct end *end, uint64_t number)
{
	if (floe_server_loan(end->server, &end->request, end->payload, &end->loan) != 1)
		fail("no response can be lent");
	payload_write(end->loan.data, end->payload, end->touch, number);
	if (floe_server_send(end->server, &end->request, &end->loan, 0) != 1)
		fail("a response cannot be sent");
}

loop_inline uint64_t receive_request(struct end *end, bool pauses)
{
	struct patience patience = {0};
	uint64_t number;

	while (!floe_server_take(end->server, &end->request))
		look(&patience, pauses);
	number = payload_read(end->request.data, end->payload, end->touch);
	if (number == PAYLOAD_STOP)
		(void)floe_server_end(end->server, &end->request, 0);
	return number;
}

/*
 * The loops, once in the source and once in the program for each link, so that no link pays for
 * being chosen
 */

typedef void send_fn(struct end *end, uint64_t number);
typedef uint64_t receive_fn(struct end *end, bool pauses);

loop_inline void ping(struct end *end, uint64_t *number, unsigned trips, send_fn *send,
		      receive_fn *receive, bool pauses)
{
	for (unsigned i = 0; i < trips; i++) {
		send(end, ++*number);
		if (receive(end, pauses) != *number)
			fail("message %llu came back as another", (unsigned long long)*number);
	}
}

loop_inline void echo(struct end *end, send_fn *send, receive_fn *receive, bool pauses)
{
	uint64_t number;

	while ((number = receive(end, pauses)) != PAYLOAD_STOP)
		send(end, number);
}

struct link {
	void (*ping)(struct end *end, uint64_t *number, unsigned trips);
	void (*echo)(struct end *end);
	send_fn *send;
};

#define LINK_OF_TWO(name, there, back, pauses) \
	static void ping_##name(struct end *end, uint64_t *number, unsigned trips) \
	{ \
		ping(end, number, trips, send_##there, receive_##back, pauses); \
	} \
	static void echo_##name(struct end *end) \
	{ \
		echo(end, send_##back, receive_##there, pauses); \
	} \
	static const struct link link_##name = {ping_##name, echo_##name, send_##there}
#define LINK(name, way, pauses) LINK_OF_TWO(name, way, way, pauses)

LINK(line, line, false);
LINK(line48, line48, false);
LINK(buffer, buffer, false);
LINK(floe, floe, false);
LINK(paused_line, line, true);
LINK(paused_line48, line48, true);
LINK(paused_floe, floe, true);
LINK_OF_TWO(service, request, response, false);

/*
 * One case
 */

struct pingpong {
	const struct link *link;
	const struct bench_case *c;
	void *memory[2]; /* there, back */
	size_t memory_size;
	struct end end;
	uint64_t number;
	int64_t clock_ns;
	struct pair pair;
	struct series batches;
};

static void use_memory(struct pingpong *p, int out, int in)
{
	p->end.out.line = p->memory[out];
	p->end.in.line = p->memory[in];
}

static void open_topics(struct pingpong *p, const char *out, const char *in)
{
	p->end.sub = topic_subscriber(p->c->name, in, &(struct floe_subscriber_options){0});
	p->end.pub = topic_publisher(p->c->name, out,
				     &(struct floe_publisher_options){
					     .payload_max = p->c->payload,
					     .depth = topic_depth(p->c->payload),
					     .loans_max = 1,
				     });
}

static bool uses_topics(const struct link *link)
{
	return link->send == send_floe;
}

static bool is_service(const struct link *link)
{
	return link->send == send_request;
}

/* The second process has its own copy of the whole state: fork made it. */
static void *open_second(void *argument)
{
	struct pingpong *p = argument;

	if (uses_topics(p->link))
		open_topics(p, "back", "there");
	else if (is_service(p->link))
		p->end.server = topic_server(p->c->name, p->c->payload);
	else
		use_memory(p, 1, 0);
	return p;
}

static void serve_second(void *state)
{
	struct pingpong *p = state;

	p->link->echo(&p->end);
}

static void close_topics(void *state)
{
	struct pingpong *p = state;

	floe_publisher_close(p->end.pub);
	floe_subscriber_close(p->end.sub);
	floe_client_close(p->end.client);
	floe_server_close(p->end.server);
}

static const struct pair_role role_second = {open_second, serve_second, close_topics};

static void get_memory(struct pingpong *p)
{
	struct end *end = &p->end;

	end->buffers_count = buffers_count(p->c->payload);
	end->buffer_stride = (p->c->payload + 63) & ~(size_t)63;
	p->memory_size = sizeof(struct line) + end->buffers_count * end->buffer_stride;
	p->memory[0] = pair_memory(p->memory_size);
	p->memory[1] = pair_memory(p->memory_size);
	use_memory(p, 0, 1);
}

static struct pingpong *open_link(const struct link *link, const struct bench_case *c,
				  const struct bench_setup *setup)
{
	struct pingpong *p = calloc(1, sizeof(*p));

	if (!p)
		fail("out of memory");
	p->link = link;
	p->c = c;
	p->end.payload = c->payload;
	p->end.touch = c->touch;
	p->clock_ns = clock_cost_ns();
	if (!uses_topics(link) && !is_service(link))
		get_memory(p);
	pair_open(&p->pair, &role_second, p, setup->core_there);
	if (uses_topics(link))
		open_topics(p, "there", "back");
	if (is_service(link))
		p->end.client = topic_client(p->c->name, p->c->payload);
	return p;
}

static int64_t time_trips(struct pingpong *p, unsigned trips)
{
	int64_t start = now_ns();

	p->link->ping(&p->end, &p->number, trips);
	return now_ns() - start;
}

/* Wakes the second process and warms both sides up. Returns how many trips make a batch. */
static unsigned warm_up(struct pingpong *p)
{
	int64_t trip_ns = INT64_MAX;

	for (int i = 0; i < 5; i++) {
		int64_t ns = time_trips(p, 4) / 4 + 1;

		trip_ns = ns < trip_ns ? ns : trip_ns;
	}
	return trip_ns * BATCH_TRIPS_MAX < BATCH_NS ? BATCH_TRIPS_MAX
						    : (unsigned)(BATCH_NS / trip_ns) + 1;
}

/* Many trips for one look at the clock: the figure that we compare. */
static void measure_batches(struct pingpong *p, unsigned trips, int64_t end_ns)
{
	p->batches.count = 0;
	do {
		int64_t ns = time_trips(p, trips);

		series_add(&p->batches, (double)ns / trips / 2);
	} while (now_ns() < end_ns);
}

/* One look for each trip: for the percentiles. */
static void measure_single(struct pingpong *p, int64_t end_ns, struct histogram *h)
{
	int64_t before = now_ns();

	do {
		int64_t after, trip_ns;

		p->link->ping(&p->end, &p->number, 1);
		after = now_ns();
		trip_ns = after - before - p->clock_ns;
		histogram_add(h, trip_ns > 0 ? (uint64_t)trip_ns : 0);
		before = after;
	} while (before < end_ns);
}

static double measure(void *state, int64_t budget_ns, struct histogram *h)
{
	struct pingpong *p = state;
	int64_t start_ns = now_ns();
	unsigned trips;

	pair_start(&p->pair);
	trips = warm_up(p);
	measure_batches(p, trips, start_ns + budget_ns * 2 / 3);
	measure_single(p, start_ns + budget_ns, h);
	p->link->send(&p->end, PAYLOAD_STOP);
	pair_wait(&p->pair);
	return series_median(&p->batches);
}

static void close_link(void *state)
{
	struct pingpong *p = state;

	pair_close(&p->pair);
	close_topics(p);
	for (int i = 0; i < 2 && p->memory[i]; i++)
		munmap(p->memory[i], p->memory_size);
	free(p);
}

#define KIND(name, head) \
	static void *open_##name(const struct bench_case *c, const struct bench_setup *setup) \
	{ \
		return open_link(&link_##name, c, setup); \
	} \
	const struct bench_kind pingpong_##name = { \
		.title = (head), \
		.unit = "ns", \
		.needs_two_cores = 1, \
		.open = open_##name, \
		.measure = measure, \
		.histogram_scale = 2, /* a trip is there and back */ \
		.close = close_link, \
	}

KIND(line, "one way, bare shared memory");
KIND(line48, "one way, bare shared memory");
KIND(paused_line, "one way, a pause between two looks");
KIND(paused_line48, "one way, a pause between two looks");
KIND(paused_floe, "one way, a pause between two looks");
KIND(buffer, "one way, bare shared memory");
KIND(floe, "one way, floe");
KIND(service, "request and response, half of both");
