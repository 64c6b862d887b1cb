/* SPDX-License-Identifier: Apache-2.0 */
#include "counted.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frame/frame.h"
#include "frame/sanitized.h"

#define RUNS 2

/* Which run the child is in, from 1; 0: in none. In memory that both see. */
typedef _Atomic int shared_run;
#define AT_END (RUNS + 1)

_Noreturn static void be_counted(shared_run *run, const struct counted_work *work,
				 const void *argument)
{
	void *state;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	state = work->open(argument);
	work->run(state);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(FRAME_SKIPPED);
	raise(SIGSTOP);
	for (int i = 1; i <= RUNS; i++) {
		atomic_store_explicit(run, i, memory_order_relaxed);
		work->run(state);
		atomic_store_explicit(run, 0, memory_order_relaxed);
	}
	atomic_store_explicit(run, AT_END, memory_order_relaxed);
	_exit(0);
}

/* Each step counts for the run that it began in. */
static void count(pid_t child, const shared_run *run, uint64_t *ret_steps)
{
	int now, status;

	while ((now = atomic_load_explicit(run, memory_order_relaxed)) != AT_END) {
		expect_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
		expect_equal(waitpid(child, &status, 0), child);
		expect(WIFSTOPPED(status));
		ret_steps[now]++;
	}
}

uint64_t counted_steps(const struct counted_work *work, const void *argument)
{
	shared_run *run;
	uint64_t steps[RUNS + 1] = {0};
	pid_t child;
	int status;

#ifdef SANITIZED
	skip("a sanitizer has instructions of its own");
#endif
	run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(run != MAP_FAILED);
	child = fork();
	expect(child >= 0);
	if (child == 0)
		be_counted(run, work, argument);
	expect_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == FRAME_SKIPPED)
		skip("tracing is not permitted here");
	expect(WIFSTOPPED(status));
	count(child, run, steps);
	kill(child, SIGKILL);
	expect_equal(waitpid(child, &status, 0), child);
	munmap(run, sizeof(*run));
	for (int i = 2; i <= RUNS; i++)
		if (steps[i] < steps[1])
			steps[1] = steps[i];
	return steps[1];
}
