/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Many clients, many servers, and anybody may be killed: each request ends exactly once, each
 * response is to the request that it names, and is the next one of it. Clients that live to the end
 * have an exact account.
 */

#include <floe/inspect.h>
#include <floe/service.h>

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/folder.h"
#include "api/peer.h"
#include "api/steps.h"

#define SERVERS 3
#define CLIENTS 4
#define ACTIVE 6
#define KILLS 40
#define SIZE_MAX_ASKED 3000
#define SECONDS ((int64_t)1000000000)

/* What a request asks for, and what each response repeats: the rest of both follows from it. */
struct question {
	uint64_t client;
	uint64_t number;
	uint64_t more; /* responses before the last one */
	uint64_t index;
};

struct show {
	_Atomic bool stop;
	_Atomic uint64_t clients;
};

static void write_question(void *data, size_t size, const struct question *q)
{
	memcpy(data, q, sizeof(*q));
	fill((char *)data + sizeof(*q), size - sizeof(*q),
	     q->client * 1000003 + q->number + q->index);
}

static struct question read_question(const void *data, size_t size)
{
	struct question q;

	expect(size >= sizeof(q));
	memcpy(&q, data, sizeof(q));
	expect(is_filled((const char *)data + sizeof(q), size - sizeof(q),
			 q.client * 1000003 + q.number + q.index));
	return q;
}

/*
 * A server: several requests at a time, as many responses as each asks for.
 */

struct task {
	struct floe_request request;
	struct question question;
};

/* Done when it is ended: by its last response, or because nobody wants it. */
static void work_on(struct floe_server *s, struct task *task, uint64_t *seed)
{
	struct question q = task->question;
	size_t size = sizeof(q) + random_next(seed) % SIZE_MAX_ASKED;
	bool more = q.index < q.more;
	struct floe_loan loan;
	int r = floe_server_loan(s, &task->request, size, &loan);

	if (r == 1) {
		write_question(loan.data, size, &q);
		r = floe_server_send(s, &task->request, &loan, more);
	}
	if (r == 1)
		task->question.index++;
	else if (r == 0)
		floe_server_discard(s, &task->request, &loan);
	else
		expect(r == -EPIPE || r == -ECANCELED);
	if (r < 0 && task->request.data)
		expect_equal(floe_server_end(s, &task->request, 0), 0);
}

static bool begin(struct floe_server *s, struct task *task)
{
	int r = floe_server_take(s, &task->request);

	if (r == 1)
		task->question = read_question(task->request.data, task->request.size);
	else
		expect_equal(r, 0);
	return r == 1;
}

static void serve(int wire, void *argument)
{
	const struct show *show = argument;
	struct task task[ACTIVE] = {0};
	struct floe_server *s = NULL;
	uint64_t seed = hear(wire);
	unsigned busy;

	expect_equal(floe_server_open(&s, "stress",
				      &(struct floe_server_options){
					      .size = sizeof(struct floe_server_options),
					      .active_max = ACTIVE,
					      .responses_max = 2}),
		     0);
	while (!show->stop) {
		busy = 0;
		for (unsigned i = 0; i < ACTIVE; i++) {
			if (task[i].request.data || begin(s, &task[i]))
				work_on(s, &task[i], &seed);
			busy += task[i].request.data != NULL;
		}
		if (!busy)
			expect(floe_server_wait(s, now_ns() + SECONDS / 100) >= 0);
	}
	floe_server_close(s);
}

/*
 * A client: some requests are cancelled, some have hardly any time.
 */

struct asked {
	uint64_t request; /* 0: none */
	struct question question;
	bool short_of_time, cancelled;
};

static void ask_one(struct floe_client *c, struct asked *asked, uint64_t client, uint64_t *number,
		    uint64_t *seed)
{
	size_t size = sizeof(struct question) + random_next(seed) % SIZE_MAX_ASKED;
	struct floe_loan loan;
	int r = floe_client_loan(c, size, &loan);

	*asked = (struct asked){.short_of_time = random_next(seed) % 8 == 0};
	if (r != 1) {
		expect(r == 0 || r == -ENOTCONN);
		return;
	}
	asked->question = (struct question){client, ++*number, random_next(seed) % 5, 0};
	write_question(loan.data, size, &asked->question);
	r = floe_client_send(c, &loan, asked->short_of_time ? now_ns() + 20000 : -1,
			     &asked->request);
	if (r != 1) {
		expect(r == -EPIPE || r == 0);
		asked->request = 0;
		floe_client_discard(c, &loan);
	} else if (random_next(seed) % 8 == 0) {
		expect(floe_client_cancel(c, asked->request) >= 0);
		asked->cancelled = true;
	}
}

static void hear_response(struct asked *asked, const struct floe_response *response)
{
	struct question q;

	if (response->data) {
		q = read_question(response->data, response->size);
		expect_equal(q.client, asked->question.client);
		expect_equal(q.number, asked->question.number);
		expect_equal(q.index, asked->question.index);
		expect_equal(response->status, q.index < q.more);
		asked->question.index++;
	} else {
		expect(response->status == -EPIPE ||
		       (response->status == -ETIMEDOUT && asked->short_of_time) ||
		       (response->status == -ECANCELED && asked->cancelled));
	}
	if (response->status != 1)
		asked->request = 0;
}

static void hear_all(struct floe_client *c, struct asked *asked)
{
	struct floe_response response;
	int r;

	while ((r = floe_client_take(c, &response)) == 1) {
		unsigned i = 0;

		while (i < ACTIVE && asked[i].request != response.request)
			i++;
		expect(i < ACTIVE);
		hear_response(&asked[i], &response);
		floe_client_release(c, &response);
	}
	expect_equal(r, 0);
}

static unsigned count_open(const struct asked *asked)
{
	unsigned open = 0;

	for (unsigned i = 0; i < ACTIVE; i++)
		open += asked[i].request != 0;
	return open;
}

static void ask_all(int wire, void *argument)
{
	struct show *show = argument;
	struct asked asked[ACTIVE] = {0};
	struct floe_client_counts counts;
	struct floe_client *c = NULL;
	uint64_t seed = hear(wire);
	uint64_t client = ++show->clients;
	uint64_t number = 0;

	expect_equal(floe_client_open(&c, "stress",
				      &(struct floe_client_options){
					      .size = sizeof(struct floe_client_options),
					      .active_max = ACTIVE}),
		     0);
	while (!show->stop || count_open(asked)) {
		for (unsigned i = 0; i < ACTIVE && !show->stop; i++)
			if (!asked[i].request)
				ask_one(c, &asked[i], client, &number, &seed);
		expect(floe_client_wait(c, now_ns() + SECONDS / 100) >= 0);
		hear_all(c, asked);
	}
	expect_equal(floe_client_count(c, &counts, sizeof(counts)), 0);
	expect_equal(counts.sent, counts.ended);
	expect_equal(counts.held, 0);
	floe_client_close(c);
}

/*
 * All of them
 */

static void anybody_may_be_killed(void)
{
	struct show *show = mmap(NULL, sizeof(*show), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct peer peers[SERVERS + CLIENTS];
	struct floe_view *view;
	uint64_t seed = random_seed();

	expect(show != MAP_FAILED);
	for (unsigned i = 0; i < COUNT(peers); i++) {
		peers[i] = peer_start(i < SERVERS ? serve : ask_all, show);
		tell(peers[i].wire, random_next(&seed));
	}
	for (unsigned i = 0; i < KILLS; i++) {
		unsigned who = (unsigned)(random_next(&seed) % COUNT(peers));

		usleep((useconds_t)(random_next(&seed) % 20000));
		peer_kill(&peers[who]);
		peers[who] = peer_start(who < SERVERS ? serve : ask_all, show);
		tell(peers[who].wire, random_next(&seed));
	}
	usleep(50000);
	show->stop = true;
	for (unsigned i = 0; i < COUNT(peers); i++)
		peer_end(&peers[i]);
	munmap(show, sizeof(*show));
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect(floe_view_clean(view, 0, NULL, NULL) >= 0);
	floe_view_close(view);
	expect_folder_empty();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(anybody_may_be_killed),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
