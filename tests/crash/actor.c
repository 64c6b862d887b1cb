/* SPDX-License-Identifier: Apache-2.0 */
#include "actor.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "frame/frame.h"
#include "scene.h"

struct mailbox {
	_Atomic uint32_t asked;
	_Atomic uint32_t answered;
	int command;
	int64_t argument;
	int64_t result;
};

/* Commands of every actor. */
enum {
	ACTOR_COPY = -1,
	ACTOR_END_COPY = -2, /* argument: its pid */
};

/* Until the word is no longer what it was, or 50 ms. */
static void await(_Atomic uint32_t *word, uint32_t before)
{
	struct timespec span = {.tv_nsec = 50000000};

	(void)syscall(SYS_futex, word, FUTEX_WAIT, before, &span, NULL, 0);
}

static void announce(_Atomic uint32_t *word)
{
	atomic_fetch_add(word, 1);
	(void)syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

_Noreturn static void play(struct actor *actor, struct mailbox *box);

/* Without the handlers of pthread_atfork. */
static int64_t copy_self(struct actor *actor)
{
	struct mailbox *box = actor->box + 1;
	pid_t parent = getpid(), pid;

	*box = (struct mailbox){0};
	pid = _Fork();
	expect(pid >= 0);
	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	play(actor, box);
}

static int64_t end_copy(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int64_t serve(struct actor *actor, int command, int64_t argument)
{
	switch (command) {
	case ACTOR_COPY:
		return copy_self(actor);
	case ACTOR_END_COPY:
		return end_copy((pid_t)argument);
	default:
		return actor->serve(command, argument);
	}
}

_Noreturn static void play(struct actor *actor, struct mailbox *box)
{
	for (;;) {
		uint32_t done = atomic_load(&box->answered);

		if (atomic_load(&box->asked) == done) {
			await(&box->asked, done);
			continue;
		}
		box->result = serve(actor, box->command, box->argument);
		announce(&box->answered);
	}
}

void actor_start(struct actor *actor)
{
	pid_t parent = getpid();

	if (!actor->box)
		actor->box = mmap(NULL, 2 * sizeof(*actor->box), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(actor->box != MAP_FAILED);
	*actor->box = (struct mailbox){0};
	(void)fflush(NULL);
	actor->pid = fork();
	expect(actor->pid >= 0);
	if (actor->pid)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	play(actor, actor->box);
}

/* Of a copy, which is no child of ours, it cannot be told. */
static bool has_ended(struct actor *actor)
{
	if (waitpid(actor->pid, NULL, WNOHANG) <= 0)
		return false;
	(void)fprintf(stderr, "the %s has ended\n", actor->name);
	actor->pid = 0;
	return true;
}

/* What it does, for who must find out why: state and system call as in proc(5). */
static void tell_where(const struct actor *actor)
{
	static const char *const files[] = {"stat", "syscall", "wchan"};
	char path[64], text[160];

	(void)fprintf(stderr, "the %s does not go on with command %d:", actor->name,
		      actor->box->command);
	for (size_t i = 0; i < TEST_COUNT(files); i++) {
		FILE *file;

		(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)actor->pid, files[i]);
		file = fopen(path, "re");
		if (file && fgets(text, sizeof(text), file))
			(void)fprintf(stderr, " %.*s;", (int)strcspn(text, "\n"), text);
		if (file)
			(void)fclose(file);
	}
	(void)fprintf(stderr, "\n");
}

bool actor_tell(struct actor *actor, int command, int64_t argument, int64_t *ret_result)
{
	struct mailbox *box = actor->box;
	double deadline = scene_now() + scene_patience();
	uint32_t before = atomic_load(&box->answered);

	if (!actor_is_there(actor))
		return false;
	box->command = command;
	box->argument = argument;
	announce(&box->asked);
	while (atomic_load(&box->answered) == before) {
		await(&box->answered, before);
		if (atomic_load(&box->answered) != before)
			break;
		if (has_ended(actor))
			return false;
		if (scene_now() < deadline)
			continue;
		tell_where(actor);
		actor_kill(actor);
		return false;
	}
	if (ret_result)
		*ret_result = box->result;
	return true;
}

bool actor_copy(struct actor *actor, struct actor *ret)
{
	int64_t pid;

	if (!actor_tell(actor, ACTOR_COPY, 0, &pid))
		return false;
	*ret = (struct actor){
		.name = actor->name,
		.serve = actor->serve,
		.pid = (pid_t)pid,
		.box = actor->box + 1,
	};
	return true;
}

bool actor_end_copy(struct actor *actor, struct actor *copy)
{
	int64_t result;

	if (!actor_tell(actor, ACTOR_END_COPY, copy->pid, &result))
		return false;
	copy->pid = 0;
	return result == 0;
}

void actor_kill(struct actor *actor)
{
	if (!actor_is_there(actor))
		return;
	(void)kill(actor->pid, SIGKILL);
	while (waitpid(actor->pid, NULL, 0) < 0 && errno == EINTR)
		;
	actor->pid = 0;
}

bool actor_is_there(const struct actor *actor)
{
	return actor->pid > 0;
}
