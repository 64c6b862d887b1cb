/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Loans that do not come back are found: how many may be out is set at run time, reaching that is an
 * outcome and told once, and who is out, since when and from where is told to the program and to
 * others. FLOE_LOAN_SCOPE forgets none.
 */

#define FLOE_TRACE_LOANS /* floe_loan tells where; (floe_loan)() is the function */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <floe/inspect.h>
#include <floe/service.h>

#include "peer.h"
#include "steps.h"

#define SIZE 1000

static struct {
	int count;
	char text[512];
} notices;

static void note(void *user, const char *sentence)
{
	expect(user == &notices);
	notices.count++;
	(void)snprintf(notices.text, sizeof(notices.text), "%s", sentence);
}

static struct floe_publisher *open_with(size_t loans_max)
{
	return publisher("loans", PUBLISHER(.loans_max = loans_max, .notice = note,
					    .notice_user = &notices));
}

static int view_loans(struct floe_loan_info *ret, size_t count)
{
	struct floe_view *view = NULL;
	int r;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	r = floe_view_loans(view, "loans", 0, ret, sizeof(*ret), count);
	floe_view_close(view);
	return r;
}

static void lend(struct floe_publisher *pub, struct floe_loan *loan, int count)
{
	for (int i = 0; i < count; i++)
		expect_equal((floe_loan)(pub, SIZE + (size_t)i, &loan[i]), 1);
}

static void give_back(struct floe_publisher *pub, struct floe_loan *loan, int count)
{
	for (int i = 0; i < count; i++)
		floe_discard(pub, &loan[i]);
}

/*
 * The limit
 */

static void reaching_the_limit_is_told_once(void)
{
	struct floe_publisher *pub = open_with(3);
	struct floe_loan loan[4];

	lend(pub, loan, 3);
	expect_equal(notices.count, 0);
	for (int i = 0; i < 5; i++)
		expect_equal((floe_loan)(pub, SIZE, &loan[3]), -ENOBUFS);
	expect_equal(notices.count, 1);
	expect(strstr(notices.text, "'loans'"));
	expect(strstr(notices.text, "all 3 loans"));
	give_back(pub, loan, 3);
	lend(pub, loan, 3);
	expect_equal((floe_loan)(pub, SIZE, &loan[3]), -ENOBUFS);
	expect_equal(notices.count, 1);
	give_back(pub, loan, 3);
	floe_publisher_close(pub);
}

static void the_limit_is_set_at_run_time(void)
{
	static const size_t limits[] = {1, 2, 5};
	struct floe_publisher *pub = open_with(5);
	struct floe_loan loan[6];

	lend(pub, loan, 5);
	expect_equal(floe_publisher_limit_loans(pub, 4), -EBUSY);
	give_back(pub, loan, 5);
	expect_equal(floe_publisher_limit_loans(pub, 0), -EINVAL);
	expect_equal(floe_publisher_limit_loans(pub, 6), -EINVAL);
	for (size_t i = 0; i < COUNT(limits); i++) {
		size_t limit = limits[i];

		notices.count = 0;
		expect_equal(floe_publisher_limit_loans(pub, limit), 0);
		lend(pub, loan, (int)limit);
		expect_equal((floe_loan)(pub, SIZE, &loan[5]), -ENOBUFS);
		expect_equal(notices.count, 1);
		expect_equal(publisher_counts(pub).loans, limit);
		give_back(pub, loan, (int)limit);
	}
	/* While some are out, and free ones lie between them. */
	lend(pub, loan, 5);
	give_back(pub, &loan[1], 3);
	expect_equal(floe_publisher_limit_loans(pub, 3), 0);
	lend(pub, &loan[1], 1);
	expect_equal((floe_loan)(pub, SIZE, &loan[2]), -ENOBUFS);
	expect_equal(floe_publisher_limit_loans(pub, 5), 0);
	lend(pub, &loan[2], 2);
	expect_equal((floe_loan)(pub, SIZE, &loan[5]), -ENOBUFS);
	for (int i = 0; i < 5; i++)
		expect_equal(floe_publish(pub, &loan[i]), 1);
	floe_publisher_close(pub);
}

/*
 * Who is out
 */

static void sizes_of_loans_are_known_without_tracing(void)
{
	struct floe_publisher *pub = open_with(3);
	struct floe_loan_info info[3];
	struct floe_loan loan[3];

	expect_equal(floe_publisher_loans(pub, NULL, sizeof(info[0]), 0), 0);
	lend(pub, loan, 2);
	expect_equal(floe_publisher_loans(pub, info, sizeof(info[0]), 3), 2);
	expect_equal(info[0].size + info[1].size, 2 * SIZE + 1);
	expect_equal(info[0].since_ns, 0);
	expect_equal(view_loans(info, 3), 0);
	give_back(pub, loan, 2);
	expect_equal(floe_publisher_loans(pub, info, sizeof(info[0]), 3), 0);
	expect_equal(floe_publisher_loans(pub, info, 0, 3), -EINVAL);
	floe_publisher_close(pub);
}

static void what_is_missed_at_the_limit_is_seen_by_others_until_it_is_back(void)
{
	struct floe_publisher *pub = open_with(2);
	struct floe_loan_info info[3];
	struct floe_loan loan[3];
	int64_t before = now_ns();

	lend(pub, loan, 2);
	expect_equal((floe_loan)(pub, SIZE, &loan[2]), -ENOBUFS);
	expect_equal(view_loans(info, 3), 2);
	expect(!info[0].exact);
	expect((int64_t)info[0].since_ns >= before);
	expect_equal(floe_publish(pub, &loan[0]), 1);
	expect_equal(view_loans(info, 3), 1);
	expect_equal(info[0].size, SIZE + 1);
	lend(pub, loan, 1);
	expect_equal(view_loans(info, 3), 1);
	give_back(pub, loan, 2);
	expect_equal(view_loans(info, 3), 0);
	floe_publisher_close(pub);
}

static void the_macro_tells_file_and_line(void)
{
	struct floe_publisher *pub = open_with(3);
	struct floe_loan_info info[3];
	struct floe_loan loan[3];
	int64_t before = now_ns();
	uint32_t line;

	line = __LINE__ + 1;
	expect_equal(floe_loan(pub, SIZE, &loan[0]), 1);
	expect_equal(floe_loan(pub, 8, &loan[1]), 1);
	for (int others = 0; others < 2; others++) {
		memset(info, 0, sizeof(info));
		expect_equal(others ? view_loans(info, 3)
				    : floe_publisher_loans(pub, info, sizeof(info[0]), 3),
			     2);
		expect_equal(info[0].size, SIZE);
		expect_equal(info[0].line, line);
		expect_equal(info[1].line, line + 1);
		expect(strstr(info[0].file, "loans.c"));
		expect(info[0].exact);
		expect((int64_t)info[0].since_ns >= before);
		expect((int64_t)info[0].since_ns <= now_ns());
	}
	expect_equal(floe_publish(pub, &loan[0]), 1);
	expect_equal(view_loans(info, 3), 1);
	expect_equal(info[0].size, 8);
	floe_discard(pub, &loan[1]);
	expect_equal(view_loans(info, 3), 0);
	floe_publisher_close(pub);
}

static void the_environment_tells_an_address(void)
{
	struct floe_loan_info info[2];
	struct floe_publisher *pub;
	struct floe_loan loan;

	expect_equal(setenv("FLOE_TRACE_LOANS", "1", 1), 0);
	pub = open_with(1);
	expect_equal((floe_loan)(pub, SIZE, &loan), 1);
	expect_equal(view_loans(info, 2), 1);
	expect_equal(info[0].line, 0);
	expect(info[0].exact);
	expect(strstr(info[0].file, "+0x") && !strstr(info[0].file, "libfloe"));
	expect_equal((floe_loan)(pub, SIZE, &loan), -ENOBUFS);
	expect(strstr(notices.text, "+0x"));
	floe_publisher_close(pub);
	expect_equal(setenv("FLOE_TRACE_LOANS", "0", 1), 0);
	pub = open_with(1);
	expect_equal((floe_loan)(pub, SIZE, &loan), 1);
	expect_equal(view_loans(info, 2), 0);
	floe_publisher_close(pub);
	expect_equal(unsetenv("FLOE_TRACE_LOANS"), 0);
}

static void parts_are_traced_too(void)
{
	struct floe_loan_info info[2];
	struct floe_publisher *pub;
	struct floe_loan loan[2];

	expect_equal(setenv("FLOE_TRACE_LOANS", "1", 1), 0);
	pub = open_with(2);
	expect_equal(floe_loan_parts(pub, SIZE, loan, 2), 1);
	expect_equal(view_loans(info, 2), 1);
	expect(strstr(info[0].file, "+0x") && !strstr(info[0].file, "libfloe"));
	floe_publisher_close(pub);
	expect_equal(unsetenv("FLOE_TRACE_LOANS"), 0);
}

/* What is lent on the topic of a service whose name has `part`. */
static int view_loans_of(const char *part, struct floe_loan_info *ret_info)
{
	struct floe_topic_info topic[4];
	struct floe_view *view = NULL;
	int found = 0, lent = -1;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_view_topics(view, topic, sizeof(topic[0]), COUNT(topic)), 3);
	for (int i = 0; i < 3; i++) {
		if (!strstr(topic[i].name, part))
			continue;
		lent = floe_view_loans(view, topic[i].name, 0, ret_info, sizeof(*ret_info), 1);
		found++;
	}
	floe_view_close(view);
	expect_equal(found, 1);
	return lent;
}

static void expect_lent_by_us(const char *part)
{
	struct floe_loan_info info;

	expect_equal(view_loans_of(part, &info), 1);
	expect(strstr(info.file, "+0x") && !strstr(info.file, "libfloe"));
}

static void expect_nothing_lent(const char *part)
{
	struct floe_loan_info info;

	expect_equal(view_loans_of(part, &info), 0);
}

static void trace_round(struct floe_client *client, struct floe_server *server)
{
	struct floe_response response;
	struct floe_request request;
	struct floe_loan loan;

	expect_equal(floe_client_loan(client, 8, &loan), 1);
	expect_lent_by_us("@server");
	fill(loan.data, 8, 1);
	expect_equal(floe_client_send(client, &loan, -1, NULL), 1);
	expect_nothing_lent("@server");
	expect_equal(floe_server_wait(server, -1), 1);
	expect_equal(floe_server_take(server, &request), 1);
	expect_equal(floe_server_loan(server, &request, 8, &loan), 1);
	expect_lent_by_us("@client");
	fill(loan.data, 8, 2);
	expect_equal(floe_server_send(server, &request, &loan, 0), 1);
	expect_nothing_lent("@client");
	expect_equal(floe_client_take(client, &response), 1);
	floe_client_release(client, &response);
}

/* From the second round on nobody has come: what is sent might go straight. */
static void requests_and_responses_are_traced_too(void)
{
	struct floe_server *server = NULL;
	struct floe_client *client = NULL;

	expect_equal(setenv("FLOE_TRACE_LOANS", "1", 1), 0);
	expect_equal(floe_server_open(&server, "loans", NULL), 0);
	expect_equal(floe_client_open(&client, "loans", NULL), 0);
	trace_round(client, server);
	trace_round(client, server);
	floe_server_close(server);
	floe_client_close(client);
	expect_equal(unsetenv("FLOE_TRACE_LOANS"), 0);
}

static void die_with_a_loan(int wire, void *argument)
{
	struct floe_publisher *pub = open_with(2);
	struct floe_loan loan;

	(void)argument;
	publish(pub, SIZE, 1);
	expect_equal(floe_loan(pub, 4321, &loan), 1);
	tell(wire, 1);
	(void)hear(wire);
}

static void what_a_dead_one_took_along_is_told_until_its_ring_is_adopted(void)
{
	struct peer peer = peer_start(die_with_a_loan, NULL);
	struct floe_loan_info info[2];
	struct floe_publisher *pub;

	(void)hear(peer.wire);
	peer_kill(&peer);
	expect_equal(view_loans(info, 2), 1);
	expect_equal(info[0].size, 4321);
	pub = open_with(2);
	expect_equal(publisher_counts(pub).published, 1);
	expect_equal(view_loans(info, 2), 0);
	floe_publisher_close(pub);
}

static void traced_publishers_work_as_all_others(void)
{
	struct floe_publisher *pub = publisher("loans", PUBLISHER(.depth = 3));
	struct floe_subscriber *sub = subscriber("loans", NULL);
	struct floe_loan loan = {0};

	for (uint64_t i = 1; i <= 200; i++) {
		size_t size = i % 3 ? 700 : 8;

		expect_equal(floe_loan(pub, size, &loan), 1);
		fill(loan.data, size, i);
		expect_equal(floe_publish(pub, &loan), 1);
		expect_equal(receive(sub, size, i), i);
	}
	expect_equal(publisher_counts(pub).loans, 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/*
 * Scope
 */

static int leave(struct floe_publisher *pub, int how)
{
	FLOE_LOAN_SCOPE(pub, loan);

	if (how == 0)
		return 0;
	expect_equal(floe_loan(pub, SIZE, &loan), 1);
	if (how == 1)
		return 1;
	return floe_publish(pub, &loan);
}

static void a_scope_gives_back_what_was_not_published(void)
{
	struct floe_publisher *pub = open_with(1);

	for (int i = 0; i < 30; i++)
		(void)leave(pub, i % 3);
	expect_equal(publisher_counts(pub).loans, 0);
	expect_equal(publisher_counts(pub).published, 10);
	floe_publisher_close(pub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(reaching_the_limit_is_told_once),
		TEST(the_limit_is_set_at_run_time),
		TEST(sizes_of_loans_are_known_without_tracing),
		TEST(what_is_missed_at_the_limit_is_seen_by_others_until_it_is_back),
		TEST(the_macro_tells_file_and_line),
		TEST(the_environment_tells_an_address),
		TEST(parts_are_traced_too),
		TEST(requests_and_responses_are_traced_too),
		TEST(what_a_dead_one_took_along_is_told_until_its_ring_is_adopted),
		TEST(traced_publishers_work_as_all_others),
		TEST(a_scope_gives_back_what_was_not_published),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
