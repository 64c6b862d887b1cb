/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "api/handle.h"
#include "api/publication.h"
#include "api/subscription.h"
#include "registry/relays.h"

static uint64_t port_offset(const struct subscription *s)
{
	return (uint64_t)((const unsigned char *)s->port - s->node->region.base);
}

/* Is the subscriber there that handed this over? Its port says that it is closed, and is another one's
 * when it is used again. */
static bool is_open(const struct publication *p, const struct relay_shared *relay)
{
	const unsigned char *port = p->node->region.base + load_relaxed(&relay->port);

	return load_relaxed(&((const struct port_shared *)(const void *)port)->life) ==
	       load_relaxed(&relay->life);
}

/* Gives back the holds of this subscriber that nobody needs, and forgets those of closed ones: their
 * ports go as a whole. */
static void collect(struct publication *p, struct subscription *s)
{
	struct relays *relays = p->relays;

	for (uint32_t i = relays->idle_count; i-- > 0;) {
		uint32_t n = relays->idle[i];

		if (subscriber_take_back(&s->subscriber, relays->relay[n].ticket) ||
		    !is_open(p, &relays->shared[n]))
			relays_settle(relays, i);
	}
}

static void describe(const struct subscription *s, const struct held *held, const void *data,
		     struct relay_plan *ret_plan)
{
	const struct origin *origin = subscriber_origin_of(&s->subscriber, held);
	const struct mapped_origin *mapped = (const void *)origin;
	const struct feed *feed = origin ? &mapped->feed : held->feed;

	*ret_plan = (struct relay_plan){
		.holder = s->node->id,
		.port = port_offset(s),
		.life = load_relaxed(&s->port->life),
		.offset = (uint64_t)((const unsigned char *)data - feed->base),
		.file = feed->file,
		.index = feed->index,
		.topic = origin ? mapped->topic : s->topic.name,
		.ticket = subscriber_next_ticket(held),
	};
}

/* Others could not map it, or it goes with its publisher. */
static bool is_block(const struct held *held)
{
	return held->feed->mapping.base != held->feed->region.base;
}

static int relay(struct publication *p, struct subscription *s, struct held *held,
		 struct floe_sample *sample)
{
	struct relay_plan plan;
	int r;

	if (!p->relays)
		return -EINVAL;
	if (p->node != s->node)
		return -EXDEV;
	if (is_block(held))
		return -EOPNOTSUPP;
	if (!p->noted) {
		r = relays_note(p->node, &p->topic, p->file.index, p->file.file);
		if (r < 0)
			return r;
		p->noted = true;
	}
	collect(p, s);
	describe(s, held, sample->data, &plan);
	r = publisher_republish(&p->publisher, sample->size, &plan);
	if (r == 0 && p->relays->idle_count) {
		/* What was found idle while looking for a free one. */
		collect(p, s);
		r = publisher_republish(&p->publisher, sample->size, &plan);
	}
	if (r == 1)
		subscriber_hand_over(&s->subscriber, held, sample);
	return r;
}

/* It has no chunk: it travels in a slot again. */
static int copy_inline(struct publication *p, struct subscription *s, const void *header,
		       struct floe_sample *sample)
{
	struct floe_loan loan;
	int r = publisher_loan(&p->publisher, sample->size, &loan);

	if (r != 1)
		return r;
	memcpy(loan.data, sample->data, sample->size);
	if (header)
		memcpy(publisher_header(&p->publisher, &loan), header, p->publisher.header_size);
	r = publisher_publish(&p->publisher, &loan);
	if (r != 1)
		publisher_discard(&p->publisher, &loan);
	else
		subscriber_release(&s->subscriber, sample);
	return r;
}

/* The header that goes on with the sample: 0, NULL if none is sent; -EPROTOTYPE it has none of that size */
static int find_header(const struct publication *p, const struct subscription *s,
		       const struct held *held, const void **ret_header)
{
	size_t size;

	*ret_header = NULL;
	if (!p->publisher.header_size)
		return 0;
	*ret_header = subscriber_header(&s->subscriber, held, &size);
	return *ret_header && size == p->publisher.header_size ? 0 : -EPROTOTYPE;
}

/* Both handles, also when somebody lost memory: then another call has to say what is wrong. */
static int find(struct floe_publisher *pub, struct floe_subscriber *sub, struct publication **ret_p,
		struct subscription **ret_s)
{
	struct floe_publisher_counts of_pub;
	struct floe_subscriber_counts of_sub;
	int r = floe_publisher_count(pub, &of_pub, sizeof(of_pub));

	if (r == 0)
		r = floe_subscriber_count(sub, &of_sub, sizeof(of_sub));
	if (r < 0)
		return r;
	*ret_p = handle_find(pub, HANDLE_PUBLISHER);
	*ret_s = handle_find(sub, HANDLE_SUBSCRIBER);
	return *ret_p && *ret_s ? 0 : -EINVAL;
}

FLOE_PUBLIC int floe_republish(struct floe_publisher *pub, struct floe_subscriber *sub,
			       struct floe_sample *sample)
{
	struct publication *p = handle_find(pub, HANDLE_PUBLISHER);
	struct subscription *s = handle_find(sub, HANDLE_SUBSCRIBER);
	const void *header;
	struct held *held;
	int r = p && s ? 0 : find(pub, sub, &p, &s);

	if (r < 0)
		return r;
	held = sample ? subscriber_find_any(&s->subscriber, sample) : NULL;
	if (!held || sample->size == 0)
		return -EINVAL;
	r = find_header(p, s, held, &header);
	if (r < 0)
		return r;
	if (load_relaxed(&s->port->hold[held->ticket & PLACE_INDEX]) == HOLD_NONE)
		return copy_inline(p, s, header, sample);
	return relay(p, s, held, sample);
}
