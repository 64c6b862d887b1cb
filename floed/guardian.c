/* SPDX-License-Identifier: Apache-2.0 */
#include "guardian.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"
#include "notify.h"
#include "os/os.h"
#include "registry/cleanup.h"
#include "registry/terms.h"
#include "registry/usage.h"
#include "say.h"
#include "status.h"

#define FROM_INOTIFY 1
#define FROM_SIGNALS 2

/* Names come in bursts: what they mean for the estate is looked at once. */
#define LOOK_NS 20000000
#define QUOTA_NS 1000000000
/* Where somebody dies all the time, a sweep does not wait for quiet longer than so many lingers. */
#define LINGERS_MAX 10
#define USERS_MAX 1024

static int wait_for(struct guardian *g, int fd, uint64_t what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = what};

	return fd < 0 || epoll_ctl(g->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_descriptors(struct guardian *g, struct floe_error *error)
{
	sigset_t set;
	int r;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	g->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (g->epoll < 0)
		return error_system(error, -errno, "open", "epoll");
	g->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	r = wait_for(g, g->inotify, FROM_INOTIFY);
	if (r < 0)
		return error_system(error, r, "open", "inotify");
	g->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	r = wait_for(g, g->signals, FROM_SIGNALS);
	return r < 0 ? error_system(error, r, "open", "signalfd") : 0;
}

static int watch_folder(struct guardian *g, const char *path, uint32_t mask,
			struct floe_error *error)
{
	int r = inotify_add_watch(g->inotify, path, mask | IN_ONLYDIR);

	return r < 0 ? error_system(error, -errno, "watch", path) : r;
}

/* Reading comes after watching: nobody is missed who comes between. */
static int watch_domain(struct guardian *g, struct floe_error *error)
{
	const struct domain *domain = &g->office.node->domain;
	char path[DOMAIN_NAME_MAX];
	int r = watch_folder(g, domain->path, IN_DELETE | IN_DELETE_SELF, error);

	if (r < 0)
		return r;
	domain_path(domain, "nodes", ".", path);
	g->nodes_watch = watch_folder(g, path, IN_CREATE | IN_DELETE | IN_DELETE_SELF, error);
	if (g->nodes_watch < 0)
		return g->nodes_watch;
	if (!g->config.monitoring)
		return 0;
	r = roll_scan(&g->roll);
	return r < 0 ? error_system(error, r, "read", path) : 0;
}

static int watch_estate(struct guardian *g, struct floe_error *error)
{
	for (size_t i = 0; i < g->estate.count; i++) {
		int r = watch_folder(g, g->estate.topic[i]->topic.path, IN_DELETE | IN_DELETE_SELF,
				     error);

		if (r < 0)
			return r;
	}
	return 0;
}

static void plan_quota(struct guardian *g)
{
	const struct quotas_shared *quotas = &g->config.quotas;
	bool any = quotas->count || quotas->others.publishers_max || quotas->others.memory_max;

	g->quota_ns = any ? os->now_ns() : INT64_MAX;
}

int guardian_begin(struct guardian *ret_guardian, struct config *config, int64_t deadline_ns,
		   struct floe_error *error)
{
	struct guardian *g = ret_guardian;
	int r;

	*g = (struct guardian){.config = *config,
			       .office = OFFICE_NULL,
			       .epoll = -1,
			       .inotify = -1,
			       .signals = -1,
			       .sweep_ns = INT64_MAX,
			       .look_ns = INT64_MAX,
			       .quota_ns = INT64_MAX,
			       .alive_ns = INT64_MAX,
			       .watchdog_ns = notify_watchdog_ns()};
	config_init(config);
	r = open_descriptors(g, error);
	if (r == 0)
		r = office_take(&g->office, &g->config, deadline_ns, error);
	if (r < 0)
		return r;
	estate_init(&g->estate, g->office.node);
	roll_init(&g->roll, g->office.node, g->epoll);
	r = estate_apply(&g->estate, &g->config, error);
	if (r == 0)
		r = watch_estate(g, error);
	if (r == 0)
		r = watch_domain(g, error);
	if (r < 0)
		return r;
	plan_quota(g);
	if (g->watchdog_ns)
		g->alive_ns = os->now_ns();
	/* What a predecessor did not get to, or nobody saw, is swept as if it had died now. */
	if (g->config.monitoring)
		g->sweep_ns = os->now_ns() + g->config.linger_ns;
	status_begin(g->office.node->shared);
	return 0;
}

void guardian_tell_ready(const struct guardian *guardian)
{
	char state[DOMAIN_PATH_MAX + 128];

	(void)snprintf(state, sizeof(state), "READY=1\nSTATUS='%s', %zu topics, monitoring %s",
		       guardian->office.node->domain.path, guardian->config.topics_count,
		       guardian->config.monitoring ? "on" : "off");
	notify(state);
}

static void reload(struct guardian *g)
{
	struct config fresh;
	struct floe_error error = {0};
	int r = g->reload(g->user, &fresh, &error);

	notify_reloading();
	if (r < 0) {
		say(SAY_ERROR, "%s; what was so before stays so", error.text);
		guardian_tell_ready(g);
		return;
	}
	if (strcmp(fresh.dir, g->config.dir) != 0 || strcmp(fresh.domain, g->config.domain) != 0)
		say(SAY_WARNING, "another domain is coordinated after a restart only");
	(void)snprintf(fresh.dir, sizeof(fresh.dir), "%s", g->config.dir);
	(void)snprintf(fresh.domain, sizeof(fresh.domain), "%s", g->config.domain);
	config_deinit(&g->config);
	g->config = fresh;
	say_init(g->config.level);
	r = estate_apply(&g->estate, &g->config, &error);
	if (r == 0)
		r = watch_estate(g, &error);
	if (r == 0 && g->config.monitoring)
		r = roll_scan(&g->roll);
	if (r < 0)
		say(SAY_ERROR, "%s", *error.text ? error.text : strerror(-r));
	plan_quota(g);
	status_add(g->office.node->shared, STATUS_RELOADS, 1);
	say(SAY_INFO, "the configuration was read again: %zu topics", g->config.topics_count);
	guardian_tell_ready(g);
}

static void read_signals(struct guardian *g)
{
	struct signalfd_siginfo info;

	while (read(g->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload(g);
		else
			g->ends = true;
	}
}

static void soon(int64_t *when_ns, int64_t delay_ns)
{
	int64_t then = os->now_ns() + delay_ns;

	if (then < *when_ns)
		*when_ns = then;
}

static void take_event(struct guardian *g, const struct inotify_event *event)
{
	bool is_node = event->wd == g->nodes_watch && event->len > 0;

	if (event->mask & IN_Q_OVERFLOW) {
		if (g->config.monitoring)
			(void)roll_scan(&g->roll);
		soon(&g->look_ns, 0);
	} else if (!is_node) {
		soon(&g->look_ns, LOOK_NS);
	} else if (!g->config.monitoring) {
		return;
	} else if (event->mask & IN_CREATE) {
		roll_add(&g->roll, event->name);
	} else {
		roll_remove(&g->roll, event->name);
		/* It could be ours. */
		soon(&g->look_ns, LOOK_NS);
	}
}

static void read_inotify(struct guardian *g)
{
	_Alignas(struct inotify_event) char buffer[4096];
	ssize_t size;

	while ((size = read(g->inotify, buffer, sizeof(buffer))) > 0)
		for (ssize_t at = 0; at < size;) {
			const struct inotify_event *event = (const void *)(buffer + at);

			take_event(g, event);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
}

static void tell(void *user, const char *sentence)
{
	(void)user;
	say(SAY_VERBOSE, "%s", sentence);
}

/* What dead processes left besides their nodes: rings, topics. */
static void sweep(struct guardian *g)
{
	struct cleanup cleanup = {.tell = tell};
	int r = cleanup_domain(&g->office.node->domain, &cleanup);

	if (r < 0)
		say(SAY_WARNING, "cannot clean '%s': %s", g->office.node->domain.path,
		    strerror(-r));
	estate_sweep(&g->estate);
	status_add(g->office.node->shared, STATUS_REMOVED, (uint64_t)cleanup.count);
	g->sweep_ns = INT64_MAX;
	g->first_death_ns = 0;
}

/* Each death puts the sweep off, so that whoever is started again finds its ring; but not for ever. */
static void plan_sweep(struct guardian *g, int64_t now_ns)
{
	int64_t limit_ns;

	if (g->roll.deaths == g->swept_deaths)
		return;
	g->swept_deaths = g->roll.deaths;
	if (g->first_death_ns == 0)
		g->first_death_ns = now_ns;
	limit_ns = g->first_death_ns + LINGERS_MAX * g->config.linger_ns;
	g->sweep_ns = now_ns + g->config.linger_ns;
	if (g->sweep_ns > limit_ns)
		g->sweep_ns = limit_ns;
}

static uint32_t *find_above(struct guardian *g, uint32_t uid)
{
	for (size_t i = 0; i < g->above_count; i++)
		if (g->above[i] == uid)
			return &g->above[i];
	return NULL;
}

/* Told once when it begins. It can only be told: good data is nobody's to remove. */
static void judge(struct guardian *g, const struct usage *usage)
{
	struct quota_shared quota = terms_find_quota(&g->estate.quotas, usage->uid);
	bool publishers = quota.publishers_max && usage->publishers > quota.publishers_max;
	bool memory = quota.memory_max && usage->memory > quota.memory_max;
	uint32_t *above = find_above(g, usage->uid);

	if (!publishers && !memory) {
		if (above)
			*above = g->above[--g->above_count];
		return;
	}
	if (above || g->above_count == USERS_MAX)
		return;
	if (!g->above)
		g->above = calloc(USERS_MAX, sizeof(*g->above));
	if (!g->above)
		return;
	g->above[g->above_count++] = usage->uid;
	status_add(g->office.node->shared, STATUS_EXCESSES, 1);
	if (publishers)
		say(SAY_WARNING, "user %u has %u publishers, the quota is %u", usage->uid,
		    usage->publishers, quota.publishers_max);
	if (memory)
		say(SAY_WARNING, "user %u has %llu bytes in '%s', the quota is %llu", usage->uid,
		    (unsigned long long)usage->memory, g->office.node->domain.path,
		    (unsigned long long)quota.memory_max);
}

static void look_at_quotas(struct guardian *g)
{
	static struct usage users[USERS_MAX];
	int count = usage_read(&g->office.node->domain, users, USERS_MAX);

	for (int i = 0; i < count && i < USERS_MAX; i++)
		judge(g, &users[i]);
	g->quota_ns = os->now_ns() + QUOTA_NS;
}

/* Whoever is new in the estate's folders, or went from them. */
static void look(struct guardian *g)
{
	struct floe_error error;

	g->look_ns = INT64_MAX;
	if (!office_is_held(&g->office)) {
		say(SAY_ERROR, "'%s' was removed by somebody else", g->office.node->domain.path);
		g->ends = true;
		g->result = -ENOENT;
		return;
	}
	estate_look(&g->estate);
	if (watch_estate(g, &error) < 0)
		say(SAY_WARNING, "%s", error.text);
}

static void tell_alive(struct guardian *g, int64_t now_ns)
{
	notify("WATCHDOG=1");
	g->alive_ns = now_ns + g->watchdog_ns;
}

/* Does what is due; returns when the next thing is. */
static int64_t do_due(struct guardian *g)
{
	int64_t now_ns = os->now_ns();
	int64_t next_ns = INT64_MAX;

	if (g->config.monitoring) {
		next_ns = roll_look(&g->roll, now_ns);
		plan_sweep(g, now_ns);
	}
	if (g->look_ns <= now_ns)
		look(g);
	if (g->sweep_ns <= now_ns && !g->ends)
		sweep(g);
	if (g->quota_ns <= now_ns && !g->ends)
		look_at_quotas(g);
	if (g->alive_ns <= now_ns)
		tell_alive(g, now_ns);
	next_ns = g->alive_ns < next_ns ? g->alive_ns : next_ns;
	next_ns = g->look_ns < next_ns ? g->look_ns : next_ns;
	next_ns = g->sweep_ns < next_ns ? g->sweep_ns : next_ns;
	return g->quota_ns < next_ns ? g->quota_ns : next_ns;
}

static int wait_until(struct guardian *g, struct epoll_event *events, int count, int64_t until_ns)
{
	struct timespec time;
	int64_t left_ns = until_ns == INT64_MAX ? 0 : until_ns - os->now_ns();

	if (left_ns < 0)
		left_ns = 0;
	time = (struct timespec){left_ns / 1000000000, left_ns % 1000000000};
	return epoll_pwait2(g->epoll, events, count, until_ns == INT64_MAX ? NULL : &time, NULL);
}

int guardian_run(struct guardian *guardian)
{
	struct epoll_event events[32];

	while (!guardian->ends) {
		int64_t until_ns = do_due(guardian);
		int count = guardian->ends ? 0 : wait_until(guardian, events, 32, until_ns);

		for (int i = 0; i < count; i++) {
			if (events[i].data.u64 == FROM_SIGNALS)
				read_signals(guardian);
			else if (events[i].data.u64 == FROM_INOTIFY)
				read_inotify(guardian);
			else
				roll_end(&guardian->roll, events[i].data.u64);
		}
	}
	return guardian->result;
}

void guardian_end(struct guardian *guardian)
{
	roll_deinit(&guardian->roll);
	estate_end(&guardian->estate);
	office_leave(&guardian->office);
	os_close_fdp(&guardian->inotify);
	os_close_fdp(&guardian->signals);
	os_close_fdp(&guardian->epoll);
	free(guardian->above);
	config_deinit(&guardian->config);
}
