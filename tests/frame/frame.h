/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FRAME_H
#define TESTS_FRAME_H

/*
 * The frame of every test program: a list of functions, each run in a process of its own.
 *
 *	static void ring_says_when_it_is_full(void)
 *	{
 *		expect_equal(ring_push(&ring, 7), 0);
 *	}
 *
 *	int main(int argc, char **argv)
 *	{
 *		static const struct test tests[] = {
 *			TEST(ring_says_when_it_is_full),
 *		};
 *
 *		return frame_run(argc, argv, tests, TEST_COUNT(tests));
 *	}
 *
 * A test's process leads its own process group, so that what it leaves running is killed with it;
 * it sees an empty domain folder of its own in FLOE_DIR, which is removed afterwards; its standard
 * output goes to standard error, because standard output is TAP. It has FRAME_DEADLINE seconds,
 * times the environment variable FLOE_TEST_SLOW; where more want to run than there are processors,
 * a second counts as the part of it that one of them gets. A descriptor or a shared mapping that is
 * there after the function and was not before fails the test, and a descriptor that was there before
 * and is not any more.
 *
 * Arguments choose the tests whose name contains one of them; --list prints the names.
 * Exit status: 0 passed, 1 failed, 77 all were skipped. With FLOE_TEST_TAP in the environment
 * skipping is 0 as well: a reader of TAP takes any other status for an error.
 */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __cplusplus
#define _Noreturn [[noreturn]]
extern "C" {
#endif

/* Seconds. */
#ifndef FRAME_DEADLINE
#define FRAME_DEADLINE 20
#endif
#define FRAME_SKIPPED 77

struct test {
	const char *name;
	void (*run)(void);
};

/* clang-format off */
#define TEST(function) {#function, function}
/* clang-format on */
#define TEST_COUNT(tests) (sizeof(tests) / sizeof((tests)[0]))

int frame_run(int argc, char **argv, const struct test *tests, size_t count);

/* Ends the test as skipped; the reason appears in the report. Only in the test's own process. */
#define skip(reason) frame_skip(reason)

/* End the process that finds out: in a process forked by the test, the test must look at its
 * exit status. */
#define expect(condition) \
	((condition) ? (void)0 : frame_fail(__FILE__, __LINE__, "expect(" #condition ")"))

/* a, b: integers. */
#define expect_equal(a, b) \
	frame_equal(__FILE__, __LINE__, "expect_equal(" #a ", " #b ")", (long long)(a), \
		    (long long)(b))

_Noreturn void frame_skip(const char *reason);
_Noreturn void frame_fail(const char *file, int line, const char *text);
void frame_equal(const char *file, int line, const char *text, long long a, long long b);

/* For a test that wants others to fail, as mutants do: what was expected in vain is told to this
 * one, which may leave by a jump. NULL: nobody. */
extern void (*frame_caught)(const char *text);

#ifdef __cplusplus
}
#endif

#endif
