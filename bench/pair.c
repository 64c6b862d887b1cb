/* SPDX-License-Identifier: Apache-2.0 */
#include "pair.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session.h"

#define PATIENCE_NS (10 * NS_PER_SECOND)
#define PAIRS_MAX 64

/* Both words count up: turns asked for by the first process, turns done by the second. */
struct pair_shared {
	_Atomic uint32_t asked;
	_Atomic uint32_t done;
	_Atomic bool ends;
	_Atomic pid_t id; /* of who serves */
};

/* Whom to end when the program ends early. */
static struct {
	bool registered;
	size_t count;
	pid_t pids[PAIRS_MAX];
} children;

static void wait_word(_Atomic uint32_t *word, uint32_t old, const struct timespec *timeout)
{
	syscall(SYS_futex, word, FUTEX_WAIT, old, timeout, NULL, 0);
}

static void bump_word(_Atomic uint32_t *word)
{
	atomic_fetch_add(word, 1);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void kill_children(void)
{
	for (size_t i = 0; i < children.count; i++) {
		kill(children.pids[i], SIGKILL);
		waitpid(children.pids[i], NULL, 0);
	}
	children.count = 0;
}

static void remember_child(pid_t pid)
{
	if (!children.registered)
		atexit(kill_children);
	children.registered = true;
	if (children.count == PAIRS_MAX)
		fail("more than %d second processes", PAIRS_MAX);
	children.pids[children.count++] = pid;
}

static void forget_child(pid_t pid)
{
	for (size_t i = 0; i < children.count; i++)
		if (children.pids[i] == pid)
			children.pids[i] = children.pids[--children.count];
}

static void serve(struct pair_shared *shared, const struct pair_role *role, void *argument,
		  int core)
{
	uint32_t turn = 0;
	void *end;

	if (core >= 0)
		pin(core);
	atomic_store(&shared->id, (pid_t)syscall(SYS_gettid));
	end = role->open(argument);
	for (;;) {
		bump_word(&shared->done);
		while (atomic_load(&shared->asked) == turn)
			wait_word(&shared->asked, turn, NULL);
		turn++;
		if (atomic_load(&shared->ends))
			break;
		role->serve(end);
	}
	role->close(end);
}

static void start_process(struct pair *pair, const struct pair_role *role, void *argument, int core)
{
	pair->pid = fork();
	if (pair->pid < 0)
		fail("cannot start a second process: %s", strerror(errno));
	if (pair->pid == 0) {
		session_enter_child();
		serve(pair->shared, role, argument, core);
		_exit(0);
	}
	remember_child(pair->pid);
}

struct thread_start {
	struct pair_shared *shared;
	const struct pair_role *role;
	void *argument;
	int core;
};

static void *be_thread(void *argument)
{
	struct thread_start start = *(struct thread_start *)argument;

	free(argument);
	serve(start.shared, start.role, start.argument, start.core);
	return NULL;
}

static void start_thread(struct pair *pair, const struct pair_role *role, void *argument, int core)
{
	struct thread_start *start = malloc(sizeof(*start));

	if (!start)
		fail("out of memory");
	*start = (struct thread_start){pair->shared, role, argument, core};
	if (pthread_create(&pair->thread, NULL, be_thread, start))
		fail("cannot start a second thread");
}

void pair_open(struct pair *pair, const struct pair_role *role, void *argument, int core)
{
	pair->shared = pair_memory(sizeof(*pair->shared));
	pair->is_thread = role->in_thread;
	if (pair->is_thread)
		start_thread(pair, role, argument, core);
	else
		start_process(pair, role, argument, core);
	pair_wait(pair);
	pair->pid = atomic_load(&pair->shared->id);
}

void pair_start(struct pair *pair)
{
	bump_word(&pair->shared->asked);
}

void pair_wait(struct pair *pair)
{
	const struct timespec moment = {.tv_nsec = 100 * NS_PER_MS};
	struct pair_shared *shared = pair->shared;
	int64_t deadline_ns = now_ns() + PATIENCE_NS;
	uint32_t wanted = atomic_load(&shared->asked) + 1;
	uint32_t done;

	while ((done = atomic_load(&shared->done)) != wanted) {
		if (!pair->is_thread && waitpid(pair->pid, NULL, WNOHANG) == pair->pid) {
			forget_child(pair->pid);
			fail("the second process has ended before its time");
		}
		if (now_ns() > deadline_ns)
			fail("the second process does not finish its turn");
		wait_word(&shared->done, done, &moment);
	}
}

void pair_close(struct pair *pair)
{
	atomic_store(&pair->shared->ends, true);
	pair_start(pair);
	if (pair->is_thread) {
		pthread_join(pair->thread, NULL);
	} else {
		waitpid(pair->pid, NULL, 0);
		forget_child(pair->pid);
	}
	munmap(pair->shared, sizeof(*pair->shared));
}

void *pair_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fail("no memory for %zu bytes: %s", size, strerror(errno));
	return memory;
}

void pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)core, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		fail("cannot run on core %d: %s", core, strerror(errno));
}

void patience_check(struct patience *p)
{
	int64_t now = now_ns();

	p->looks = 0;
	if (waitpid(-1, NULL, WNOHANG) > 0)
		fail("the second process has ended before its time");
	if (!p->deadline_ns)
		p->deadline_ns = now + PATIENCE_NS;
	if (now > p->deadline_ns)
		fail("nothing came from the other process within %d seconds",
		     (int)(PATIENCE_NS / NS_PER_SECOND));
}
