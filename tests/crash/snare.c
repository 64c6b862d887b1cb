/* SPDX-License-Identifier: Apache-2.0 */
#include "snare.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "frame/frame.h"

#define TRAP_FLAG 0x100
#define BREAK 0xcc
#define WENT_ASTRAY 3

static const struct snare *set;
static size_t marks;
static size_t *way; /* places, the last one first */
static size_t way_count;
static unsigned char *broken; /* where there is a breakpoint now */
static unsigned char unbroken;

/* Pages of files are looked for again in each child, its own memory is there at once. */
static bool own(uintptr_t begin, uintptr_t end, int protection)
{
	if (mprotect((void *)begin, end - begin, PROT_READ | PROT_WRITE | PROT_EXEC) < 0)
		return false;
	for (volatile unsigned char *at = (void *)begin; at < (unsigned char *)end; at += 4096)
		*at = *at;
	return mprotect((void *)begin, end - begin, protection) == 0;
}

static bool own_line(const char *line)
{
	unsigned long begin, end, file;
	bool ours;
	char mode[5];
	int protection;

	if (sscanf(line, "%lx-%lx %4s %*s %*s %lu", &begin, &end, mode, &file) != 4 || file == 0 ||
	    mode[0] != 'r' || mode[3] != 'p')
		return true;
	ours = begin <= (uintptr_t)snare_begin && (uintptr_t)snare_begin < end;
	protection = PROT_READ | (mode[1] == 'w' || ours ? PROT_WRITE : 0) |
		     (mode[2] == 'x' ? PROT_EXEC : 0);
	return own(begin, end, protection);
}

bool snare_begin(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	bool can = maps != NULL;
	char line[512];

	while (can && fgets(line, sizeof(line), maps))
		can = own_line(line);
	if (maps)
		(void)fclose(maps);
	return can;
}

/*
 * The handler. Once there is a breakpoint it calls nothing that could have one.
 */

_Noreturn static void die(uintptr_t at)
{
	if (at == set->trace->address[set->k])
		(void)syscall(SYS_kill, getpid(), SIGKILL);
	_exit(WENT_ASTRAY);
}

/* On to the next place: by a breakpoint, or one step if it is the same instruction again. */
static void go_on(greg_t *registers)
{
	uintptr_t at = (uintptr_t)registers[REG_RIP], next;

	if (way_count == 0)
		die(at);
	next = set->trace->address[way[--way_count]];
	if (next == at) {
		registers[REG_EFL] |= TRAP_FLAG;
		return;
	}
	broken = (unsigned char *)next;
	unbroken = *broken;
	*broken = BREAK;
}

/* One that comes to the mark behind its step went another way. */
static void reach_mark(greg_t *registers)
{
	size_t mark = marks++;

	if (mark > set->step || !set->before(set->user, mark))
		_exit(WENT_ASTRAY);
	if (mark == set->step)
		go_on(registers);
}

static void trap(int number, siginfo_t *info, void *user)
{
	greg_t *registers = ((ucontext_t *)user)->uc_mcontext.gregs;

	(void)number;
	if (info->si_code == TRAP_TRACE) {
		registers[REG_EFL] &= ~TRAP_FLAG;
		go_on(registers);
	} else if (broken && registers[REG_RIP] == (greg_t)broken + 1) {
		*broken = unbroken;
		broken = NULL;
		registers[REG_RIP]--;
		go_on(registers);
	} else {
		reach_mark(registers);
	}
}

_Noreturn static void live(pid_t parent)
{
	struct sigaction action = {.sa_sigaction = trap, .sa_flags = SA_SIGINFO};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && sigaction(SIGTRAP, &action, NULL) == 0)
		(void)set->run(set->user);
	_exit(WENT_ASTRAY);
}

bool snare_run(const struct snare *snare)
{
	pid_t parent = getpid(), pid;
	int status;

	set = snare;
	marks = 0;
	way = trace_plan(snare->trace, snare->k, &way_count);
	pid = fork();
	expect(pid >= 0);
	if (pid == 0)
		live(parent);
	free(way);
	while (waitpid(pid, &status, 0) < 0)
		expect_equal(errno, EINTR);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}
