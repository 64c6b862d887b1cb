/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOED_GUARDIAN_H
#define FLOED_GUARDIAN_H

/*
 * Guardian: what floed does while it runs: one thread in one loop, which waits for names that come and
 * go, for ends of processes, for signals, and for the times of what was put off.
 */

#include "config.h"
#include "estate.h"
#include "roll.h"
#include "office.h"

struct guardian {
	struct config config;
	struct office office;
	struct roll roll;
	struct estate estate;
	int epoll;
	int inotify;
	int signals;
	int nodes_watch; /* of the inotify */
	unsigned swept_deaths;
	int64_t first_death_ns; /* since the last sweep; 0: none */
	int64_t sweep_ns;       /* when each is due; INT64_MAX: not */
	int64_t look_ns;
	int64_t quota_ns;
	int64_t alive_ns;    /* that the service manager is told of us again */
	int64_t watchdog_ns; /* how often; 0: never */
	uint32_t *above;     /* users that were told of */
	size_t above_count;
	bool ends;
	int result;
	/* Reads the configuration again, for SIGHUP. */
	int (*reload)(void *user, struct config *ret_config, struct floe_error *error);
	void *user;
};

/* Takes the configuration over. Afterwards everything is laid down and everybody is watched. On
 * failure guardian_end is still due. */
int guardian_begin(struct guardian *ret_guardian, struct config *config, int64_t deadline_ns,
		   struct floe_error *error);

/* To the service manager, with a line of what it does. */
void guardian_tell_ready(const struct guardian *guardian);

/* Until SIGTERM or SIGINT. 0, or -errno: the domain was taken away. */
int guardian_run(struct guardian *guardian);

void guardian_end(struct guardian *guardian);

#endif
