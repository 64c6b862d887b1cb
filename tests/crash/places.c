/* SPDX-License-Identifier: Apache-2.0 */

/* Where a process stands, as far as others can tell: each touch of memory that it shares counts, also
 * of what it maps on its way, and nothing else does. */

#include <stdint.h>
#include <sys/mman.h>

#include "frame/frame.h"
#include "trace.h"
#include "walk.h"

#define SIZE 4096

static volatile uint32_t *word, own;

static volatile uint32_t *map_word(void)
{
	volatile uint32_t *ret = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	expect(ret != MAP_FAILED);
	return ret;
}

static int touch_nothing(void *user)
{
	(void)user;
	trace_mark();
	for (int i = 0; i < 100; i++)
		own = own + 1;
	trace_mark();
	return 0;
}

static int write_and_read(void *user)
{
	(void)user;
	trace_mark();
	for (int i = 0; i < 100; i++)
		own = own + 1;
	word[0] = 1;
	own = word[1];
	word[512] = own;
	trace_mark();
	return 0;
}

static int touch_what_is_new(void *user)
{
	volatile uint32_t *another;

	(void)user;
	trace_mark();
	another = map_word();
	*another = 1;
	*word = 2;
	expect_equal(munmap((void *)(uintptr_t)another, SIZE), 0);
	own = *word;
	trace_mark();
	return 0;
}

static uint32_t count_touches(int (*run)(void *user))
{
	struct traced process;
	struct trace trace;
	uint32_t touches;

	expect_equal(trace_start(&process, run, NULL), TRACE_MARK);
	expect_equal(trace_walk(&process, &trace, false), TRACE_MARK);
	trace_kill(&process);
	touches = trace.touches[trace.count - 1];
	trace_free(&trace);
	return touches;
}

/* Where nobody looks, each instruction is a place of its own. */
int main(void)
{
	if (!walk_begin())
		return FRAME_SKIPPED;
	word = map_word();
	expect_equal(count_touches(touch_nothing), 0);
	expect_equal(count_touches(write_and_read), 3);
	expect_equal(count_touches(touch_what_is_new), 3);
	return 0;
}
