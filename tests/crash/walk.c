/* SPDX-License-Identifier: Apache-2.0 */
#include "walk.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "frame/frame.h"
#include "frame/sanitized.h"
#include "gate.h"
#include "snare.h"

#define TRAP_FLAG 0x100
#define BREAK 0xcc
#define STEPS_MAX ((size_t)1 << 22)
#define TOO_LONG 4

#ifdef SANITIZED
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

/* Written by the process, read by who started it; memory comes with the steps. */
struct log {
	uint32_t calls, touches;
	size_t count;
	struct step_taken {
		uintptr_t at;
		uint32_t calls, touches;
	} step[STEPS_MAX];
};

static struct log *log_book;
static unsigned char *broken; /* where there is a breakpoint now */
static unsigned char unbroken;

/* A job of a sweep has a book of its own. */
bool walk_begin(void)
{
	static pid_t begun;
	static bool can;

	if (begun == getpid())
		return can;
	begun = getpid();
	/* A sanitizer watches over the pages that would be written. */
	if (IS_SANITIZED)
		return false;
	log_book = mmap(NULL, sizeof(*log_book), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	can = log_book != MAP_FAILED && snare_begin();
	return can;
}

/*
 * The handler. While there is a breakpoint it calls nothing that could have one.
 */

static void write_down(uintptr_t at)
{
	if (log_book->count == STEPS_MAX)
		_exit(TOO_LONG);
	log_book->step[log_book->count++] = (struct step_taken){at, log_book->calls,
								log_book->touches};
}

static void write_touch(void)
{
	log_book->touches++;
}

/* The kernel finds all memory open; what is mapped may be different when it returns. */
static void keep_gate(bool is_ours, bool was_ours)
{
	static bool surveyed;

	if (!is_ours) {
		gate_open();
		return;
	}
	if (!was_ours || !surveyed)
		gate_survey();
	surveyed = true;
	gate_close();
}

/* In another library: on to where it returns, or to its next instruction if nobody knows where that
 * is. */
static void go_by(greg_t *registers)
{
	uintptr_t back = *(const uintptr_t *)registers[REG_RSP];

	if (!trace_is_ours(back))
		return;
	broken = (unsigned char *)back;
	unbroken = *broken;
	*broken = BREAK;
	registers[REG_EFL] &= ~TRAP_FLAG;
}

static void step(greg_t *registers, bool was_ours)
{
	uintptr_t at = (uintptr_t)registers[REG_RIP];

	registers[REG_EFL] |= TRAP_FLAG;
	if (trace_is_ours(at)) {
		write_down(at);
		return;
	}
	log_book->calls += was_ours;
	go_by(registers);
}

static void trap(int number, siginfo_t *info, void *user)
{
	greg_t *registers = ((ucontext_t *)user)->uc_mcontext.gregs;
	static bool ours = true;
	bool was_ours = ours;

	(void)number;
	if (info->si_code != TRAP_TRACE && broken && registers[REG_RIP] == (greg_t)broken + 1) {
		*broken = unbroken;
		broken = NULL;
		registers[REG_RIP]--;
	} else if (info->si_code != TRAP_TRACE) {
		_exit(0);
	}
	step(registers, was_ours);
	ours = trace_is_ours((uintptr_t)registers[REG_RIP]);
	keep_gate(ours, was_ours);
}

void walk_prepare(void)
{
	struct sigaction action = {.sa_sigaction = trap, .sa_flags = SA_SIGINFO};

	(void)sigaction(SIGTRAP, &action, NULL);
	gate_make(write_touch, log_book);
}

/*
 * Who started it
 */

static bool let_go(const struct traced *process)
{
	size_t offset = offsetof(struct user, regs.eflags);
	long flags = ptrace(PTRACE_PEEKUSER, process->pid, offset, NULL);

	return ptrace(PTRACE_POKEUSER, process->pid, offset, flags | TRAP_FLAG) == 0 &&
	       ptrace(PTRACE_DETACH, process->pid, NULL, NULL) == 0;
}

bool walk_run(struct traced *process, struct trace *ret)
{
	log_book->count = 0;
	log_book->calls = process->calls;
	log_book->touches = 0;
	if (!let_go(process))
		return false;
	while (waitpid(process->pid, &process->status, 0) < 0)
		expect_equal(errno, EINTR);
	process->pid = 0;
	for (size_t i = 0; i < log_book->count; i++)
		trace_add(ret, log_book->step[i].at, log_book->step[i].calls,
			  log_book->step[i].touches);
	(void)madvise(log_book, sizeof(*log_book), MADV_REMOVE);
	return WIFEXITED(process->status) && WEXITSTATUS(process->status) == 0;
}
