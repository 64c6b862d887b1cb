/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The data path asks nobody for anything: between two marks, thousands of messages go through
 * without one system call and without one allocation.
 *
 * System calls are counted by a tracer, the marks are calls of getppid(2). Allocations are counted
 * by the functions below, which take the place of the C library's in this whole process.
 * Sanitizers do both on their own account, so there is nothing to measure with them.
 */

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/ptrace.h>
#include <unistd.h>

#include "frame/sanitized.h"
#include "steps.h"

#define ROUNDS 10000
#define CHUNK 1000
#define LANE_DEPTH 4

static size_t allocations;

#ifndef SANITIZED
/* The build hides symbols; these must be seen by the libraries of this process. */
#pragma GCC visibility push(default)

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);

void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	allocations++;
	return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	allocations++;
	return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	allocations++;
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	allocations++;
	*ret = __libc_memalign(alignment, size);
	return *ret ? 0 : ENOMEM;
}

void free(void *memory)
{
	allocations++;
	__libc_free(memory);
}

#pragma GCC visibility pop
#endif

/*
 * What is measured
 */

struct handles {
	struct floe_publisher *pub;
	struct floe_subscriber *sub[2];
};

/* One message to two subscribers, with as little around it as possible. */
static void hop(struct handles *h, size_t size)
{
	struct floe_sample sample;
	struct floe_loan loan;

	expect_equal(floe_loan(h->pub, size, &loan), 1);
	memset(loan.data, 1, size);
	expect_equal(floe_publish(h->pub, &loan), 1);
	for (size_t i = 0; i < COUNT(h->sub); i++) {
		expect_equal(floe_take(h->sub[i], &sample), 1);
		floe_release(h->sub[i], &sample);
		expect_equal(floe_take(h->sub[i], &sample), 0);
	}
}

static void hop_inline(struct handles *h)
{
	hop(h, 8);
}

static void hop_chunk(struct handles *h)
{
	hop(h, CHUNK);
}

/* The first subscriber holds three samples all the time; the second lags and loses. */
static void hold_and_lose(struct handles *h)
{
	static struct floe_sample held[3];
	static size_t oldest;
	struct floe_sample sample;
	struct floe_loan loan;

	for (int i = 0; i < 20; i++) {
		expect_equal(floe_loan(h->pub, i % 2 ? 8 : CHUNK, &loan), 1);
		expect_equal(floe_publish(h->pub, &loan), 1);
		floe_release(h->sub[0], &held[oldest]);
		expect_equal(floe_take(h->sub[0], &held[oldest]), 1);
		oldest = (oldest + 1) % COUNT(held);
	}
	expect_equal(floe_take(h->sub[1], &sample), 1);
	expect(sample.lost > 0);
	floe_release(h->sub[1], &sample);
}

/* Both have what their lanes have room for, and what comes then is dropped. */
static void keep_the_first(struct handles *h)
{
	struct floe_sample sample;
	struct floe_loan loan;

	for (int i = 0; i < 40; i++) {
		expect_equal(floe_loan(h->pub, i % 2 ? 8 : CHUNK, &loan), 1);
		expect_equal(floe_publish(h->pub, &loan), 1);
	}
	for (size_t i = 0; i < 2 * LANE_DEPTH; i++) {
		expect_equal(floe_take(h->sub[i % 2], &sample), 1);
		floe_release(h->sub[i % 2], &sample);
	}
	for (size_t i = 0; i < COUNT(h->sub); i++)
		expect_equal(floe_take(h->sub[i], &sample), 0);
}

static void lend_and_discard(struct handles *h)
{
	struct floe_loan loans[4], more;

	for (size_t i = 0; i < COUNT(loans); i++)
		expect_equal(floe_loan(h->pub, i % 2 ? 8 : CHUNK, &loans[i]), 1);
	expect_equal(floe_loan(h->pub, 8, &more), -ENOBUFS);
	for (size_t i = 0; i < COUNT(loans); i++)
		floe_discard(h->pub, &loans[i]);
	expect_equal(floe_take(h->sub[0], &(struct floe_sample){0}), 0);
}

/* A wait that finds a message does not ask the kernel for it. */
static void wait_for_what_is_there(struct handles *h)
{
	struct floe_sample sample;
	struct floe_loan loan;

	expect_equal(floe_publisher_wait(h->pub, -1), 1);
	expect_equal(floe_loan(h->pub, 8, &loan), 1);
	expect_equal(floe_publish(h->pub, &loan), 1);
	for (size_t i = 0; i < COUNT(h->sub); i++) {
		expect_equal(floe_wait(h->sub[i], -1), 1);
		expect_equal(floe_take(h->sub[i], &sample), 1);
		floe_release(h->sub[i], &sample);
	}
}

/* Three owners in turn, and places that come back by collecting. */
static void share_and_give_back(struct handles *h)
{
	struct floe_shared_sample *shared;
	struct floe_sample sample;
	struct floe_loan loan;

	expect_equal(floe_loan(h->pub, CHUNK, &loan), 1);
	expect_equal(floe_publish(h->pub, &loan), 1);
	expect_equal(floe_take(h->sub[0], &sample), 1);
	expect_equal(floe_sample_share(h->sub[0], &sample, &shared), 0);
	expect(floe_shared_sample_ref(shared) && floe_shared_sample_ref(shared));
	for (int i = 0; i < 3; i++)
		expect_equal(floe_shared_sample_unref(shared), i == 2);
}

static void count_things(struct handles *h)
{
	publisher_counts(h->pub);
	subscriber_counts(h->sub[0]);
}

/*
 * How it is measured
 */

struct measured {
	void (*step)(struct handles *h);
	uint32_t policy;
};

static void run_between_marks(const struct measured *what)
{
	struct floe_subscriber_options *options = SUBSCRIBER(.policy = what->policy);
	struct handles h = {
		publisher("quiet", PUBLISHER(.lanes_max = 2, .lane_depth = LANE_DEPTH)),
		{subscriber("quiet", options), subscriber("quiet", options)},
	};
	size_t allocations_before;

	for (int i = 0; i < 100; i++)
		what->step(&h);
	allocations_before = allocations;
	syscall(SYS_getppid);
	for (int i = 0; i < ROUNDS; i++)
		what->step(&h);
	syscall(SYS_getppid);
	expect_equal(allocations - allocations_before, 0);
}

static pid_t start_traced(const struct measured *what)
{
	pid_t child = fork();

	expect(child >= 0);
	if (child)
		return child;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(FRAME_SKIPPED);
	raise(SIGSTOP);
	run_between_marks(what);
	_exit(0);
}

/* Goes on to the next stop; false: the child has ended. */
static bool resume(pid_t child, int *status)
{
	expect_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
	expect_equal(waitpid(child, status, 0), child);
	return WIFSTOPPED(*status);
}

/* The number of the system call that is entered, -1: this stop is no entry. */
static long entered_call(pid_t child, int status)
{
	struct __ptrace_syscall_info info;
	void *size = (void *)sizeof(info);

	if (WSTOPSIG(status) != (SIGTRAP | 0x80))
		return -1;
	/* Linux 5.3 and newer. */
	expect(ptrace(PTRACE_GET_SYSCALL_INFO, child, size, &info) > 0);
	return info.op == PTRACE_SYSCALL_INFO_ENTRY ? (long)info.entry.nr : -1;
}

static size_t count_calls_between_marks(pid_t child, int *status)
{
	size_t marks = 0, calls = 0;

	while (resume(child, status)) {
		long call = entered_call(child, *status);

		if (call == SYS_getppid)
			marks++;
		else if (call >= 0 && marks == 1)
			printf("# system call %ld\n", call), calls++;
	}
	expect(!WIFEXITED(*status) || WEXITSTATUS(*status) || marks == 2);
	return calls;
}

static void expect_quiet(void (*step)(struct handles *h), uint32_t policy)
{
	const struct measured what = {step, policy};
	pid_t child;
	int status;

#ifdef SANITIZED
	skip("sanitizers allocate and make system calls themselves");
#endif
	child = start_traced(&what);
	expect_equal(waitpid(child, &status, 0), child);
	if (!WIFSTOPPED(status))
		skip("tracing is not permitted here");
	expect_equal(ptrace(PTRACE_SETOPTIONS, child, NULL,
			    (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)),
		     0);
	expect_equal(count_calls_between_marks(child, &status), 0);
	expect(WIFEXITED(status));
	expect_equal(WEXITSTATUS(status), 0);
}

static void inline_messages_are_quiet(void)
{
	expect_quiet(hop_inline, FLOE_POLICY_KEEP_LAST);
}

static void chunks_are_quiet(void)
{
	expect_quiet(hop_chunk, FLOE_POLICY_KEEP_LAST);
}

static void reliable_messages_are_quiet(void)
{
	expect_quiet(hop_inline, FLOE_POLICY_RELIABLE);
}

static void reliable_chunks_are_quiet(void)
{
	expect_quiet(hop_chunk, FLOE_POLICY_RELIABLE);
}

static void dropping_the_newest_is_quiet(void)
{
	expect_quiet(hop_inline, FLOE_POLICY_DROP_NEWEST);
	expect_quiet(hop_chunk, FLOE_POLICY_DROP_NEWEST);
	expect_quiet(keep_the_first, FLOE_POLICY_DROP_NEWEST);
}

static void holding_and_losing_is_quiet(void)
{
	expect_quiet(hold_and_lose, FLOE_POLICY_KEEP_LAST);
}

static void lending_and_discarding_is_quiet(void)
{
	expect_quiet(lend_and_discard, FLOE_POLICY_KEEP_LAST);
}

static void waiting_for_what_is_there_is_quiet(void)
{
	expect_quiet(wait_for_what_is_there, FLOE_POLICY_KEEP_LAST);
	expect_quiet(wait_for_what_is_there, FLOE_POLICY_RELIABLE);
}

static void sharing_is_quiet(void)
{
	expect_quiet(share_and_give_back, FLOE_POLICY_KEEP_LAST);
}

static void counting_is_quiet(void)
{
	expect_quiet(count_things, FLOE_POLICY_KEEP_LAST);
}

static void call_the_kernel(struct handles *h)
{
	(void)h;
	syscall(SYS_getpid);
}

/* Proof that the tracer sees what it is there to see. */
static void a_system_call_would_be_noticed(void)
{
	const struct measured what = {call_the_kernel, FLOE_POLICY_KEEP_LAST};
	pid_t child = start_traced(&what);
	size_t marks = 0, calls = 0;
	int status;

	expect_equal(waitpid(child, &status, 0), child);
	if (!WIFSTOPPED(status))
		skip("tracing is not permitted here");
	expect_equal(ptrace(PTRACE_SETOPTIONS, child, NULL,
			    (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)),
		     0);
	while (calls < 10 && resume(child, &status)) {
		long call = entered_call(child, status);

		marks += call == SYS_getppid;
		calls += marks == 1 && call == SYS_getpid;
	}
	expect_equal(calls, 10);
	kill(child, SIGKILL);
}

/* And that the library's allocations are counted. */
static void an_allocation_would_be_noticed(void)
{
	size_t before_open = allocations;

#ifdef SANITIZED
	skip("sanitizers allocate and make system calls themselves");
#endif
	floe_publisher_close(publisher("quiet", NULL));
	expect(allocations > before_open);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(inline_messages_are_quiet),
		TEST(chunks_are_quiet),
		TEST(reliable_messages_are_quiet),
		TEST(reliable_chunks_are_quiet),
		TEST(dropping_the_newest_is_quiet),
		TEST(holding_and_losing_is_quiet),
		TEST(lending_and_discarding_is_quiet),
		TEST(waiting_for_what_is_there_is_quiet),
		TEST(counting_is_quiet),
		TEST(sharing_is_quiet),
		TEST(a_system_call_would_be_noticed),
		TEST(an_allocation_would_be_noticed),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
