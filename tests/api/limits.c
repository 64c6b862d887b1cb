/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Limits that grow while a publisher or a subscriber is open: more loans, more memory, more holds. Whoever
 * is there is not disturbed, and a loan never fails for it.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <floe/inspect.h>

#include "folder.h"
#include "peer.h"
#include "steps.h"

#define CHUNK 4096
#define DEPTH 4
#define MANY 40

static int loan_all(struct floe_publisher *pub, struct floe_loan *loans)
{
	int count = 0;

	while (count < MANY && floe_loan(pub, CHUNK, &loans[count]) == 1)
		count++;
	return count;
}

static void discard_all(struct floe_publisher *pub, struct floe_loan *loans, int count)
{
	for (int i = 0; i < count; i++)
		floe_discard(pub, &loans[i]);
}

/* Each of them has memory of its own. */
static void expect_apart(const struct floe_loan *loans, int count)
{
	for (int i = 0; i < count; i++)
		memset(loans[i].data, i, CHUNK);
	for (int i = 0; i < count; i++)
		expect_equal(*(const unsigned char *)loans[i].data, i);
}

static void more_loans_are_allowed_while_messages_flow(void)
{
	struct floe_publisher *pub = publisher(
		"loans", PUBLISHER(.depth = DEPTH, .payload_max = CHUNK, .loans_max = 2,
				   .loans_ceiling = 20, .holds_max = 1));
	struct floe_subscriber *sub = subscriber("loans", SUBSCRIBER(.holds_max = 3));
	struct floe_loan loans[MANY];
	struct floe_sample held[3];
	uint64_t before;

	for (uint64_t i = 0; i < 3; i++) {
		publish(pub, CHUNK, i);
		held[i] = take(sub, CHUNK, i);
	}
	for (uint64_t i = 3; i < 10; i++)
		publish(pub, CHUNK, i);
	expect_equal(loan_all(pub, loans), 2);
	before = publisher_counts(pub).chunks;
	expect_equal(before, DEPTH + 2 + 3);
	expect_equal(floe_publisher_limit_loans(pub, 20), 0);
	/* Their memory is there before the first of them. */
	expect_equal(publisher_counts(pub).chunks, DEPTH + 20 + 3);
	discard_all(pub, loans, 2);
	expect_equal(loan_all(pub, loans), 20);
	expect_apart(loans, 20);
	expect_equal(publisher_counts(pub).chunks, DEPTH + 20 + 3);
	for (uint64_t i = 0; i < 3; i++)
		expect(is_filled(held[i].data, CHUNK, i));
	for (int i = 0; i < 20; i++)
		expect_equal(floe_publish(pub, &loans[i]), 1);
	for (uint64_t i = 0; i < 3; i++)
		floe_release(sub, &held[i]);
	for (int i = 20 - DEPTH; i < 20; i++) {
		expect_equal(floe_take(sub, held), 1);
		expect_equal(*(const unsigned char *)held[0].data, i);
		floe_release(sub, held);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void fewer_and_more_again(void)
{
	struct floe_publisher *pub = publisher("again",
					       PUBLISHER(.depth = DEPTH, .payload_max = CHUNK,
							 .loans_max = 5, .loans_ceiling = 8));
	struct floe_loan loans[MANY];

	for (int round = 0; round < 3; round++) {
		for (size_t limit = 1; limit <= 8; limit++) {
			expect_equal(floe_publisher_limit_loans(pub, limit), 0);
			expect_equal(loan_all(pub, loans), limit);
			expect_apart(loans, (int)limit);
			expect_equal(floe_publisher_limit_loans(pub, 8), 0);
			if (limit > 1)
				expect_equal(floe_publisher_limit_loans(pub, limit - 1), -EBUSY);
			discard_all(pub, loans, (int)limit);
		}
	}
	expect_equal(floe_publisher_limit_loans(pub, 9), -EINVAL);
	expect_equal(floe_publisher_limit_loans(pub, 0), -EINVAL);
	floe_publisher_close(pub);
}

/* A reader holds as much as it may all the while, and no loan fails. */
static void more_is_held_while_messages_flow(void)
{
	struct floe_publisher *pub = publisher(
		"holds", PUBLISHER(.depth = DEPTH, .payload_max = CHUNK, .holds_max = 1));
	struct floe_subscriber *other = subscriber("holds", SUBSCRIBER(.holds_max = 1));
	struct floe_subscriber *sub = subscriber("holds",
						 SUBSCRIBER(.holds_max = 2, .holds_ceiling = MANY));
	struct floe_sample held[MANY] = {0}, sample;
	uint64_t next = 1;

	for (size_t limit = 2; limit <= MANY; limit++) {
		expect_equal(floe_subscriber_limit_holds(sub, limit), 0);
		for (size_t i = 0; i < limit; i++, next++) {
			publish(pub, CHUNK, next);
			if (held[i].data)
				floe_release(sub, &held[i]);
			held[i] = take(sub, CHUNK, next);
			receive(other, CHUNK, next);
		}
		publish(pub, CHUNK, next);
		expect_equal(floe_take(sub, &sample), -ENOBUFS);
		for (size_t i = 0; i < limit; i++)
			expect(is_filled(held[i].data, CHUNK, next - limit + i));
		floe_release(sub, &held[0]);
		receive(sub, CHUNK, next);
		receive(other, CHUNK, next++);
	}
	expect_equal(subscriber_counts(sub).lost, 0);
	expect(publisher_counts(pub).chunks >= DEPTH + MANY);
	expect_equal(floe_subscriber_limit_holds(sub, MANY + 1), -EINVAL);
	expect_equal(floe_subscriber_limit_holds(sub, 0), -EINVAL);
	floe_subscriber_close(sub);
	floe_subscriber_close(other);
	floe_publisher_close(pub);
}

/* What is not allowed yet is not reserved. */
static void a_ceiling_costs_no_chunks(void)
{
	struct floe_publisher *pub = publisher(
		"cheap", PUBLISHER(.depth = DEPTH, .payload_max = CHUNK, .loans_max = 1,
				   .loans_ceiling = 256, .holds_max = 1));
	struct floe_subscriber *sub = subscriber("cheap",
						 SUBSCRIBER(.holds_max = 2, .holds_ceiling = 255));

	publish(pub, CHUNK, 1);
	receive(sub, CHUNK, 1);
	expect_equal(publisher_counts(pub).chunks, DEPTH + 1 + 2);
	expect_equal(floe_subscriber_memory_size(SUBSCRIBER(.holds_max = 2, .holds_ceiling = 255)),
		     floe_subscriber_memory_size(SUBSCRIBER(.holds_max = 255)));
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/* However many holds are reserved, which may be more than what a ring grows by. */
static void beside_many_holds_there_is_room_for_more_loans(void)
{
	struct floe_publisher *pub = publisher(
		"much", PUBLISHER(.depth = 16, .payload_max = 64, .loans_max = 1,
				  .loans_ceiling = 256, .holds_max = 10000));

	expect_equal(publisher_counts(pub).chunks, 16 + 1 + 10000);
	expect_equal(floe_publisher_limit_loans(pub, 256), 0);
	expect_equal(publisher_counts(pub).chunks, 16 + 256 + 10000);
	floe_publisher_close(pub);
}

static void a_block_has_what_is_allowed_later(void)
{
	struct floe_publisher_options options = {.size = sizeof(options),
						 .depth = DEPTH,
						 .payload_max = CHUNK,
						 .loans_max = 2,
						 .loans_ceiling = 9};
	struct floe_loan loans[MANY];
	struct floe_publisher *pub;

	options.memory_size = (size_t)floe_publisher_memory_size(&options);
	options.memory = aligned_alloc(64, (options.memory_size + 63) & ~(size_t)63);
	expect(options.memory);
	pub = publisher("block", &options);
	expect_equal(loan_all(pub, loans), 2);
	expect_equal(floe_publisher_limit_loans(pub, 9), 0);
	discard_all(pub, loans, 2);
	for (uint64_t i = 0; i < 10; i++)
		publish(pub, CHUNK, i);
	expect_equal(loan_all(pub, loans), 9);
	expect_apart(loans, 9);
	discard_all(pub, loans, 9);
	floe_publisher_close(pub);
	free(options.memory);
}

/* Less, and more again: whichever are given back, and with shared ones among them. */
static void fewer_are_held_and_more_again(void)
{
	struct floe_publisher *pub = publisher("few", PUBLISHER(.depth = 20, .payload_max = CHUNK));
	struct floe_subscriber *sub = subscriber("few",
						 SUBSCRIBER(.holds_max = 6, .holds_ceiling = 9));
	struct floe_shared_sample *shared;
	struct floe_sample held[9], more;

	for (uint64_t i = 0; i < 15; i++)
		publish(pub, CHUNK, i);
	for (uint64_t i = 0; i < 6; i++)
		held[i] = take(sub, CHUNK, i);
	expect_equal(floe_take(sub, &more), -ENOBUFS);
	expect_equal(floe_subscriber_limit_holds(sub, 5), -EBUSY);
	expect_equal(floe_sample_share(sub, &held[4], &shared), 0);
	floe_release(sub, &held[1]);
	expect_equal(floe_subscriber_limit_holds(sub, 5), 0);
	expect_equal(floe_take(sub, &more), -ENOBUFS);
	expect_equal(floe_shared_sample_unref(shared), 1);
	/* What nobody shares any more counts no more. */
	expect_equal(floe_subscriber_limit_holds(sub, 4), 0);
	expect_equal(floe_take(sub, &more), -ENOBUFS);
	expect_equal(floe_subscriber_limit_holds(sub, 9), 0);
	held[1] = take(sub, CHUNK, 6);
	held[4] = take(sub, CHUNK, 7);
	for (uint64_t i = 6; i < 9; i++)
		held[i] = take(sub, CHUNK, i + 2);
	expect_equal(floe_take(sub, &more), -ENOBUFS);
	for (size_t i = 0; i < 9; i++)
		floe_release(sub, &held[i]);
	expect_equal(subscriber_counts(sub).held, 0);
	receive(sub, CHUNK, 11);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_depth_that_changes_leaves_out_what_is_older(void)
{
	struct floe_publisher *pub = publisher("depth", PUBLISHER(.depth = 20));
	struct floe_subscriber *sub = subscriber("depth", NULL);
	struct floe_sample sample;

	for (uint64_t i = 1; i <= 10; i++)
		publish(pub, 8, i);
	expect_equal(floe_subscriber_limit_depth(sub, 3), 0);
	expect_equal(floe_take(sub, &sample), 1);
	expect_equal(sample.sequence, 8);
	expect_equal(sample.lost, 7);
	floe_release(sub, &sample);
	expect_equal(floe_subscriber_limit_depth(sub, 0), 0);
	for (uint64_t i = 11; i <= 26; i++)
		publish(pub, 8, i);
	expect_equal(floe_take(sub, &sample), 1);
	expect_equal(sample.sequence, 9);
	expect_equal(sample.lost, 0);
	floe_release(sub, &sample);
	expect_equal(floe_subscriber_limit_depth(sub, FLOE_DEPTH_MAX + 1), -EINVAL);
	expect_equal(floe_subscriber_limit_depth(NULL, 1), -EINVAL);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static struct floe_publisher *heir(size_t loans_max)
{
	return publisher("heir", PUBLISHER(.payload_max = CHUNK, .loans_max = loans_max,
					   .loans_ceiling = 10, .holds_max = 1));
}

static void a_raised_limit_is_inherited(void)
{
	struct floe_subscriber *sub = subscriber("heir", NULL);
	struct floe_publisher *pub = heir(2);
	struct floe_loan loans[MANY];
	uint64_t chunks;

	expect_equal(floe_publisher_limit_loans(pub, 8), 0);
	chunks = publisher_counts(pub).chunks;
	expect_equal(loan_all(pub, loans), 8);
	discard_all(pub, loans, 7);
	publish(pub, CHUNK, 1);
	floe_publisher_close(pub);
	pub = heir(3);
	expect_equal(publisher_counts(pub).published, 1);
	expect_equal(publisher_counts(pub).chunks, chunks);
	expect_equal(loan_all(pub, loans), 8);
	expect_apart(loans, 8);
	discard_all(pub, loans, 8);
	/* Who lowers it lowers it for himself. */
	expect_equal(floe_publisher_limit_loans(pub, 1), 0);
	floe_publisher_close(pub);
	pub = heir(4);
	expect_equal(loan_all(pub, loans), 4);
	discard_all(pub, loans, 4);
	receive(sub, CHUNK, 1);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

/*
 * A full file system
 */

static struct {
	int count;
	char text[512];
} told;

static void note(void *user, const char *sentence)
{
	expect(user == &told);
	told.count++;
	(void)snprintf(told.text, sizeof(told.text), "%s", sentence);
}

static uint64_t count_free(void)
{
	struct statvfs seen;

	expect_equal(statvfs(getenv("FLOE_DIR"), &seen), 0);
	return seen.f_bfree;
}

/* All but so many blocks are taken by somebody else. */
static void leave_free(uint64_t blocks)
{
	static const char block[4096];
	char path[512];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/filler", getenv("FLOE_DIR"));
	file = fopen(path, "a");
	expect(file != NULL);
	while (count_free() > blocks)
		expect(fwrite(block, sizeof(block), 1, file) == 1 && fflush(file) == 0);
	expect_equal(fclose(file), 0);
}

static void make_room(void)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/filler", getenv("FLOE_DIR"));
	expect_equal(unlink(path), 0);
}

/* Nothing is taken, changed or lost, why is said, and once there is room it works. */
static void a_raise_that_finds_no_memory_changes_nothing(void)
{
	struct floe_subscriber *sub, *other;
	struct floe_publisher *pub;
	struct floe_sample held;
	struct floe_loan loans[MANY];
	uint64_t free_before, chunks;

	folder_mount("size=1m");
	pub = publisher("full", PUBLISHER(.depth = DEPTH, .payload_max = CHUNK, .loans_max = 2,
					  .loans_ceiling = 256, .holds_max = 1, .notice = note,
					  .notice_user = &told));
	sub = subscriber("full", SUBSCRIBER(.holds_max = 1));
	publish(pub, CHUNK, 1);
	held = take(sub, CHUNK, 1);
	publish(pub, CHUNK, 2);
	free_before = count_free();
	chunks = publisher_counts(pub).chunks;
	expect_equal(floe_publisher_limit_loans(pub, 256), -ENOSPC);
	expect_equal(told.count, 1);
	expect(strstr(told.text, "'full': 256 loans are not allowed, but 2 as before"));
	expect(strstr(told.text, "file system is full: remove what is not needed"));
	expect_equal(count_free(), free_before);
	expect_equal(publisher_counts(pub).chunks, chunks);
	expect_equal(loan_all(pub, loans), 2);
	expect_apart(loans, 2);
	expect_equal(floe_loan(pub, CHUNK, &loans[2]), -ENOBUFS);
	discard_all(pub, loans, 2);
	expect(is_filled(held.data, CHUNK, 1));
	floe_release(sub, &held);
	receive(sub, CHUNK, 2);
	expect_equal(subscriber_counts(sub).lost, 0);
	/* Less of it can be had; then nothing, until somebody makes room. */
	expect_equal(floe_publisher_limit_loans(pub, 8), 0);
	leave_free(4);
	expect_equal(floe_publisher_limit_loans(pub, 20), -ENOSPC);
	expect_equal(loan_all(pub, loans), 8);
	discard_all(pub, loans, 8);
	make_room();
	/* What was not allowed is not taken for who joins either. */
	other = subscriber("full", SUBSCRIBER(.holds_max = 1));
	for (uint64_t i = 3; i < 40; i++) {
		publish(pub, CHUNK, i);
		receive(other, CHUNK, i);
	}
	floe_subscriber_close(other);
	expect_equal(publisher_counts(pub).chunks, DEPTH + 8 + 2);
	expect_equal(floe_publisher_limit_loans(pub, 20), 0);
	expect_equal(loan_all(pub, loans), 20);
	expect_apart(loans, 20);
	discard_all(pub, loans, 20);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_folder_empty();
}

/* Who holds more needs chunks of publishers: theirs is the lack, and theirs the sentence, once. */
static void more_that_is_held_finds_no_memory_until_there_is_some(void)
{
	struct floe_subscriber *sub;
	struct floe_publisher *pub;
	struct floe_sample held[20];
	struct floe_loan loan;
	uint64_t count = 0;
	int r = 1;

	folder_mount("size=1m");
	pub = publisher("held", PUBLISHER(.depth = 2, .payload_max = CHUNK, .loans_max = 1,
					  .holds_max = 1, .notice = note, .notice_user = &told));
	sub = subscriber("held", SUBSCRIBER(.holds_max = 1, .holds_ceiling = 20));
	publish(pub, CHUNK, 99);
	receive(sub, CHUNK, 99);
	expect_equal(floe_subscriber_limit_holds(sub, 20), 0);
	leave_free(4);
	while (count < 20 && (r = floe_loan(pub, CHUNK, &loan)) == 1) {
		fill(loan.data, CHUNK, count);
		expect_equal(floe_publish(pub, &loan), 1);
		held[count] = take(sub, CHUNK, count);
		count++;
	}
	expect_equal(r, -ENOSPC);
	expect_equal(told.count, 1);
	expect(strstr(told.text, "'held'") && strstr(told.text, "is full"));
	expect_equal(floe_loan(pub, CHUNK, &loan), -ENOSPC);
	expect_equal(told.count, 1);
	make_room();
	for (; count < 20; count++) {
		publish(pub, CHUNK, count);
		held[count] = take(sub, CHUNK, count);
	}
	for (uint64_t i = 0; i < 20; i++) {
		expect(is_filled(held[i].data, CHUNK, i));
		floe_release(sub, &held[i]);
	}
	expect_equal(subscriber_counts(sub).lost, 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_folder_empty();
}

/*
 * Elastic
 */

#define MIB ((size_t)1 << 20)
#define ELASTIC(now, most, ...) \
	PUBLISHER(.flags = FLOE_ELASTIC, .depth = 1, .payload_max = MIB, .loans_max = 20, \
		  .quota = (now), .quota_ceiling = (most), __VA_ARGS__)

static int loan_large(struct floe_publisher *pub, struct floe_loan *loans)
{
	int count = 0;

	while (count < 20 && floe_loan(pub, MIB, &loans[count]) == 1)
		memset(loans[count++].data, 7, MIB);
	return count;
}

static void a_quota_is_raised_and_lowered(void)
{
	struct floe_publisher *pub = publisher("quota", ELASTIC(2 * MIB, 8 * MIB, ));
	struct floe_loan loans[MANY];

	expect_equal(loan_large(pub, loans), 2);
	expect_equal(floe_loan(pub, MIB, &loans[2]), -EDQUOT);
	expect_equal(floe_publisher_limit_memory(pub, 5 * MIB + 4095), 0);
	expect_equal(publisher_counts(pub).quota, 5 * MIB);
	expect_equal(loan_large(pub, loans + 2), 3);
	expect_equal(floe_publisher_limit_memory(pub, 4 * MIB), -EBUSY);
	expect_equal(publisher_counts(pub).quota, 5 * MIB);
	discard_all(pub, loans, 5);
	/* What is idle is given back for it. */
	expect_equal(floe_publisher_limit_memory(pub, MIB), 0);
	expect_equal(loan_large(pub, loans), 1);
	discard_all(pub, loans, 1);
	expect(publisher_counts(pub).solid <= MIB);
	expect_equal(floe_publisher_limit_memory(pub, 8 * MIB), 0);
	expect_equal(loan_large(pub, loans), 8);
	discard_all(pub, loans, 8);
	floe_publisher_close(pub);
}

/* What left the ring and is not held is no reason to refuse. */
static void what_nobody_holds_does_not_keep_a_quota(void)
{
	struct floe_publisher *pub = publisher("retired", ELASTIC(4 * MIB, 8 * MIB, ));
	struct floe_subscriber *sub = subscriber("retired", SUBSCRIBER(.holds_max = 2));
	struct floe_sample sample;

	publish(pub, MIB, 1);
	sample = take(sub, MIB, 1);
	publish(pub, MIB, 2);
	publish(pub, 8, 3);
	expect_equal(floe_publisher_limit_memory(pub, MIB), 0);
	expect(is_filled(sample.data, MIB, 1));
	floe_release(sub, &sample);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/* What is held of a ring was in use before it was adopted. */
static void what_is_held_of_the_one_before_keeps_a_quota(void)
{
	struct floe_publisher *pub = publisher("before", ELASTIC(4 * MIB, 8 * MIB, ));
	struct floe_subscriber *sub = subscriber("before", SUBSCRIBER(.holds_max = 2));
	struct floe_sample sample;

	publish(pub, MIB, 1);
	sample = take(sub, MIB, 1);
	publish(pub, MIB, 2);
	floe_publisher_close(pub);
	pub = publisher("before", ELASTIC(4 * MIB, 8 * MIB, ));
	expect_equal(publisher_counts(pub).published, 2);
	expect_equal(floe_publisher_limit_memory(pub, MIB), -EBUSY);
	expect_equal(publisher_counts(pub).quota, 4 * MIB);
	expect(is_filled(sample.data, MIB, 1));
	floe_release(sub, &sample);
	expect_equal(floe_publisher_limit_memory(pub, MIB), 0);
	receive(sub, MIB, 2);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void a_quota_that_was_raised_is_inherited(void)
{
	struct floe_subscriber *sub = subscriber("memory", NULL);
	struct floe_publisher *pub = publisher("memory", ELASTIC(2 * MIB, 8 * MIB, ));
	struct floe_loan loans[MANY];

	publish(pub, 8, 1);
	expect_equal(floe_publisher_limit_memory(pub, 6 * MIB), 0);
	floe_publisher_close(pub);
	pub = publisher("memory", ELASTIC(3 * MIB, 8 * MIB, ));
	expect_equal(publisher_counts(pub).published, 1);
	expect_equal(publisher_counts(pub).quota, 6 * MIB);
	expect_equal(loan_large(pub, loans), 6);
	discard_all(pub, loans, 6);
	floe_publisher_close(pub);
	pub = publisher("memory", ELASTIC(7 * MIB, 8 * MIB, ));
	expect_equal(publisher_counts(pub).quota, 7 * MIB);
	receive(sub, 8, 1);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void a_quota_that_finds_no_memory_is_used_once_there_is_some(void)
{
	struct floe_publisher *pub;
	struct floe_loan loans[MANY];
	int count;

	folder_mount("size=5m");
	pub = publisher("lack", ELASTIC(2 * MIB, 8 * MIB, .notice = note, .notice_user = &told));
	expect_equal(floe_publisher_limit_memory(pub, 8 * MIB), 0);
	count = loan_large(pub, loans);
	expect(count >= 2 && count < 8);
	expect_equal(told.count, 1);
	expect(strstr(told.text, "'lack'") && strstr(told.text, "is full"));
	expect_equal(floe_loan(pub, MIB, &loans[count]), -ENOSPC);
	expect_equal(told.count, 1);
	publish(pub, 8, 1);
	/* What comes back is lent again. Who raises it once more is told once more. */
	floe_discard(pub, &loans[--count]);
	expect_equal(floe_loan(pub, MIB, &loans[count++]), 1);
	expect_equal(floe_loan(pub, MIB, &loans[count]), -ENOSPC);
	expect_equal(floe_publisher_limit_memory(pub, 8 * MIB), 0);
	told.count = 0;
	expect_equal(floe_loan(pub, MIB, &loans[count]), -ENOSPC);
	expect_equal(floe_loan(pub, MIB, &loans[count]), -ENOSPC);
	expect_equal(told.count, 1);
	for (int i = 0; i < count - 1; i++)
		expect(((const unsigned char *)loans[i].data)[MIB - 1] == 7);
	discard_all(pub, loans, count);
	floe_publisher_close(pub);
	expect_folder_empty();
}

static void sizes_are_told_with_and_without_ceilings(void)
{
	ssize_t now = floe_publisher_memory_size(PUBLISHER(.payload_max = CHUNK, .loans_max = 2));
	ssize_t later = floe_publisher_memory_size(
		PUBLISHER(.payload_max = CHUNK, .loans_max = 2, .loans_ceiling = 10));
	ssize_t small = floe_publisher_memory_size(ELASTIC(2 * MIB, 0, ));

	expect_equal(later,
		     floe_publisher_memory_size(PUBLISHER(.payload_max = CHUNK, .loans_max = 10)));
	expect(later - now >= 8 * CHUNK);
	expect(later - now <= 9 * CHUNK);
	expect_equal(floe_publisher_memory_size(ELASTIC(2 * MIB, 8 * MIB, )),
		     small + (ssize_t)(6 * MIB));
	/* However much is allowed, it is no more than all chunks that there can be. */
	expect(floe_publisher_memory_size(ELASTIC(2 * MIB, SIZE_MAX, )) > small);
	expect_equal(floe_publisher_memory_size(ELASTIC(2 * MIB, SIZE_MAX, )),
		     floe_publisher_memory_size(ELASTIC(2 * MIB, SIZE_MAX / 2, )));
	/* More loans are no more of its quota. */
	expect(floe_publisher_memory_size(ELASTIC(0, 0, .loans_ceiling = 200)) <=
	       floe_publisher_memory_size(ELASTIC(0, 0, )) + 180 * 64 + (ssize_t)CHUNK);
	expect_equal(floe_subscriber_memory_size(SUBSCRIBER(.holds_ceiling = 255)),
		     floe_subscriber_memory_size(SUBSCRIBER(.holds_max = 255)));
}

static void others_see_the_limit(void)
{
	struct floe_publisher *pub = publisher("seen",
					       PUBLISHER(.loans_max = 2, .loans_ceiling = 10));
	struct floe_subscriber *sub = subscriber("seen",
						 SUBSCRIBER(.holds_max = 3, .holds_ceiling = 20));
	struct floe_subscriber_info reads;
	struct floe_publisher_info sends;
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_view_publishers(view, "seen", &sends, sizeof(sends), 1), 1);
	expect_equal(sends.loans_max, 2);
	expect_equal(sends.loans_ceiling, 10);
	expect_equal(floe_view_subscribers(view, "seen", &reads, sizeof(reads), 1), 1);
	expect_equal(reads.holds_max, 3);
	expect_equal(reads.holds_ceiling, 20);
	expect_equal(floe_publisher_limit_loans(pub, 7), 0);
	expect_equal(floe_subscriber_limit_holds(sub, 12), 0);
	expect_equal(floe_view_publishers(view, "seen", &sends, sizeof(sends), 1), 1);
	expect_equal(sends.loans_max, 7);
	expect_equal(floe_view_subscribers(view, "seen", &reads, sizeof(reads), 1), 1);
	expect_equal(reads.holds_max, 12);
	floe_view_close(view);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void ceilings_have_limits(void)
{
	struct floe_subscriber *sub = subscriber(
		"safe", SUBSCRIBER(.holds_ceiling = 9, .flags = FLOE_THREAD_SAFE));
	struct floe_publisher *pub = publisher(
		"safe", PUBLISHER(.loans_ceiling = 9, .flags = FLOE_THREAD_SAFE));
	struct floe_publisher *elastic = publisher("safe", ELASTIC(2 * MIB, 8 * MIB, ));

	expect_equal(try_publisher("much", PUBLISHER(.loans_ceiling = FLOE_LOANS_MAX + 1),
				   "loans_ceiling"),
		     -EINVAL);
	expect_equal(try_publisher("much", PUBLISHER(.loans_max = 5, .loans_ceiling = 4),
				   "loans_ceiling is 4"),
		     -EINVAL);
	expect_equal(try_subscriber("much", SUBSCRIBER(.holds_ceiling = FLOE_HOLDS_MAX + 1),
				    "holds_ceiling"),
		     -EINVAL);
	expect_equal(try_subscriber("much", SUBSCRIBER(.holds_max = 5, .holds_ceiling = 4),
				    "holds_ceiling is 4"),
		     -EINVAL);
	expect_equal(try_publisher("much", ELASTIC(2 * MIB, MIB, ), "quota_ceiling"), -EINVAL);
	expect_equal(try_publisher("much", PUBLISHER(.quota_ceiling = MIB), "FLOE_ELASTIC"),
		     -EINVAL);
	expect_equal(floe_subscriber_limit_holds(NULL, 3), -EINVAL);
	expect_equal(floe_subscriber_limit_holds(sub, 9), 0);
	expect_equal(floe_subscriber_limit_holds(sub, 10), -EINVAL);
	expect_equal(floe_subscriber_limit_depth(sub, 1), 0);
	expect_equal(floe_publisher_limit_loans(pub, 9), 0);
	expect_equal(floe_publisher_limit_loans(pub, 10), -EINVAL);
	expect_equal(floe_publisher_limit_memory(pub, MIB), -EINVAL);
	expect_equal(floe_publisher_limit_memory(NULL, MIB), -EINVAL);
	expect_equal(floe_publisher_limit_memory(elastic, MIB - 1), -EINVAL);
	expect_equal(floe_publisher_limit_memory(elastic, 8 * MIB + 4096), -EINVAL);
	expect_equal(floe_publisher_limit_memory(elastic, 8 * MIB), 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	floe_publisher_close(elastic);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(more_loans_are_allowed_while_messages_flow),
		TEST(fewer_and_more_again),
		TEST(more_is_held_while_messages_flow),
		TEST(a_ceiling_costs_no_chunks),
		TEST(beside_many_holds_there_is_room_for_more_loans),
		TEST(a_block_has_what_is_allowed_later),
		TEST(a_raised_limit_is_inherited),
		TEST(a_raise_that_finds_no_memory_changes_nothing),
		TEST(more_that_is_held_finds_no_memory_until_there_is_some),
		TEST(a_quota_that_finds_no_memory_is_used_once_there_is_some),
		TEST(fewer_are_held_and_more_again),
		TEST(a_depth_that_changes_leaves_out_what_is_older),
		TEST(a_quota_is_raised_and_lowered),
		TEST(what_nobody_holds_does_not_keep_a_quota),
		TEST(what_is_held_of_the_one_before_keeps_a_quota),
		TEST(a_quota_that_was_raised_is_inherited),
		TEST(sizes_are_told_with_and_without_ceilings),
		TEST(others_see_the_limit),
		TEST(ceilings_have_limits),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
