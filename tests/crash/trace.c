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
#include "walk.h"

#define ROUNDS_KEPT 4

/* The instruction is one byte: who has executed it stands right behind it. */
__asm__(".text\n"
	".globl trace_mark\n"
	".type trace_mark, @function\n"
	"trace_mark:\n"
	"	int3\n"
	"	ret\n");

extern const char __executable_start[], etext[];
/* The linker's names for the section, where there is one. */
extern const char __start_not_ours[] __attribute__((weak)), __stop_not_ours[] __attribute__((weak));

bool trace_is_ours(uintptr_t address)
{
	if (address >= (uintptr_t)__start_not_ours && address < (uintptr_t)__stop_not_ours)
		return false;
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
	bool can_walk = walk_begin();
	pid_t parent = getpid();

	*ret = (struct traced){.pid = fork()};
	expect(ret->pid >= 0);
	if (ret->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(FRAME_SKIPPED);
		if (can_walk)
			walk_prepare();
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

/* Its text is ours: it is a fork. */
static long set_break(pid_t pid, uintptr_t address)
{
	long before, with;

	memcpy(&before, (const void *)address, sizeof(before));
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

	process->calls += place == TRACE_STEP && !trace_is_ours(process->at);
	while (place == TRACE_STEP && !deep && !trace_is_ours(process->at)) {
		uintptr_t back = (uintptr_t)ptrace(PTRACE_PEEKDATA, process->pid,
						   get_stack(process->pid), NULL);

		place = trace_is_ours(back) ? run_to(process, back)
					    : run_on(process, PTRACE_SINGLESTEP);
	}
	return place;
}

/*
 * Walking
 */

void trace_add(struct trace *trace, uintptr_t at, uint32_t calls, uint32_t touches)
{
	if (trace->count == trace->room) {
		trace->room = trace->room ? 2 * trace->room : 1024;
		trace->address = realloc(trace->address, trace->room * sizeof(uintptr_t));
		trace->calls = realloc(trace->calls, trace->room * sizeof(uint32_t));
		trace->touches = realloc(trace->touches, trace->room * sizeof(uint32_t));
		expect(trace->address);
		expect(trace->calls);
		expect(trace->touches);
	}
	trace->address[trace->count] = at;
	trace->touches[trace->count] = touches;
	trace->calls[trace->count++] = calls;
}

/* A table of all addresses, open addressing. */
struct seen {
	uintptr_t address;
	uint32_t count;
	uint32_t last; /* where it was last, + 1 */
};

static struct seen *find_seen(struct seen *table, size_t size, uintptr_t address)
{
	size_t at = address * 0x9e3779b97f4a7c15u % size;

	while (table[at].address && table[at].address != address)
		at = (at + 1) % size;
	table[at].address = address;
	return &table[at];
}

static uint32_t *make_numbers(const struct trace *trace)
{
	uint32_t *numbers = calloc(trace->count + 1, sizeof(*numbers));

	expect(numbers);
	return numbers;
}

static void count_occurrences(struct trace *trace)
{
	size_t size = 4 * trace->count + 1;
	struct seen *table = calloc(size, sizeof(*table));

	expect(table);
	trace->occurrence = make_numbers(trace);
	trace->remaining = make_numbers(trace);
	trace->before = make_numbers(trace);
	trace->via = make_numbers(trace);
	for (size_t i = 0; i < trace->count; i++) {
		struct seen *seen = find_seen(table, size, trace->address[i]);

		trace->occurrence[i] = ++seen->count;
		trace->before[i] = seen->last;
		seen->last = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < trace->count; i++)
		trace->remaining[i] = find_seen(table, size, trace->address[i])->count -
				      trace->occurrence[i];
	free(table);
}

bool trace_is_same_place(const struct trace *trace, size_t a, size_t b)
{
	return trace->calls[a] == trace->calls[b] && trace->touches[a] == trace->touches[b];
}

/* Each instruction may touch something: nobody looks. */
static enum trace_place walk_by_ptrace(struct traced *process, struct trace *ret, bool deep)
{
	enum trace_place place = TRACE_STEP;

	while (place == TRACE_STEP) {
		trace_add(ret, process->at, process->calls, (uint32_t)ret->count);
		place = step(process, deep);
	}
	return place;
}

static enum trace_place walk_alone(struct traced *process, struct trace *ret)
{
	trace_add(ret, process->at, process->calls, 0);
	return walk_run(process, ret) ? TRACE_MARK : TRACE_ENDED;
}

enum trace_place trace_walk(struct traced *process, struct trace *ret, bool deep)
{
	enum trace_place place;

	*ret = (struct trace){0};
	place = deep || !walk_begin() ? walk_by_ptrace(process, ret, deep)
				      : walk_alone(process, ret);
	count_occurrences(ret);
	return place;
}

/*
 * A breakpoint at address[k] ends at k if the process stands behind the time before that it was
 * there, trace->before[k]. If not, it is brought to such a place first: to the one that can be
 * reached from farthest back, and so on. 0: from where the step begins.
 */
static size_t find_via(const struct trace *trace, size_t k)
{
	size_t best = trace->before[k];

	if (trace->via[k])
		return trace->via[k];
	/* Twice the same instruction: nothing is between. */
	if (best == k)
		best = k - 1;
	for (size_t i = best + 1; i < k; i++)
		if (trace->before[i] < trace->before[best])
			best = i;
	trace->via[k] = (uint32_t)best;
	return best;
}

size_t *trace_plan(const struct trace *trace, size_t k, size_t *ret_count)
{
	size_t *places = calloc(k + 1, sizeof(*places)), count = 0;

	expect(places);
	for (size_t i = k; i; i = trace->before[i] ? find_via(trace, i) : 0)
		places[count++] = i;
	*ret_count = count;
	return places;
}

enum trace_place trace_reach(struct traced *process, const struct trace *trace, size_t k, bool deep)
{
	enum trace_place place = TRACE_STEP;
	size_t count, *places = trace_plan(trace, k, &count);

	while (count && place == TRACE_STEP) {
		uintptr_t address = trace->address[places[--count]];

		place = process->at == address ? step(process, deep) : run_to(process, address);
	}
	free(places);
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
	uint32_t n = trace->occurrence[k];

	return n > ROUNDS_KEPT && trace->remaining[k] >= ROUNDS_KEPT && (n & (n - 1)) != 0;
}

void trace_free(struct trace *trace)
{
	free(trace->address);
	free(trace->occurrence);
	free(trace->remaining);
	free(trace->before);
	free(trace->calls);
	free(trace->touches);
	free(trace->via);
	*trace = (struct trace){0};
}
