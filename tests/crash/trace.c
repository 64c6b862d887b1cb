/* SPDX-License-Identifier: Apache-2.0 */
#include "trace.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "frame/frame.h"

/* So many single steps take about as long as one round over a breakpoint. */
#define STEPS_PER_ROUND 3
#define STEPS_MAX 400
#define ROUNDS_KEPT 4

/* The instruction is one byte: who has executed it stands right behind it. */
__asm__(".text\n"
	".globl trace_mark\n"
	".type trace_mark, @function\n"
	"trace_mark:\n"
	"	int3\n"
	"	ret\n");

extern const char __executable_start[], etext[];

static bool is_ours(uintptr_t address)
{
	return address >= (uintptr_t)__executable_start && address < (uintptr_t)etext;
}

static uintptr_t get_register(pid_t pid, size_t offset)
{
	return (uintptr_t)ptrace(PTRACE_PEEKUSER, pid, offset, NULL);
}

#define get_at(pid) get_register((pid), offsetof(struct user, regs.rip))
#define get_stack(pid) get_register((pid), offsetof(struct user, regs.rsp))

/* A stop is a trap; any other signal is the process's own. */
static bool wait_trap(struct traced *process, enum __ptrace_request request)
{
	uintptr_t number = 0;

	for (;;) {
		expect_equal(ptrace(request, process->pid, NULL, number), 0);
		while (waitpid(process->pid, &process->status, 0) < 0)
			expect_equal(errno, EINTR);
		if (!WIFSTOPPED(process->status))
			return false;
		number = (uintptr_t)WSTOPSIG(process->status);
		if (number == SIGTRAP)
			return true;
	}
}

static bool is_mark(const struct traced *process)
{
	return process->at == (uintptr_t)trace_mark + 1;
}

static enum trace_place run_on(struct traced *process, enum __ptrace_request request)
{
	if (!wait_trap(process, request))
		return TRACE_ENDED;
	process->at = get_at(process->pid);
	return is_mark(process) ? TRACE_MARK : TRACE_STEP;
}

enum trace_place trace_start(struct traced *ret, int (*run)(void *user), void *user)
{
	pid_t parent = getpid();

	*ret = (struct traced){.pid = fork()};
	expect(ret->pid >= 0);
	if (ret->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(FRAME_SKIPPED);
		_exit(run(user));
	}
	while (waitpid(ret->pid, &ret->status, 0) < 0)
		expect_equal(errno, EINTR);
	if (!WIFSTOPPED(ret->status))
		return TRACE_ENDED;
	(void)ptrace(PTRACE_SETOPTIONS, ret->pid, NULL, PTRACE_O_EXITKILL);
	ret->at = get_at(ret->pid);
	return is_mark(ret) ? TRACE_MARK : run_on(ret, PTRACE_CONT);
}

enum trace_place trace_next_mark(struct traced *process)
{
	return run_on(process, PTRACE_CONT);
}

/*
 * Breakpoints
 */

static long set_break(pid_t pid, uintptr_t address)
{
	long before, with;

	errno = 0;
	before = ptrace(PTRACE_PEEKTEXT, pid, address, NULL);
	expect_equal(errno, 0);
	with = (before & ~0xffL) | 0xcc;
	expect_equal(ptrace(PTRACE_POKETEXT, pid, address, with), 0);
	return before;
}

static void clear_break(pid_t pid, uintptr_t address, long before)
{
	expect_equal(ptrace(PTRACE_POKETEXT, pid, address, before), 0);
}

/* On to this address. It may also end at a mark before. */
static enum trace_place run_to(struct traced *process, uintptr_t address)
{
	long before = set_break(process->pid, address);
	enum trace_place place = run_on(process, PTRACE_CONT);

	if (place == TRACE_ENDED)
		return place;
	clear_break(process->pid, address, before);
	if (process->at != address + 1)
		return place;
	process->at = address;
	expect_equal(
		ptrace(PTRACE_POKEUSER, process->pid, offsetof(struct user, regs.rip), address), 0);
	return TRACE_STEP;
}

/* One instruction; one that calls another library goes on until that returns. */
static enum trace_place step(struct traced *process, bool deep)
{
	enum trace_place place = run_on(process, PTRACE_SINGLESTEP);

	while (place == TRACE_STEP && !deep && !is_ours(process->at)) {
		uintptr_t back = (uintptr_t)ptrace(PTRACE_PEEKDATA, process->pid,
						   get_stack(process->pid), NULL);

		place = is_ours(back) ? run_to(process, back) : run_on(process, PTRACE_SINGLESTEP);
	}
	return place;
}

/*
 * Walking
 */

static void add(struct trace *trace, uintptr_t address)
{
	if (trace->count == trace->room) {
		trace->room = trace->room ? 2 * trace->room : 1024;
		trace->address = realloc(trace->address, trace->room * sizeof(uintptr_t));
		expect(trace->address);
	}
	trace->address[trace->count++] = address;
}

/* A table of all addresses, open addressing. */
struct seen {
	uintptr_t address;
	uint32_t count;
};

static struct seen *find_seen(struct seen *table, size_t size, uintptr_t address)
{
	size_t at = address * 0x9e3779b97f4a7c15u % size;

	while (table[at].address && table[at].address != address)
		at = (at + 1) % size;
	table[at].address = address;
	return &table[at];
}

static void count_occurrences(struct trace *trace)
{
	size_t size = 4 * trace->count + 1;
	struct seen *table = calloc(size, sizeof(*table));

	trace->occurrence = calloc(trace->count + 1, sizeof(uint32_t));
	trace->remaining = calloc(trace->count + 1, sizeof(uint32_t));
	expect(table && trace->occurrence && trace->remaining);
	for (size_t i = 0; i < trace->count; i++)
		trace->occurrence[i] = ++find_seen(table, size, trace->address[i])->count;
	for (size_t i = 0; i < trace->count; i++)
		trace->remaining[i] = find_seen(table, size, trace->address[i])->count -
				      trace->occurrence[i];
	free(table);
}

enum trace_place trace_walk(struct traced *process, struct trace *ret, bool deep)
{
	enum trace_place place = TRACE_STEP;

	*ret = (struct trace){0};
	while (place == TRACE_STEP) {
		add(ret, process->at);
		place = step(process, deep);
	}
	count_occurrences(ret);
	return place;
}

/* The breakpoint from which the k-th instruction is reached soonest. */
static size_t find_break(const struct trace *trace, size_t k)
{
	size_t best = k, best_cost = SIZE_MAX;

	for (size_t i = k; i > 0 && k - i < STEPS_MAX; i--) {
		size_t cost = trace->occurrence[i] * STEPS_PER_ROUND + (k - i);

		if (cost >= best_cost)
			continue;
		best = i;
		best_cost = cost;
	}
	return best;
}

enum trace_place trace_reach(struct traced *process, const struct trace *trace, size_t k, bool deep)
{
	enum trace_place place = TRACE_STEP;
	size_t from = k ? find_break(trace, k) : 0;
	/* Where the step begins counts as the first time. */
	uint32_t first = from && trace->address[from] == trace->address[0];

	for (uint32_t n = first; k && n < trace->occurrence[from] && place == TRACE_STEP; n++) {
		if (n)
			place = step(process, deep);
		if (place == TRACE_STEP && process->at != trace->address[from])
			place = run_to(process, trace->address[from]);
	}
	for (size_t i = from; i < k && place == TRACE_STEP; i++)
		place = step(process, deep);
	return place;
}

void trace_kill(struct traced *process)
{
	if (process->pid <= 0)
		return;
	(void)kill(process->pid, SIGKILL);
	while (waitpid(process->pid, &process->status, 0) >= 0 || errno == EINTR)
		if (WIFEXITED(process->status) || WIFSIGNALED(process->status))
			break;
	process->pid = 0;
}

bool trace_is_repetition(const struct trace *trace, size_t k)
{
	return trace->occurrence[k] > ROUNDS_KEPT && trace->remaining[k] >= ROUNDS_KEPT &&
	       trace->occurrence[k] % 16 != 0;
}

void trace_free(struct trace *trace)
{
	free(trace->address);
	free(trace->occurrence);
	free(trace->remaining);
	*trace = (struct trace){0};
}
