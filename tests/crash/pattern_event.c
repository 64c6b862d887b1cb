/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An event: two ids that the victim notifies, one of the survivor's. Whatever was certainly notified
 * is told to who listened, once; what was under way at a death may be told or not, and if so before
 * the death is.
 */

#include <poll.h>
#include <string.h>

#include <floe/event.h>

#include "frame/frame.h"
#include "nap.h"
#include "os/os.h"
#include "pattern.h"
#include "victim.h"

#define IDS 130
#define NEAR 1
#define FAR 70 /* in another group */
#define OWN 2
#define SHORT_NS 50000
#define IDS_KNOWN 3

static const uint32_t ids[IDS_KNOWN] = {NEAR, FAR, OWN}; /* as they are counted in the stage */

/* A listener, and what it was told. */
struct hearing {
	struct floe_listener *listener;
	uint64_t told[IDS_KNOWN];
	uint64_t created, dropped, died;
};

static struct {
	struct floe_notifier *notifier;
	struct hearing hearing;
} self;

/*
 * Notifying
 */

static int open_notifier(struct floe_notifier **ret, size_t count)
{
	return floe_notifier_open(
		ret, WORLD_TOPIC,
		&(struct floe_notifier_options){.size = sizeof(struct floe_notifier_options),
						.ids = count});
}

static void notify(struct floe_notifier *notifier, unsigned k)
{
	(void)atomic_fetch_add(&stage->begun[k], 1);
	expect(floe_notify(notifier, ids[k]) >= 0);
	(void)atomic_fetch_add(&stage->made[k], 1);
}

/*
 * Listening
 */

static void open_listener(struct hearing *h)
{
	memset(h, 0, sizeof(*h));
	expect_equal(floe_listener_open(
			     &h->listener, WORLD_TOPIC,
			     &(struct floe_listener_options){
				     .size = sizeof(struct floe_listener_options), .spin_ns = 1}),
		     0);
}

static void note(struct hearing *h, const struct floe_event *event)
{
	h->created += event->kind == FLOE_EVENT_CREATED ? event->count : 0;
	h->dropped += event->kind == FLOE_EVENT_DROPPED ? event->count : 0;
	h->died += event->kind == FLOE_EVENT_DIED ? event->count : 0;
	expect(event->count > 0);
	expect(h->dropped + h->died <= h->created);
	for (unsigned k = 0; k < IDS_KNOWN; k++)
		if (event->kind == FLOE_EVENT_NOTIFIED && event->id == ids[k]) {
			h->told[k] += event->count;
			return;
		}
	expect(event->kind != FLOE_EVENT_NOTIFIED);
}

static int hear_one(struct hearing *h)
{
	struct floe_event event;
	int r = floe_listener_take(h->listener, &event);

	expect(r == 0 || r == 1);
	if (r == 1)
		note(h, &event);
	return r;
}

static void hear_all(struct hearing *h)
{
	while (hear_one(h) == 1)
		;
}

static int64_t soon_ns(void)
{
	return os->now_ns() + SHORT_NS;
}

/*
 * Victim
 */

void event_notifier_open(void)
{
	expect_equal(open_notifier(&self.notifier, IDS), 0);
}

void event_notify(void)
{
	notify(self.notifier, 0);
}

void event_notify_far(void)
{
	notify(self.notifier, 1);
}

void event_notifier_close(void)
{
	floe_notifier_close(self.notifier);
}

void event_listener_open(void)
{
	open_listener(&self.hearing);
}

void event_take(void)
{
	int r = hear_one(&self.hearing);

	expect_usual(r == 1);
}

void event_take_all(void)
{
	hear_all(&self.hearing);
}

void event_wait_asleep(void)
{
	int r = floe_listener_wait(self.hearing.listener, soon_ns());

	expect_usual(r == 0);
	expect(r == 0 || r == 1);
}

void event_wait_ready(void)
{
	expect_equal(floe_listener_wait(self.hearing.listener, soon_ns()), 1);
}

void event_descriptor(void)
{
	expect(floe_listener_fd(self.hearing.listener) >= 0);
}

void event_listener_close(void)
{
	floe_listener_close(self.hearing.listener);
}

/*
 * Survivor
 */

static void open_all(void)
{
	memset(&self, 0, sizeof(self));
	open_listener(&self.hearing);
	expect_equal(open_notifier(&self.notifier, 3), 0);
}

/* What others have certainly said it has heard. */
static void expect_all_told(void)
{
	for (unsigned k = 0; k < IDS_KNOWN; k++) {
		expect(self.hearing.told[k] >= atomic_load(&stage->made[k]));
		expect(self.hearing.told[k] <= atomic_load(&stage->begun[k]));
	}
}

static int wait_for_event(void *user, int64_t deadline_ns)
{
	return floe_listener_wait(user, deadline_ns);
}

static void act(int64_t what)
{
	if (what == ACT_NOTIFY)
		notify(self.notifier, OWN);
	if (what == ACT_HEAR) {
		hear_all(&self.hearing);
		expect_all_told();
	}
	if (what == ACT_NAP) {
		hear_all(&self.hearing);
		(void)nap(wait_for_event, self.hearing.listener, SHORT_NS);
	}
}

/* What it says itself it hears at once. */
static void go_on(void)
{
	for (int i = 0; i < 3; i++) {
		notify(self.notifier, OWN);
		hear_all(&self.hearing);
		expect_equal(self.hearing.told[OWN], atomic_load(&stage->made[OWN]));
	}
	expect_all_told();
}

/* Each one that came has left or died, but for itself; and all is told, also in words that are woken
 * on. */
static void settle(void)
{
	struct hearing *h = &self.hearing;

	go_on();
	expect_equal(h->created, h->dropped + h->died + 1);
	expect(h->died <= atomic_load(&stage->deaths));
	expect_equal(floe_listener_wait(h->listener, soon_ns()), 0);
}

static void close_all(void)
{
	floe_notifier_close(self.notifier);
	floe_listener_close(self.hearing.listener);
}

/*
 * Visitor
 */

static void visit(bool lives)
{
	struct floe_notifier *notifier;
	struct hearing h;

	(void)lives;
	open_listener(&h);
	hear_all(&h);
	for (unsigned k = 0; k < IDS_KNOWN; k++)
		expect_equal(h.told[k], 0); /* what was before it is not its own */
	expect_equal(h.died, 0);
	expect_equal(open_notifier(&notifier, IDS), 0);
	for (uint64_t i = 1; i <= 3; i++) {
		notify(notifier, 0);
		notify(notifier, 1);
		expect_equal(floe_listener_wait(h.listener, soon_ns()), 1);
		hear_all(&h);
		expect_equal(h.told[0], i);
		expect_equal(h.told[1], i);
	}
	expect_equal(h.created, 1);
	floe_notifier_close(notifier);
	hear_all(&h);
	expect_equal(h.dropped, 1);
	floe_listener_close(h.listener);
}

const struct pattern pattern_event = {
	.open = open_all,
	.act = act,
	.go_on = go_on,
	.settle = settle,
	.close = close_all,
	.visit = visit,
};
