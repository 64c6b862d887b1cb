/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The listener's calls. A struct floe_listener is a handle; `struct listening` is what lies behind it.
 */

#include "api/listening.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/handle.h"
#include "api/options.h"
#include "base/error.h"
#include "base/name.h"
#include "channel/listener.h"
#include "os/os.h"
#include "registry/cleanup.h"
#include "registry/file.h"
#include "registry/peer.h"
#include "registry/seat_file.h"
#include "uring/alarm.h"

/* A notifier that notifies all the time: readable is right then in any case. */
#define ATTEMPTS 3

struct listening {
	struct listener listener;
	struct node *node;
	struct topic topic;
	uint64_t refused[SEATS_MAX]; /* files that were told of once */
	struct alarm *alarm;         /* NULL until somebody asked for the descriptor */
	uint32_t voice_changes;      /* when the alarm was set last */
	bool told;                   /* it was set at least once */
	bool joining;
	struct floe_error *error; /* while opening */
};

/*
 * What the listener asks of us
 */

static int is_alive(void *user, uint64_t owner)
{
	const struct listening *l = user;

	return peer_is_alive(&l->node->domain, owner);
}

static void look_at_life(void *user, struct voice *voice)
{
	const struct listening *l = user;

	region_close(&voice->life);
	voice->omen_told = false;
	voice->omen = seat_attach_life(&voice->life, &l->node->domain, voice->owner);
}

static void detach(void *user, struct voice *voice)
{
	(void)user;
	region_close(&voice->region);
	region_close(&voice->life);
	free(voice->groups_seen);
}

static void watch(void *user)
{
	const struct listening *l = user;

	node_watch(l->node);
}

/* The number of ids is all that is believed, after this. */
static int fill(struct voice *voice, struct region *region)
{
	const struct event_shared *event = (const struct event_shared *)(const void *)region->base;
	uint32_t ids;

	copy_once(&ids, &event->ids, sizeof(ids));
	if (ids == 0 || ids > FLOE_EVENT_IDS_MAX || event_size(ids) != region->size)
		return -EPROTO;
	voice->groups_seen = calloc(ids + event_groups(ids), sizeof(uint64_t));
	if (!voice->groups_seen)
		return -ENOMEM;
	voice->counts_seen = voice->groups_seen + event_groups(ids);
	voice->event = event;
	voice->group = event->word;
	voice->count = event->word + event_groups(ids);
	voice->ids = ids;
	voice->region = take_region(region);
	return 0;
}

static int attach(struct listening *l, int dir, uint32_t index)
{
	floe_cleanup(region_close) struct region region = REGION_NULL;
	struct voice voice = {.index = index, .region = REGION_NULL, .life = REGION_NULL};
	int r = seat_attach(&region, &seat_event, dir, index, l->topic.id, &voice.file, l->error);

	if (r == 0)
		r = fill(&voice, &region);
	if (r < 0)
		return r;
	r = listener_add_voice(&l->listener, &voice, l->joining);
	if (r < 0)
		detach(l, &voice);
	return r;
}

/* What may pass is tried again; what does not is told once. */
static int refuse_file(struct listening *l, uint32_t index, uint64_t file, int r)
{
	if (r == -ENOENT)
		return 0;
	if (r != -EPROTO && r != -EACCES && r != -EPERM)
		return r;
	l->refused[index] = file;
	return r == -EPROTO ? r : -EACCES;
}

static int look_at(struct listening *l, int dir, uint32_t index)
{
	char name[PLACE_NAME_MAX];
	struct voice *known;
	uint64_t file;
	int r;

	place_name(name, SEAT_EVENT, index);
	r = file_find_id(dir, name, &file);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	known = listener_find_voice(&l->listener, file);
	if (known)
		known->is_present = true;
	if (known || file == l->refused[index])
		return 0;
	r = attach(l, dir, index);
	return r < 0 ? refuse_file(l, index, file, r) : 0;
}

static int refresh(void *user, struct listener *listener)
{
	struct listening *l = user;
	floe_cleanup(os_close_fdp) int dir = topic_open_dir(&l->topic, l->error);
	uint8_t taken[SEATS_MAX];
	int told = 0;
	int r;

	(void)listener;
	if (dir < 0)
		return dir;
	r = file_list_indexes(dir, SEAT_EVENT, SEATS_MAX, taken);
	for (uint32_t i = 0; i < SEATS_MAX && r == 0; i++) {
		r = taken[i] ? look_at(l, dir, i) : 0;
		if (r == -EPROTO || r == -EACCES)
			told = r;
		r = r == told ? 0 : r;
	}
	return r < 0 ? r : told;
}

static const struct listener_calls calls = {
	.refresh = refresh,
	.is_alive = is_alive,
	.look_at_life = look_at_life,
	.detach = detach,
	.watch = watch,
};

/*
 * The descriptor: an alarm on the words that the listener would sleep on
 */

/* One attempt to fall asleep: 1; 0, -errno: look again. */
static int fall_asleep(struct listening *l)
{
	struct os_wait words[OS_WAIT_MAX];
	uint32_t changes = l->listener.voice_changes;
	unsigned count = listener_list_words(&l->listener, words);
	bool anew = !l->told || changes != l->voice_changes || count != l->alarm->count;

	listener_announce(&l->listener);
	if (listener_has_more(&l->listener) || l->listener.voice_changes != changes)
		return 0;
	l->voice_changes = changes;
	l->told = true;
	alarm_set_clock(l->alarm, listener_due_ns(&l->listener));
	return alarm_set(l->alarm, words, count, anew);
}

/* Called whenever the listener has looked around. */
static void settle(struct listening *l)
{
	/* It waits for all that may come, and nothing came. */
	if (l->told && !alarm_rings(l->alarm) && !l->alarm->timed &&
	    l->voice_changes == l->listener.voice_changes &&
	    l->alarm->clock.set_ns <= listener_due_ns(&l->listener))
		return;
	for (unsigned i = 0; i < ATTEMPTS && !listener_has_more(&l->listener); i++)
		if (fall_asleep(l) == 1)
			return;
	alarm_ring(l->alarm);
}

static int open_alarm(struct listening *l)
{
	struct alarm *alarm = calloc(1, sizeof(*alarm));
	int r;

	if (!alarm)
		return -ENOMEM;
	r = alarm_open(alarm, false);
	if (r < 0) {
		free(alarm);
		return r;
	}
	l->alarm = alarm;
	settle(l);
	return 0;
}

static void close_alarm(struct listening *l)
{
	if (l->alarm)
		alarm_close(l->alarm);
	free(l->alarm);
}

/*
 * Public calls
 */

static int join(struct listening *l, const char *name, const struct floe_listener_options *o)
{
	int r = node_get(&l->node, o->dir, o->domain, o->error);

	if (r == 0)
		r = topic_open(&l->topic, &l->node->domain, name, o->error);
	if (r < 0)
		return r;
	cleanup_bare_nodes(&l->node->domain);
	listener_init(&l->listener, l->topic.hints, o->spin_ns, &calls, l);
	r = listener_refresh(&l->listener);
	topic_settle(&l->topic);
	/* Who may not be heard, or is damaged, keeps nobody from listening to others: the sentence says so,
	 * and the first take. */
	if (r == -EPROTO || r == -EACCES) {
		l->listener.untold = r;
		r = 0;
	}
	return r;
}

static void end(struct listening *l)
{
	close_alarm(l);
	listener_deinit(&l->listener);
	cleanup_leave(&l->topic);
	node_put(l->node);
	free(l);
}

FLOE_PUBLIC int floe_listener_open(struct floe_listener **ret, const char *name,
				   const struct floe_listener_options *options)
{
	struct floe_listener_options o;
	struct listening *l;
	void *handle;
	int r;

	if (!ret)
		return -EINVAL;
	r = options_read_listener(&o, options);
	if (r == 0)
		r = name_check(name, "event's name", FLOE_TOPIC_NAME_MAX, o.error);
	if (r < 0)
		return r;
	error_clear(o.error);

	l = calloc(1, sizeof(*l));
	if (!l)
		return error_set(o.error, -ENOMEM, "out of memory");
	l->topic = TOPIC_NULL;
	l->error = o.error;
	l->joining = true;
	r = join(l, name, &o);
	if (r == 0)
		r = handle_open(&handle, HANDLE_LISTENER, l);
	if (r < 0) {
		error_complete(o.error, r, "open", name);
		end(l);
		return r;
	}
	l->joining = false;
	l->error = NULL;
	*ret = handle;
	return 0;
}

FLOE_PUBLIC void floe_listener_close(struct floe_listener *listener)
{
	struct listening *l = handle_close(listener, HANDLE_LISTENER);

	if (l)
		end(l);
}

/* Those whose memory is gone say nothing any more. */
static void leave_out_broken(struct listening *l)
{
	for (uint32_t i = l->listener.voice_count; i-- > 0;) {
		struct voice *voice = &l->listener.voice[i];

		if (!region_is_broken(&voice->region))
			continue;
		l->refused[voice->index] = voice->file;
		listener_leave_out(&l->listener, voice);
	}
}

/* The object behind the handle. -EPROTO: memory of it is gone; -EINVAL */
static int find(struct floe_listener *listener, struct listening **ret)
{
	*ret = handle_find(listener, HANDLE_LISTENER);
	if (*ret)
		return 0;
	*ret = handle_find_suspect(listener, HANDLE_LISTENER);
	if (!*ret)
		return -EINVAL;
	if (region_is_broken(&(*ret)->topic.region))
		return -EPROTO;
	leave_out_broken(*ret);
	handle_trust(listener, HANDLE_LISTENER);
	return 0;
}

FLOE_PUBLIC int floe_listener_take(struct floe_listener *listener, struct floe_event *ret)
{
	struct listening *l;
	int r = ret ? find(listener, &l) : -EINVAL;

	if (r < 0)
		return r;
	r = listener_take(&l->listener, ret);
	if (r != 1 && l->alarm)
		settle(l);
	return r;
}

FLOE_PUBLIC int floe_listener_wait(struct floe_listener *listener, int64_t deadline_ns)
{
	struct listening *l;
	int r = find(listener, &l);

	if (r < 0)
		return r;
	r = listener_wait(&l->listener, deadline_ns);
	if (r != 1 && l->alarm)
		settle(l);
	return r;
}

FLOE_PUBLIC int floe_listener_fd(struct floe_listener *listener)
{
	struct listening *l;
	int r = find(listener, &l);

	if (r == 0 && !l->alarm)
		r = open_alarm(l);
	return r < 0 ? r : l->alarm->fd;
}

bool listening_has_more(struct floe_listener *listener)
{
	struct listening *l;

	return find(listener, &l) < 0 || listener_has_more(&l->listener);
}

FLOE_PUBLIC int floe_listener_expect(struct floe_listener *listener, uint32_t id, int64_t period_ns)
{
	struct listening *l;
	int r = find(listener, &l);

	if (r < 0)
		return r;
	if (period_ns < 0 || period_ns > INT64_MAX / 2 || id >= FLOE_EVENT_IDS_MAX)
		return -EINVAL;
	r = listener_expect(&l->listener, id, period_ns);
	if (r == 0 && l->alarm)
		settle(l);
	return r;
}
