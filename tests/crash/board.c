/* SPDX-License-Identifier: Apache-2.0 */
#include "board.h"

#include <sys/mman.h>

#include "frame/frame.h"

struct board *board_make(void)
{
	struct board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attributes;

	expect(board != MAP_FAILED);
	expect_equal(pthread_mutexattr_init(&attributes), 0);
	expect_equal(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
	expect_equal(pthread_mutex_init(&board->lock, &attributes), 0);
	return board;
}

/* They walk the same instructions at the same time, and share the points. */
static void add(struct tally *sum, const struct tally *tally)
{
	if (sum->instructions < tally->instructions)
		sum->instructions = tally->instructions;
	for (int i = 0; i < KIND_COUNT; i++)
		sum->points[i] += tally->points[i];
	sum->missed += tally->missed;
	sum->failed += tally->failed;
	if (sum->seconds < tally->seconds)
		sum->seconds = tally->seconds;
}

bool board_add(struct board *board, size_t step, const struct tally *tally, unsigned jobs,
	       struct tally *ret)
{
	bool last;

	expect(step < BOARD_STEPS);
	expect_equal(pthread_mutex_lock(&board->lock), 0);
	add(&board->step[step].tally, tally);
	last = ++board->step[step].done == jobs;
	*ret = board->step[step].tally;
	expect_equal(pthread_mutex_unlock(&board->lock), 0);
	return last;
}

struct tally board_sum(const struct board *board)
{
	struct tally sum = {0};

	for (size_t i = 0; i < BOARD_STEPS; i++) {
		const struct tally *tally = &board->step[i].tally;

		sum.instructions += tally->instructions;
		for (int k = 0; k < KIND_COUNT; k++)
			sum.points[k] += tally->points[k];
		sum.missed += tally->missed;
		sum.failed += tally->failed;
		sum.seconds += tally->seconds;
	}
	return sum;
}
