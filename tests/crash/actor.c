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

_Noreturn static void play(struct actor *actor)
{
	struct mailbox *box = actor->box;

	for (;;) {
		uint32_t done = atomic_load(&box->answered);

		if (atomic_load(&box->asked) == done) {
			await(&box->asked, done);
			continue;
		}
		box->result = actor->serve(box->command, box->argument);
		announce(&box->answered);
	}
}

void actor_start(struct actor *actor)
{
	pid_t parent = getpid();

	if (!actor->box)
		actor->box = mmap(NULL, sizeof(*actor->box), PROT_READ | PROT_WRITE,
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
	play(actor);
}

static bool has_ended(struct actor *actor)
{
	if (waitpid(actor->pid, NULL, WNOHANG) == 0)
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
