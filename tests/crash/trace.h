/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_TRACE_H
#define CRASH_TRACE_H

/*
 * Trace: a process that is stopped before a certain one of its instructions (ptrace(2)).
 *
 * The traced process calls trace_mark() between its steps and stops there. A step is walked once,
 * instruction by instruction, and the addresses are written down; later processes, which do the
 * same, are brought to the k-th instruction by breakpoints, of which a loop takes one in each
 * round: single steps cost 20 to 60 us, a breakpoint 8 to 15.
 *
 * What counts are the instructions of this program, in which the library is linked. A call of the
 * C library is one step: it has no shared word of ours in its hands but for memcpy and memset, and
 * `deep` walks through it as well.
 *
 * x86-64 only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A function that counts as one of another library: what of the tests the victim calls. */
#define TRACE_NOT_OURS __attribute__((section("not_ours"), noinline))

/* Called by the traced process: it stops here. */
void trace_mark(void);

/* Where it is stopped. */
enum trace_place {
	TRACE_STEP,  /* before an instruction */
	TRACE_MARK,  /* at a mark */
	TRACE_ENDED, /* it is gone; the status is that of waitpid(2) */
};

struct traced {
	pid_t pid;
	int status;
	uintptr_t at;   /* TRACE_STEP: address of the next instruction */
	uint32_t calls; /* into other libraries, of its walk */
};

/* The instructions of a step: the one before which the process stands at `i` is address[i]. */
struct trace {
	uintptr_t *address;
	uint32_t *occurrence; /* how often it was there, counted from 1 */
	uint32_t *remaining;  /* how often it will be there again */
	uint32_t *before;     /* where it was there last, + 1; 0: never */
	uint32_t *calls;      /* into other libraries, before it */
	uint32_t *touches;    /* of memory that others share, before it */
	uint32_t *via;        /* where to stop on the way there, once that is known */
	size_t count;
	size_t room;
};

/* Starts a process that runs `run(user)` and ends with its result, or dies with its parent; it is
 * stopped at its first mark, or ended. */
enum trace_place trace_start(struct traced *ret, int (*run)(void *user), void *user);

/* Goes on to the next mark. */
enum trace_place trace_next_mark(struct traced *process);

/* An instruction of this program, that counts. */
bool trace_is_ours(uintptr_t address);

/* Writes the next instruction down, and how many calls and touches were before it. */
void trace_add(struct trace *trace, uintptr_t at, uint32_t calls, uint32_t touches);

/* Nobody can tell whether it stands before the one or the other. */
bool trace_is_same_place(const struct trace *trace, size_t a, size_t b);

/* Walks from a mark to the next one and writes the step down; unless `deep` it may have ended there. */
enum trace_place trace_walk(struct traced *process, struct trace *ret, bool deep);

/* From the mark where the step begins to its k-th instruction; k < count. TRACE_MARK: the step
 * went another way this time and is over. */
enum trace_place trace_reach(struct traced *process, const struct trace *trace, size_t k,
			     bool deep);

/* The places on the way to k at which it stops, last one first; none for 0. */
size_t *trace_plan(const struct trace *trace, size_t k, size_t *ret_count);

/* SIGKILL, and all that the kernel does at a death is done when this returns. */
void trace_kill(struct traced *process);

/* One more round of a long loop: neither among the first nor the last rounds, nor one whose
 * number is a power of two. */
bool trace_is_repetition(const struct trace *trace, size_t k);

void trace_free(struct trace *trace);

#endif
