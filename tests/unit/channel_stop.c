/* SPDX-License-Identifier: Apache-2.0 */
#include "channel_stop.h"

#include <setjmp.h>
#include <stddef.h>

#include "actors.h"
#include "channel_point.h"

static struct {
	uint64_t left;     /* accesses until something happens; 0: nothing will */
	const void *actor; /* of whose accesses; those of others do not count */
	void (*action)(void *user);
	void *user;
	jmp_buf death;
} stop;

void shared_point(void)
{
	actors_point();
	if (stop.left == 0 || stop.actor != actors_self() || --stop.left)
		return;
	if (!stop.action)
		longjmp(stop.death, 1);
	stop.action(stop.user);
}

bool world_at(uint64_t at, void (*action)(void *user), void (*step)(void *user), void *user)
{
	bool reached;

	stop.left = at;
	stop.actor = actors_self();
	stop.action = action;
	stop.user = user;
	step(user);
	reached = stop.left == 0;
	stop.left = 0;
	return reached;
}

bool world_kill_at(uint64_t at, void (*step)(void *user), void *user)
{
	if (setjmp(stop.death)) {
		actors_forget_frames();
		return true;
	}
	return world_at(at, NULL, step, user);
}
