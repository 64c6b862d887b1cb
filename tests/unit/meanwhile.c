/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What others do between two system calls of one public call: somebody else opens or closes
 * something, whole. Afterwards all who are open talk, those who come now find all of them, and when
 * all are gone nothing is left.
 */
#include "unit/failing_cast.h"

#include <ftw.h>

static const struct floe_subscriber_options any;
static struct floe_publisher_options other_plan;

/*
 * Calls, and what happens meanwhile. The first writer and the first reader are there before.
 */

static void open_same_plan(void)
{
	open_writer(1, &small);
}

static void open_other_plan(void)
{
	open_writer(1, &other_plan);
}

static void open_second_reader(void)
{
	open_reader(1, &any);
}

static void close_first_writer(void)
{
	close_writer(0);
}

static void close_first_reader(void)
{
	close_reader(0);
}

static void replace_first_writer(void)
{
	close_writer(0);
	open_writer(0, &small);
}

static void come_and_go(void)
{
	open_reader(2, &any);
	close_reader(2);
}

static void clean_all(void)
{
	clean();
}

static void (*const calls[])(void) = {
	open_same_plan,     open_other_plan,    open_second_reader,
	close_first_writer, close_first_reader, clean_all,
};

static void (*const others[])(void) = {
	replace_first_writer,
	come_and_go,
	clean_all,
};

/*
 * Time: who waits for a lock waits for one who stands still until he gives up
 */

static int64_t passed_ns;

static int64_t tell_time(void)
{
	return os_real.now_ns() + passed_ns;
}

static void pass_time(int64_t ns)
{
	passed_ns += ns;
}

/* One thread, which takes a while where it is real. */
static int pass_barrier(void)
{
	return 0;
}

static void begin_time(void)
{
	static struct os table;

	table = *os;
	table.barrier_all = pass_barrier;
	table.now_ns = tell_time;
	table.sleep_ns = pass_time;
	os = &table;
}

/*
 * Before and after
 */

static int count_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	if (place->level > 0)
		(void)fprintf(stderr, "left: %s\n", path);
	return place->level > 0;
}

static void expect_to_be_found(void)
{
	close_reader(2);
	open_reader(2, &any);
	for (size_t i = 0; i < WRITERS; i++) {
		if (!cast.writer[i])
			continue;
		expect_so(say(i), "a writer is dumb afterwards", (long long)i);
		hear(2);
		expect_so(cast.reader[2].last[i] == number, "a newcomer does not find a writer",
			  (long long)i);
	}
}

/* false: the call has fewer system calls. */
static bool act_amid(size_t call, size_t other, bool is_read, uint64_t at)
{
	struct floe_publisher *bystander; /* keeps the node of this process open */
	bool happened;

	failing_os_begin();
	begin_time();
	tried = (struct failing_plan){0};
	expect_equal(floe_publisher_open(&bystander, "elsewhere", NULL), 0);
	open_writer(0, &small);
	if (is_read)
		open_reader(0, &any);
	(void)say(0);
	tried = (struct failing_plan){.at = at, .meanwhile = others[other]};
	failing_os_plan(tried);
	calls[call]();
	happened = failing_os.failed > 0;
	let_all_through();
	expect_all_to_talk();
	expect_to_be_found();
	close_all();
	floe_publisher_close(bystander);
	expect_equal(failing_os.descriptors, 0);
	expect_equal(nftw(getenv("FLOE_DIR"), count_one, 16, FTW_PHYS), 0);
	failing_os_end();
	return happened;
}

/* Nobody closes what is being closed. And a process claims places one after the other, with a mutex:
 * nobody of it acts amid that. */
static bool is_possible(size_t call, size_t other)
{
	if (calls[call] == close_first_writer && others[other] == replace_first_writer)
		return false;
	return calls[call] != open_second_reader || others[other] != come_and_go;
}

static void act_amid_all(size_t other, bool is_read, uint64_t step)
{
	for (size_t call = 0; call < FLOE_COUNT(calls); call++) {
		uint64_t at = 1;

		while (is_possible(call, other) && act_amid(call, other, is_read, at))
			at += step;
	}
}

static void a_publisher_may_be_replaced_at_each_system_call(void)
{
	act_amid_all(0, false, 1);
}

static void others_may_act_meanwhile(void)
{
	for (size_t other = 0; other < FLOE_COUNT(others); other++) {
		act_amid_all(other, false, 5);
		act_amid_all(other, true, 7);
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_publisher_may_be_replaced_at_each_system_call),
		TEST(others_may_act_meanwhile),
	};

	title = "meanwhile";
	other_plan = small;
	other_plan.depth = 8;
	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
