/* SPDX-License-Identifier: Apache-2.0 */
#include "board.h"

#include <string.h>
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

/* The name, then what is in a tally, in its order. */
static bool read_line(const char *line, const char *name, struct tally *ret)
{
	char found[128];

	return sscanf(line, "%127s %zu %zu %zu %zu %zu %zu %zu %lf", found, &ret->instructions,
		      &ret->points[0], &ret->points[1], &ret->points[2], &ret->looks, &ret->missed,
		      &ret->failed, &ret->seconds) == 9 &&
	       !strcmp(found, name);
}

bool board_recall(const char *file, const char *name, struct tally *ret)
{
	FILE *notes = fopen(file, "re");
	char line[256];
	bool found = false;

	while (notes && !found && fgets(line, sizeof(line), notes))
		found = read_line(line, name, ret);
	if (notes)
		(void)fclose(notes);
	return found;
}

void board_note(const char *file, const char *name, const struct tally *tally)
{
	FILE *notes = fopen(file, "ae");

	if (!notes)
		return;
	(void)fprintf(notes, "%s %zu %zu %zu %zu %zu %zu %zu %.3f\n", name, tally->instructions,
		      tally->points[0], tally->points[1], tally->points[2], tally->looks,
		      tally->missed, tally->failed, tally->seconds);
	(void)fclose(notes);
}

/* They walk the same instructions at the same time, and share the points. */
static void add(struct tally *sum, const struct tally *tally)
{
	if (sum->instructions < tally->instructions)
		sum->instructions = tally->instructions;
	for (int i = 0; i < KIND_COUNT; i++)
		sum->points[i] += tally->points[i];
	sum->looks += tally->looks;
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
		sum.looks += tally->looks;
		sum.missed += tally->missed;
		sum.failed += tally->failed;
		sum.seconds += tally->seconds;
	}
	return sum;
}
