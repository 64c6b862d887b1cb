/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The same parts played by threads, each with handles of its own. ThreadSanitizer sees nothing of
 * what happens between two mappings of one file, so the publishers' memory is a block of this
 * process here: their subscribers read it where it was written.
 */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api/folder.h"
#include "api/steps.h"
#include "stress/parts.h"

#define MESSAGES 2000
#define PUBLISHERS_MAX 3
#define SUBSCRIBERS_MAX 4

static void *publisher_thread(void *part)
{
	play_publisher(part);
	return NULL;
}

static void *subscriber_thread(void *part)
{
	play_subscriber(part);
	return NULL;
}

static void *visitor_thread(void *part)
{
	play_visitor(part);
	return NULL;
}

static pthread_t start(void *(*life)(void *), void *part)
{
	pthread_t thread;

	expect_equal(pthread_create(&thread, NULL, life, part), 0);
	return thread;
}

struct company {
	struct stage *stage;
	uint64_t seed;
	pthread_t thread[PUBLISHERS_MAX + SUBSCRIBERS_MAX];
	unsigned count;
	struct publisher_part sends[PUBLISHERS_MAX];
	struct subscriber_part reads[SUBSCRIBERS_MAX];
	void *block[PUBLISHERS_MAX];
};

/* Where a publisher's ring lies. */
enum place {
	IN_A_FILE,
	IN_A_BLOCK
};

static void add_publisher(struct company *company, unsigned i, enum place place)
{
	struct publisher_part *part = &company->sends[i];

	*part = (struct publisher_part){
		.stage = company->stage,
		/* A block does not grow: it has room for all that subscribers may hold. */
		.options = *PUBLISHER(.depth = 5 + i, .payload_max = MESSAGE_SIZE_MAX,
				      .holds_max = 8 * SUBSCRIBERS_MAX),
		.writer = i,
		.seed = random_next(&company->seed),
		.count = MESSAGES,
		.pauses = 40,
	};
	if (place == IN_A_BLOCK) {
		size_t size = (size_t)floe_publisher_memory_size(&part->options);

		expect_equal(posix_memalign(&company->block[i], 64, size), 0);
		part->options.memory = company->block[i];
		part->options.memory_size = size;
	}
	company->thread[company->count++] = start(publisher_thread, part);
}

static void add_subscriber(struct company *company, unsigned i, unsigned publishers,
			   uint32_t policy)
{
	struct subscriber_part *part = &company->reads[i];

	*part = (struct subscriber_part){
		.stage = company->stage,
		.options = *SUBSCRIBER(.holds_max = 1 + 2 * i, .policy = policy),
		.seed = random_next(&company->seed),
		.publishers = publishers,
		.pauses = 40 * i,
	};
	company->thread[company->count++] = start(subscriber_thread, part);
}

static void end_company(struct company *company)
{
	for (unsigned i = 0; i < company->count; i++)
		expect_equal(pthread_join(company->thread[i], NULL), 0);
	for (unsigned i = 0; i < PUBLISHERS_MAX; i++)
		free(company->block[i]);
	stage_destroy(company->stage);
	expect_folder_empty();
}

static void run(unsigned publishers, unsigned subscribers, uint32_t policy, enum place place)
{
	struct company company = {
		.stage = stage_create(publishers + subscribers),
		.seed = random_seed(),
	};

	company.stage->close_together = place == IN_A_BLOCK;
	for (unsigned i = 0; i < subscribers; i++)
		add_subscriber(&company, i, publishers, policy);
	for (unsigned i = 0; i < publishers; i++)
		add_publisher(&company, i, place);
	end_company(&company);
}

static void threads_are_exact(void)
{
	run(1, 1, FLOE_POLICY_KEEP_LAST, IN_A_FILE);
	run(2, 4, FLOE_POLICY_KEEP_LAST, IN_A_FILE);
}

static void reliable_threads_are_exact(void)
{
	run(1, 1, FLOE_POLICY_RELIABLE, IN_A_FILE);
	run(3, 4, FLOE_POLICY_RELIABLE, IN_A_FILE);
}

static void threads_that_write_and_read_one_block_are_exact(void)
{
	run(1, 1, FLOE_POLICY_RELIABLE, IN_A_BLOCK);
	run(2, 4, FLOE_POLICY_RELIABLE, IN_A_BLOCK);
}

static void threads_open_and_close_while_others_work(void)
{
	struct company company = {.stage = stage_create(3), .seed = random_seed()};
	struct subscriber_part visits[2];
	pthread_t visitors[2];

	add_subscriber(&company, 0, 2, FLOE_POLICY_KEEP_LAST);
	for (unsigned i = 0; i < 2; i++) {
		visits[i] = (struct subscriber_part){
			.stage = company.stage,
			.options = *SUBSCRIBER(.spin_ns = 1),
			.seed = random_next(&company.seed),
		};
		visitors[i] = start(visitor_thread, &visits[i]);
	}
	for (unsigned i = 0; i < 2; i++)
		add_publisher(&company, i, IN_A_FILE);
	for (unsigned i = 0; i < company.count; i++)
		expect_equal(pthread_join(company.thread[i], NULL), 0);
	company.count = 0;
	atomic_store(&company.stage->stop, true);
	for (unsigned i = 0; i < 2; i++)
		expect_equal(pthread_join(visitors[i], NULL), 0);
	end_company(&company);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(threads_are_exact),
		TEST(reliable_threads_are_exact),
		TEST(threads_that_write_and_read_one_block_are_exact),
		TEST(threads_open_and_close_while_others_work),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
