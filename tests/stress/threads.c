/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The same parts played by threads, each with handles of its own. ThreadSanitizer sees nothing of
 * what happens between two mappings of one file, so the publishers' memory is a block of this
 * process here: their subscribers read it where it was written.
 */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <floe/inspect.h>

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

/*
 * Who opens and who looks reads also what lies in blocks of this process
 */

#define BLOCK_TOPIC "block"
#define BLOCK_LIVES 300

static const struct floe_attribute block_is = {"lies", "in a block"};
static const struct floe_type block_type = {.name = "block", .size = 8};

static void look_into_all(struct floe_view *view)
{
	struct floe_publisher_info info[2];
	struct floe_attribute_info attribute;
	struct floe_loan_info loan;
	char schema[16];

	(void)floe_view_publishers(view, BLOCK_TOPIC, info, sizeof(info[0]), COUNT(info));
	(void)floe_view_schema(view, BLOCK_TOPIC, schema, sizeof(schema));
	for (uint32_t i = 0; i < COUNT(info); i++) {
		(void)floe_view_attributes(view, BLOCK_TOPIC, i, &attribute, sizeof(attribute), 1);
		(void)floe_view_loans(view, BLOCK_TOPIC, i, &loan, sizeof(loan), 1);
	}
}

static void *looker_thread(void *stop)
{
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	while (!atomic_load((_Atomic bool *)stop)) {
		struct floe_publisher *pub = publisher(BLOCK_TOPIC, PUBLISHER(.type = &block_type));

		look_into_all(view);
		floe_publisher_close(pub);
	}
	floe_view_close(view);
	return NULL;
}

static void lie_in_a_block(void)
{
	struct floe_publisher_options options = *PUBLISHER(.type = &block_type, .depth = 4,
							   .payload_max = 64,
							   .attributes = &block_is,
							   .attributes_count = 1);
	struct floe_publisher *pub;

	options.memory_size = (size_t)floe_publisher_memory_size(&options);
	options.memory = mmap(NULL, options.memory_size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(options.memory != MAP_FAILED);
	pub = publisher(BLOCK_TOPIC, &options);
	publish(pub, 8, 1);
	floe_publisher_close(pub);
	memset(options.memory, 0xff, options.memory_size);
	expect_equal(munmap(options.memory, options.memory_size), 0);
}

static void a_block_is_its_owners_again_whoever_looked_into_it(void)
{
	_Atomic bool stop = false;
	pthread_t looker[2];

	for (size_t i = 0; i < COUNT(looker); i++)
		looker[i] = start(looker_thread, &stop);
	for (unsigned i = 0; i < BLOCK_LIVES; i++)
		lie_in_a_block();
	atomic_store(&stop, true);
	for (size_t i = 0; i < COUNT(looker); i++)
		expect_equal(pthread_join(looker[i], NULL), 0);
	expect_folder_empty();
}

/*
 * Who leaves last removes the topic under who comes just now
 */

#define COMINGS 400

static void *comer_thread(void *topic)
{
	for (unsigned i = 0; i < COMINGS; i++)
		floe_publisher_close(publisher(topic, PUBLISHER(.depth = 1)));
	return NULL;
}

static void threads_make_the_topic_again_that_others_removed(void)
{
	pthread_t comer[3];

	for (size_t i = 0; i < COUNT(comer); i++)
		comer[i] = start(comer_thread, (void *)"comes");
	for (size_t i = 0; i < COUNT(comer); i++)
		expect_equal(pthread_join(comer[i], NULL), 0);
	expect_folder_empty();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(threads_are_exact),
		TEST(reliable_threads_are_exact),
		TEST(threads_that_write_and_read_one_block_are_exact),
		TEST(threads_open_and_close_while_others_work),
		TEST(a_block_is_its_owners_again_whoever_looked_into_it),
		TEST(threads_make_the_topic_again_that_others_removed),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
