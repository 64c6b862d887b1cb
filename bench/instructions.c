/* SPDX-License-Identifier: Apache-2.0 */
#include "instructions.h"

#include <linux/perf_event.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"
#include "session.h"

/* Enough for rare work, such as reclaiming in batches, to count with its share. A step costs
 * microseconds, so steps are fewer. */
#define WARM_OPERATIONS 2000u
#define COUNTED_OPERATIONS 20000u
#define STEPPED_OPERATIONS 128u

static const char *method = "not counted";

/*
 * The processor's counter
 */

static int open_counter(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.disabled = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static double read_counter(int counter, void (*run)(void *, uint64_t), void *state)
{
	uint64_t count = 0;

	ioctl(counter, PERF_EVENT_IOC_RESET, 0);
	ioctl(counter, PERF_EVENT_IOC_ENABLE, 0);
	run(state, COUNTED_OPERATIONS);
	ioctl(counter, PERF_EVENT_IOC_DISABLE, 0);
	if (read(counter, &count, sizeof(count)) != sizeof(count))
		return 0;
	return (double)count;
}

static double count_by_processor(int counter, const struct instructions_work *work,
				 const void *argument)
{
	void *state = work->open(argument);
	double all, empty;

	work->run(state, WARM_OPERATIONS);
	all = read_counter(counter, work->run, state);
	empty = read_counter(counter, work->run_empty, state);
	method = "counted by the processor";
	return (all - empty) / COUNTED_OPERATIONS;
}

/*
 * Single steps
 */

/* What the child is doing, in memory that both processes see. */
enum phase {
	PHASE_PREPARE,
	PHASE_RUN,
	PHASE_EMPTY,
	PHASE_END,
	PHASES
};

typedef _Atomic(int) shared_phase;

static void set_phase(shared_phase *phase, enum phase value)
{
	atomic_store_explicit(phase, value, memory_order_relaxed);
}

_Noreturn static void be_stepped(shared_phase *phase, const struct instructions_work *work,
				 const void *argument)
{
	void *state;

	session_enter_child();
	state = work->open(argument);
	work->run(state, WARM_OPERATIONS);
	work->run_empty(state, 1);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(1);
	raise(SIGSTOP);

	set_phase(phase, PHASE_RUN);
	work->run(state, STEPPED_OPERATIONS);
	set_phase(phase, PHASE_EMPTY);
	work->run_empty(state, STEPPED_OPERATIONS);
	set_phase(phase, PHASE_END);
	_exit(0);
}

static bool is_stopped(pid_t child)
{
	int status;

	return waitpid(child, &status, 0) == child && WIFSTOPPED(status);
}

/* Returns whether the child came to its end; each step counts for the phase that it began in. */
static bool step_through(pid_t child, shared_phase *phase, uint64_t steps[PHASES])
{
	int now;

	while ((now = atomic_load_explicit(phase, memory_order_relaxed)) != PHASE_END) {
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) < 0 || !is_stopped(child))
			return false;
		steps[now]++;
	}
	return true;
}

static double count_by_steps(const struct instructions_work *work, const void *argument)
{
	shared_phase *phase = pair_memory(sizeof(*phase));
	uint64_t steps[PHASES] = {0};
	bool counted = false;
	pid_t child = fork();

	if (child == 0)
		be_stepped(phase, work, argument);
	if (child > 0 && is_stopped(child))
		counted = step_through(child, phase, steps);
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	munmap(phase, sizeof(*phase));
	if (!counted)
		return -1;

	method = "counted by single steps, the processor's counter is not available here";
	return (double)(steps[PHASE_RUN] - steps[PHASE_EMPTY]) / STEPPED_OPERATIONS;
}

double instructions_count(const struct instructions_work *work, const void *argument)
{
	int counter = open_counter();
	double count;

	if (counter < 0)
		return count_by_steps(work, argument);

	count = count_by_processor(counter, work, argument);
	close(counter);
	return count;
}

const char *instructions_method(void)
{
	return method;
}
