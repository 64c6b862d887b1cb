/* SPDX-License-Identifier: Apache-2.0 */
#include "touch.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static struct sigaction before[2]; /* of SIGBUS, of SIGSEGV */

/* Where the work of this thread began; NULL: there is none. */
static _Thread_local sigjmp_buf *volatile beginning;

/* With the default in place the instruction meets it again; what somebody sent does not come again, and may have
 * been ignored. */
static void do_default(int number, const struct sigaction *action, bool was_sent)
{
	if (was_sent && action->sa_handler == SIG_IGN)
		return;
	(void)signal(number, SIG_DFL);
	if (was_sent)
		(void)raise(number);
}

static void pass_on(int number, siginfo_t *info, void *context)
{
	const struct sigaction *action = &before[number == SIGSEGV];

	if (action->sa_flags & SA_SIGINFO)
		action->sa_sigaction(number, info, context);
	else if (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN)
		do_default(number, action, info->si_code <= 0);
	else
		action->sa_handler(number);
}

/* Not what others send (kill(2)), whose code is not positive, nor memory that fails anywhere. */
static bool is_gone(int number, const siginfo_t *info)
{
	if (number == SIGBUS)
		return info->si_code == BUS_ADRERR;
	return info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR;
}

static void handle(int number, siginfo_t *info, void *context)
{
	sigjmp_buf *back = beginning;

	if (!back || !is_gone(number, info)) {
		pass_on(number, info, context);
		return;
	}
	beginning = NULL;
	siglongjmp(*back, 1);
}

/* Nothing saves the mask of signals, which would be a system call: so the handler leaves it as it is. */
static int install(int number, struct sigaction *ret_before)
{
	struct sigaction action = {
		.sa_sigaction = handle,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART,
	};
	struct sigaction now;

	(void)sigemptyset(&action.sa_mask);
	if (sigaction(number, NULL, &now) < 0)
		return -errno;
	if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == handle)
		return 0;
	*ret_before = now;
	return sigaction(number, &action, NULL) < 0 ? -errno : 0;
}

int touch_install(void)
{
	int r = install(SIGBUS, &before[0]);

	return r < 0 ? r : install(SIGSEGV, &before[1]);
}

int touch_run(int (*work)(void *user), void *user)
{
	sigjmp_buf *const outer = beginning;
	sigjmp_buf here;
	int r;

	if (sigsetjmp(here, 0)) {
		beginning = outer;
		return -EFAULT;
	}
	beginning = &here;
	r = work(user);
	beginning = outer;
	return r;
}

struct copy {
	void *to;
	const void *from;
	size_t size;
};

static int copy(void *user)
{
	const struct copy *copy = user;

	memcpy(copy->to, copy->from, copy->size);
	return 0;
}

int touch_copy(void *to, const void *from, size_t size)
{
	struct copy what = {to, from, size};

	return touch_run(copy, &what);
}
