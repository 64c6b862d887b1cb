/* SPDX-License-Identifier: Apache-2.0 */
#include "api/client_wait.h"

#include <errno.h>
#include <string.h>

#include "api/connection.h"
#include "os/os.h"

/* A bad omen that cannot be confirmed is looked at so often, then as any. */
#define LOOK_SOON_TIMES 1000
#define ATTEMPTS 3

bool client_has_more(struct client *c)
{
	struct subscriber *sub = &c->responses->subscriber;

	if (c->outcomes || subscriber_has_more(sub))
		return true;
	connection_look(c, false);
	if (!c->news)
		return c->outcomes != 0;
	/* What they sent before they were gone comes first. */
	if (subscriber_has_more(sub))
		return true;
	connection_end_gone(c);
	return c->outcomes != 0;
}

/* An omen is bad, and what it means may show any moment. */
static bool is_suspicious(const struct client *c)
{
	for (const struct connection *k = c->connections; k; k = k->next)
		if (!k->gone && k->suspicions && k->suspicions < LOOK_SOON_TIMES)
			return true;
	return false;
}

/* All that can wake us: responses, what servers announce, and their omens. */
static unsigned list_words(const struct client *c, struct os_wait *ret_words)
{
	struct os_wait more[OS_WAIT_MAX];
	unsigned count = subscriber_list_words(&c->responses->subscriber, ret_words);
	unsigned added = subscriber_list_words(&c->announcements->subscriber, more);

	if (added > OS_WAIT_MAX - count)
		added = OS_WAIT_MAX - count;
	memcpy(ret_words + count, more, added * sizeof(*more));
	return count + added;
}

static bool spin(struct client *c, int64_t until_ns)
{
	do {
		for (unsigned i = 0; i < 64; i++) {
			if (subscriber_has_more(&c->responses->subscriber))
				return true;
			relax();
		}
	} while (os->now_ns() < until_ns);
	return false;
}

/* The heads are read before, and the flag is up before the last look, as in subscriber_announce. */
static int sleep_once(struct client *c, bool (*is_done)(struct client *c), int64_t until_ns)
{
	struct os_wait words[OS_WAIT_MAX];
	unsigned count = list_words(c, words);
	int64_t look_ns = is_suspicious(c) ? CONNECTION_LOOK_NS : CLIENT_LOOK_NS;
	int64_t now = os->now_ns();
	int r = 0;

	if (subscriber_announce(&c->responses->subscriber) < 0)
		look_ns = CONNECTION_LOOK_NS;
	if (c->nearest_ns - now < look_ns)
		look_ns = c->nearest_ns - now;
	if (until_ns < 0 || until_ns - now > look_ns)
		until_ns = now + look_ns;
	if (!is_done(c))
		r = os->wait_any(words, count, until_ns);
	if (r == -ENOSYS || r == -EINVAL) {
		os->sleep_ns(CONNECTION_LOOK_NS / 10); /* before Linux 5.16 */
		r = 0;
	}
	store_relaxed(&c->responses->port->sleeping, c->polled);
	return r;
}

int client_wait_until(struct client *c, bool (*is_done)(struct client *c), int64_t deadline_ns)
{
	for (bool spun = false;;) {
		int64_t now;
		int r;

		if (is_done(c))
			return 1;
		now = os->now_ns();
		if (deadline_ns >= 0 && now >= deadline_ns)
			return 0;
		if (now - c->looked_ns >= CLIENT_LOOK_NS) {
			c->looked_ns = now;
			connection_look(c, true);
			continue;
		}
		if (!spun && c->options.spin_ns > 1) {
			int64_t until_ns = now + (int64_t)c->options.spin_ns;

			spun = true;
			if (deadline_ns >= 0 && deadline_ns < until_ns)
				until_ns = deadline_ns;
			(void)spin(c, until_ns);
			continue;
		}
		r = sleep_once(c, is_done, deadline_ns);
		if (r == -EINTR)
			return r;
	}
}

bool client_has_server(struct client *c)
{
	connection_look(c, false);
	for (const struct connection *k = c->connections; k; k = k->next)
		if (!k->gone && !k->unheard)
			return true;
	return false;
}

/*
 * A descriptor
 */

/* One attempt to fall asleep: 1; 0, -errno: look again. */
static int fall_asleep(struct client *c)
{
	struct os_wait words[OS_WAIT_MAX];
	uint32_t changes = c->responses->subscriber.feed_changes +
			   c->announcements->subscriber.feed_changes;
	unsigned count = list_words(c, words);
	bool anew;

	if (count == ALARM_WORDS_MAX)
		count--; /* for the clock */
	anew = !c->told || count != c->alarm.count || changes != c->feed_changes;
	if (!c->alarm.timed)
		(void)subscriber_announce(&c->responses->subscriber);
	if (client_has_more(c) || is_suspicious(c) ||
	    changes != c->responses->subscriber.feed_changes +
			       c->announcements->subscriber.feed_changes)
		return 0;
	c->feed_changes = changes;
	c->told = true;
	return alarm_set(&c->alarm, words, count, anew);
}

/* Nobody wakes us when such a server is gone: it is asked for from time to time. */
static void ask_on(struct client *c)
{
	int64_t now;

	alarm_set_clock(&c->alarm, INT64_MAX);
	if (!connection_wants_asking(c))
		return;
	now = os->now_ns();
	if (now - c->looked_ns >= CLIENT_LOOK_NS) {
		c->looked_ns = now;
		connection_look(c, true);
	}
	alarm_set_clock(&c->alarm, c->looked_ns + CLIENT_LOOK_NS);
}

void client_settle(struct client *c)
{
	if (!c->polled)
		return;
	ask_on(c);
	for (unsigned attempt = 0; attempt < ATTEMPTS && !client_has_more(c); attempt++)
		if (fall_asleep(c) == 1)
			return;
	alarm_ring(&c->alarm);
}
