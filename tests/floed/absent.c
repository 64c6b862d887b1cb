/* SPDX-License-Identifier: Apache-2.0 */

/* Peers that may come and are not there cost nothing: neither memory nor instructions depend on how
 * many are permitted. */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <floe/inspect.h>

#include "counted.h"
#include "folder.h"
#include "keeper.h"
#include "steps.h"

#define ROUNDS 32

static const char permissions[] = "[topic one]\npublishers = 1\nsubscribers = 1\nreserve = 1\n"
				  "[topic all]\npublishers = 64\nsubscribers = 256\nreserve = 1\n";

static void end_both(struct keeper *keeper)
{
	int status = keeper_end(keeper, SIGTERM);

	expect(WIFEXITED(status));
	expect_equal(WEXITSTATUS(status), 0);
	keeper_forget(keeper);
	keeper_unconfigure();
	expect_folder_empty();
}

/*
 * Memory
 */

static uint64_t memory_of(const char *topic)
{
	struct floe_publisher_info info;
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_view_publishers(view, topic, &info, sizeof(info), 1), 1);
	floe_view_close(view);
	expect(info.memory > 0);
	return info.memory;
}

static void memory_is_the_same_for_one_and_for_all(void)
{
	struct keeper keeper = keeper_start_ready(keeper_configure(permissions));
	const char *const topics[] = {"one", "all"};
	uint64_t ready[2], used[2];

	for (int i = 0; i < 2; i++) {
		struct floe_subscriber *sub;
		struct floe_publisher *pub;

		ready[i] = memory_of(topics[i]);
		sub = subscriber(topics[i], NULL);
		pub = publisher(topics[i], NULL);
		publish(pub, 64, 1);
		(void)receive(sub, 64, 1);
		used[i] = memory_of(topics[i]);
		floe_publisher_close(pub);
		floe_subscriber_close(sub);
	}
	expect_equal(ready[0], ready[1]);
	expect_equal(used[0], used[1]);
	end_both(&keeper);
}

/*
 * Instructions
 */

struct pair {
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
};

static void *open_pair(const void *topic)
{
	static struct pair pair;

	pair.sub = subscriber(topic, NULL);
	pair.pub = publisher(topic, NULL);
	return &pair;
}

static void exchange(void *state)
{
	struct pair *pair = state;
	struct floe_sample sample;
	struct floe_loan loan;

	for (int i = 0; i < ROUNDS; i++) {
		expect_equal(floe_loan(pair->pub, i % 2 ? 64 : 8, &loan), 1);
		expect_equal(floe_publish(pair->pub, &loan), 1);
		expect_equal(floe_take(pair->sub, &sample), 1);
		floe_release(pair->sub, &sample);
		expect_equal(floe_take(pair->sub, &sample), 0);
	}
}

static const struct counted_work alone = {open_pair, exchange};

static void publish_and_take_are_the_same_for_one_and_for_all(void)
{
	struct keeper keeper = keeper_start_ready(keeper_configure(permissions));
	uint64_t one = counted_steps(&alone, "one");
	uint64_t all = counted_steps(&alone, "all");

	printf("# %llu instructions, 256 permitted: %llu\n", (unsigned long long)one,
	       (unsigned long long)all);
	expect(one > ROUNDS);
	expect_equal(all, one);
	end_both(&keeper);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(memory_is_the_same_for_one_and_for_all),
		TEST(publish_and_take_are_the_same_for_one_and_for_all),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
