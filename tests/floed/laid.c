/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What it costs to lay a topic down: system calls, which do not depend on the machine. Topics are laid
 * down one after the other before floed is ready, so each call counts as often as there are topics.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <floe/floe.h>

#include "floed/estate.h"
#include "frame/frame.h"
#include "unit/failing_os.h"

/* Of those that can fail: what was measured. */
#define CALLS_MAX 34
#define CALLS_AGAIN_MAX 22

#define TOPICS 16

static struct config_topic topics[TOPICS];

static struct config make_config(size_t count)
{
	const struct config_access unset = {CONFIG_UNSET, CONFIG_UNSET, CONFIG_UNSET};
	struct config config = {.topics = topics, .topics_count = count, .access = unset};

	for (size_t i = 0; i < TOPICS; i++) {
		(void)snprintf(topics[i].name, sizeof(topics[i].name), "t%zu", i);
		topics[i].access = unset;
		topics[i].terms.payload_max = 1024;
		topics[i].reserve = 1;
	}
	return config;
}

static uint64_t count_calls(struct estate *estate, size_t count)
{
	struct config config = make_config(count);
	struct floe_error error = {0};

	failing_os_plan((struct failing_plan){0});
	expect_equal(estate_apply(estate, &config, &error), 0);
	return failing_os.calls[FAILING_ANY];
}

static uint64_t calls_per_topic(struct node *node)
{
	struct estate estate;
	uint64_t few, many;

	estate_init(&estate, node);
	few = count_calls(&estate, 1);
	many = count_calls(&estate, TOPICS);
	printf("# %llu calls for the first topic, %llu for %d more\n", (unsigned long long)few,
	       (unsigned long long)many, TOPICS - 1);
	estate_end(&estate);
	return many / (TOPICS - 1);
}

/* Who publishes finds what was laid down. */
static void expect_a_ring_of(size_t payload_max)
{
	struct floe_publisher *pub;
	struct floe_loan loan;

	expect_equal(floe_publisher_open(&pub, "t3", NULL), 0);
	expect_equal(floe_loan(pub, payload_max + 1, &loan), -EINVAL);
	expect_equal(floe_loan(pub, payload_max, &loan), 1);
	floe_publisher_close(pub);
}

static void a_topic_takes_few_system_calls(void)
{
	struct node *node;

	expect_equal(node_get(&node, NULL, NULL, NULL), 0);
	failing_os_begin();
	expect(calls_per_topic(node) <= CALLS_MAX);
	failing_os_end();
	node_put(node);
}

/* Somebody is there already: folders, and topics with rings of others. */
static void a_topic_that_is_there_takes_few_more(void)
{
	struct floe_publisher *pub[TOPICS];
	struct node *node;

	expect_equal(node_get(&node, NULL, NULL, NULL), 0);
	for (size_t i = 0; i < TOPICS; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "t%zu", i);
		expect_equal(floe_publisher_open(&pub[i], name, NULL), 0);
	}
	failing_os_begin();
	expect(calls_per_topic(node) <= CALLS_AGAIN_MAX);
	failing_os_end();
	for (size_t i = 0; i < TOPICS; i++)
		floe_publisher_close(pub[i]);
	node_put(node);
}

static void what_was_laid_down_is_found(void)
{
	struct config config = make_config(TOPICS);
	struct floe_error error = {0};
	struct estate estate;
	struct node *node;

	expect_equal(node_get(&node, NULL, NULL, NULL), 0);
	estate_init(&estate, node);
	expect_equal(estate_apply(&estate, &config, &error), 0);
	expect_a_ring_of(1024);
	topics[3].terms.payload_max = 2048;
	expect_equal(estate_apply(&estate, &config, &error), 0);
	expect_a_ring_of(2048);
	estate_end(&estate);
	node_put(node);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_topic_takes_few_system_calls),
		TEST(a_topic_that_is_there_takes_few_more),
		TEST(what_was_laid_down_is_found),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
