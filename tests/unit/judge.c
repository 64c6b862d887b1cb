/* SPDX-License-Identifier: Apache-2.0 */
/* The rule of ./run bench heap: an interval that has the true median in it 95 times of 100, whatever
 * the noise looks like, and no word where the rounds do not give one. */
#include "../../bench/heap/judge.c"

#include <stdint.h>
#include <string.h>

#include "frame/frame.h"

#define SERIES 4000

static uint64_t state = 88172645463325252u;

/* 0 to 1. */
static double random_part(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (double)(state >> 11) / (double)((uint64_t)1 << 53);
}

/* The median is 1; few values are much greater, as on a machine with other work. */
static double noisy(void)
{
	double part = random_part();

	return part < 0.5 ? 0.9 + part / 5 : 1 + 0.05 / (1.0001 - part) - 0.1;
}

static double flat(void)
{
	return 0.5 + random_part();
}

static double share_of_hits(double (*draw)(void), size_t count)
{
	double values[99];
	int hits = 0;

	for (int s = 0; s < SERIES; s++) {
		struct interval i;

		for (size_t k = 0; k < count; k++)
			values[k] = draw();
		i = judge_interval(values, count);
		expect(i.least <= i.median && i.median <= i.greatest);
		hits += i.low <= 1 && 1 <= i.high;
	}
	return (double)hits / SERIES;
}

static void the_median_is_inside_95_times_of_100(void)
{
	for (size_t count = 6; count < 60; count += count / 4) {
		expect(share_of_hits(noisy, count) > 0.94);
		expect(share_of_hits(flat, count) > 0.94);
	}
	/* And it is not simply everything. */
	expect(share_of_hits(flat, 50) < 0.985);
}

static void fewer_than_six_rounds_decide_nothing(void)
{
	double values[] = {2, 2, 2, 2, 2, 2};
	struct interval i = judge_interval(values, 5);

	expect(judge(&i, 1) == VERDICT_OPEN);
	expect(judge(&i, 3) == VERDICT_OPEN);
	i = judge_interval(values, 6);
	expect(judge(&i, 1) == VERDICT_MISSED);
	expect(judge(&i, 2) == VERDICT_MET);
	expect(!strcmp(judge_word(judge(&i, 1)), "MISSED"));
}

static void a_target_inside_is_not_decided(void)
{
	double values[] = {1.2, 1.1, 1.0, 1.3, 1.4, 1.15, 1.05, 1.25, 1.35};
	struct interval i = judge_interval(values, TEST_COUNT(values));

	/* The second and the eighth of nine. */
	expect(i.low == 1.05 && i.high == 1.35 && i.median == 1.2);
	expect(judge(&i, 1.04) == VERDICT_MISSED);
	expect(judge(&i, 1.05) == VERDICT_OPEN);
	expect(judge(&i, 1.34) == VERDICT_OPEN);
	expect(judge(&i, 1.35) == VERDICT_MET);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(the_median_is_inside_95_times_of_100),
		TEST(fewer_than_six_rounds_decide_nothing),
		TEST(a_target_inside_is_not_decided),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
