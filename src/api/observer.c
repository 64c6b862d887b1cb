/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Observer: a subscriber whose port lies in its own memory, where no publisher looks. So it has no
 * place and its holds protect nothing: it copies each payload, and what was overwritten
 * meanwhile counts as lost.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "alloc/elastic.h"
#include "api/handle.h"
#include "api/options.h"
#include "api/view.h"
#include "base/arith.h"
#include "base/name.h"
#include "channel/subscriber.h"
#include "os/os.h"
#include "registry/feeds.h"
#include "registry/file.h"
#include "registry/lent_memory.h"
#include "registry/origins.h"
#include "registry/topic.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

/* A topic that was removed and made again is noticed within this time. */
#define LOOK_NS 50000000

/* How far a publisher has got, when we looked last. */
struct horizon {
	uint64_t file; /* its ring's */
	uint64_t head;
	uint64_t look_next; /* not before we want this message */
};

/* So many are borrowed at once: with what is copied of them they are in the first cache. */
#define BORROW_MAX 32u

/* What was borrowed last: messages of one publisher, one after the other. None of what was relayed, or
 * copied, or lies in a block of this process. */
struct run {
	uint64_t sequence; /* of the first */
	uint32_t count;
	uint64_t ticket;
	const struct slot_shared *slot; /* of the first */
	const struct slot_shared *slots;
	const struct slot_shared *end;
};

/* Somebody still looks at what lies in this ring: it stays mapped when its feed is let go. */
struct kept {
	struct kept *next;
	uint64_t ticket;
	bool has_gone;
	struct feed feed; /* then */
};

struct observation {
	struct subscriber subscriber;
	struct domain domain;
	struct topic topic;
	struct feeds feeds;
	uint64_t rings[FLOE_PUBLISHERS_MAX]; /* that were met at this index, ever */
	struct kept *kept;
	struct origins *origins; /* NULL until something relayed was met */
	struct port_shared *port;
	void *tables;
	uint64_t history;
	bool joining;
	int64_t looked_ns;
	unsigned char *copy; /* the header in whole lines, if there is one, and the payload */
	size_t copy_size;
	/* What was read last, the payload's address first: another message may lie there by now. NULL:
	 * there was none, or it was not copied. */
	const void *read;
	uint64_t read_sequence;
	uint64_t read_ticket;
	struct run run;
	uint64_t words[BORROW_MAX]
		      [SLOT_WORDS]; /* copies of payloads that travelled in their slots */
	const void *header;
	size_t header_size;
	struct horizon horizons[FLOE_PUBLISHERS_MAX]; /* of what is borrowed */
};

/* Which ring it is: the publisher's index, and how many had that before. The next one may be mapped where this one
 * was, and its sequences may be the same. */
static uint64_t ticket_of(const struct feed *feed)
{
	return (uint64_t)(uintptr_t)feed->user - 1;
}

static void number_new(struct observation *o, struct subscriber *sub)
{
	for (uint32_t i = 0; i < sub->feed_count; i++) {
		struct feed *feed = &sub->feeds[i];

		if (!feed->user)
			feed->user = (void *)(uintptr_t)(o->rings[feed->index]++ *
								 FLOE_PUBLISHERS_MAX +
							 feed->index + 1);
	}
}

static void topic_path(const struct observation *o, char ret_path[DOMAIN_NAME_MAX + 16])
{
	(void)snprintf(ret_path, DOMAIN_NAME_MAX + 16, "%s/topic", o->topic.path);
}

static int refresh(void *user, struct subscriber *sub)
{
	struct observation *o = user;
	struct party any = {.wants = true};
	int r = feeds_read(&o->feeds, sub, &o->topic, &any, o->joining, o->history, NULL);

	/* Also if it failed: some may have been added before. */
	number_new(o, sub);
	/* Whoever looks on from outside waits for the next topic of this name. */
	return r == -ESTALE ? -ENOENT : r;
}

static int look_again(void *user, struct feed *feed)
{
	const struct observation *o = user;

	return feed_look_again(feed, o->topic.path);
}

static struct kept *find_kept(const struct observation *o, uint64_t ticket)
{
	struct kept *kept = o->kept;

	while (kept && kept->ticket != ticket)
		kept = kept->next;
	return kept;
}

/* Nothing more is taken from it, and whether its publisher lives does not matter. */
static void detach(void *user, struct feed *feed)
{
	const struct observation *o = user;
	struct kept *kept = find_kept(o, ticket_of(feed));

	if (kept) {
		kept->has_gone = true;
		kept->feed = *feed;
		kept->feed.within = 0;
		region_close(&kept->feed.life);
		feed->mapping = feed->life = REGION_NULL;
	}
	feed_detach(feed);
}

static int find_origin(void *user, struct subscriber *sub, const struct relay_shared *relay,
		       const struct relay_seen *seen, const struct origin **ret_origin)
{
	struct observation *o = user;

	if (!o->origins)
		o->origins = calloc(1, sizeof(*o->origins));
	if (!o->origins)
		return -ENOMEM;
	return origins_find(o->origins, &o->domain, sub, relay, seen, ret_origin);
}

static const struct subscriber_calls calls = {
	.refresh = refresh,
	.look_again = look_again,
	.detach = detach,
	.find_origin = find_origin,
};

/* Maps the topic's hints for reading only: an observer changes nothing. */
static int attach_topic(struct observation *o)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	char path[DOMAIN_NAME_MAX + 16];
	struct topic_shared seen;
	int r;

	topic_path(o, path);
	fd = file_open(AT_FDCWD, path, O_RDONLY, NULL);
	if (fd < 0)
		return fd;
	r = file_map(&o->topic.region, fd, sizeof(seen), sizeof(seen), false, path, NULL);
	if (r < 0)
		return r;
	copy_once(&seen, o->topic.region.base, sizeof(seen.identity));
	r = identity_check(seen.identity, TOPIC_MAGIC, TOPIC_SIGNATURE, "a topic", path, NULL);
	if (r < 0) {
		region_close(&o->topic.region);
		return r;
	}
	o->topic.hints = &((struct topic_shared *)(void *)o->topic.region.base)->hints;
	/* What is in the folder of the next topic of this name is found with that topic's hints. No other file gets
	 * this number while it is mapped. */
	o->topic.file = file_id(fd);
	return 0;
}

static int begin(struct observation *o)
{
	struct subscriber_plan plan = {
		.port = o->port, .memory = o->tables, .calls = &calls, .user = o};
	int r = attach_topic(o);

	if (r < 0)
		return r;
	memset(o->port, 0, port_size(1));
	o->port->holds_max = 1;
	store_relaxed(&o->port->holds_limit, 1);
	o->feeds = (struct feeds){0};
	plan.hints = o->topic.hints;
	subscriber_init(&o->subscriber, &plan);
	r = subscriber_refresh(&o->subscriber);
	/* One publisher that cannot be read is no reason not to look at the others. */
	if (r == -EPROTO || r == -EACCES)
		r = 0;
	o->joining = false;
	return r;
}

static void end(struct observation *o)
{
	if (!o->topic.region.base)
		return;
	subscriber_deinit(&o->subscriber);
	origins_close(o->origins);
	region_close(&o->topic.region);
	o->topic.file = 0;
}

static void drop_kept(struct kept *kept)
{
	if (kept->has_gone)
		feed_detach(&kept->feed);
	free(kept);
}

static void drop(struct observation *o)
{
	end(o);
	while (o->kept) {
		struct kept *next = o->kept->next;

		drop_kept(o->kept);
		o->kept = next;
	}
	free(o->port);
	free(o->tables);
	free(o->copy);
	free(o->origins);
	free(o);
}

static int open_observation(struct observation *o, const struct view *view, const char *topic)
{
	o->domain = view->domain;
	o->topic = TOPIC_NULL;
	o->topic.domain = &o->domain;
	(void)snprintf(o->topic.name, sizeof(o->topic.name), "%s", topic);
	domain_path(&o->domain, "topics", topic, o->topic.path);
	o->port = aligned_alloc(FLOE_CACHELINE, port_size(1));
	o->tables = aligned_alloc(FLOE_CACHELINE,
				  size_align(subscriber_memory_size(1), FLOE_CACHELINE));
	if (!o->port || !o->tables)
		return -ENOMEM;
	o->joining = true;
	return begin(o);
}

FLOE_PUBLIC int floe_observer_open(struct floe_observer **ret, struct floe_view *view,
				   const char *topic, const struct floe_observer_options *options)
{
	const struct view *v = handle_find(view, HANDLE_VIEW);
	struct floe_observer_options wanted;
	struct observation *o;
	void *handle;
	int r;

	if (!v || !ret || name_check(topic, "topic name", FLOE_TOPIC_NAME_MAX, NULL) < 0)
		return -EINVAL;
	r = options_read_observer(&wanted, options);
	if (r < 0)
		return r;
	o = aligned_alloc(FLOE_CACHELINE, size_align(sizeof(*o), FLOE_CACHELINE));
	if (!o)
		return -ENOMEM;
	memset(o, 0, sizeof(*o));
	o->history = wanted.history;
	r = open_observation(o, v, topic);
	if (r == 0)
		r = handle_open(&handle, HANDLE_OBSERVER, o);
	if (r < 0) {
		drop(o);
		return r;
	}
	*ret = handle;
	return 0;
}

FLOE_PUBLIC void floe_observer_close(struct floe_observer *observer)
{
	struct observation *o = handle_close(observer, HANDLE_OBSERVER);

	if (o)
		drop(o);
}

/* The topic may have been removed and made again: then everything starts anew, but for what is kept. */
static bool follow_topic(struct observation *o)
{
	char path[DOMAIN_NAME_MAX + 16];
	uint64_t file;

	topic_path(o, path);
	file = file_id_at(AT_FDCWD, path);
	if (file == 0 || file == o->topic.file)
		return false;
	end(o);
	(void)begin(o);
	return true;
}

static bool make_room(struct observation *o, size_t size)
{
	unsigned char *larger;

	if (size <= o->copy_size)
		return true;
	larger = realloc(o->copy, size);
	if (!larger)
		return false;
	o->copy = larger;
	o->copy_size = size;
	return true;
}

/* Has the message's slot been the same all the while? */
static bool is_whole(const struct feed *feed, uint64_t sequence)
{
	const struct slot_shared *slot = feed->reader.slots + sequence % feed->reader.depth;

	fence_acquire();
	return load_relaxed(&slot->sequence) == 2 * sequence;
}

/* Much is read from the file: what has no memory there is read as zeros, and gets none by it. */
#define MUCH ((size_t)1 << 20)

/* One call reads two gibibytes at most. False: the file ends before. */
static bool read_whole(int fd, unsigned char *to, size_t size, uint64_t offset)
{
	while (size) {
		ssize_t r = os->read_at(fd, to, size, offset);

		if (r <= 0)
			return false;
		to += r;
		size -= (size_t)r;
		offset += (uint64_t)r;
	}
	return true;
}

/* Nobody keeps the payload there: if its memory is gone and there is no other, reading it would be
 * a signal. Asking is an error, and fills what was never there, so it is not done for much. Before Linux
 * 5.14 nobody can ask. */
static bool is_there(const void *data, size_t data_size)
{
	uintptr_t begin = (uintptr_t)data & ~(ELASTIC_PAGE - 1);
	size_t size = size_align((uintptr_t)data - begin + data_size, ELASTIC_PAGE);
	int r = size > FEED_NAMELESS_MAX ? -ENOMEM
					 : os->advise((void *)begin, size, MADV_POPULATE_READ);

	return r == 0 || r == -EINVAL;
}

static void note_header(struct observation *o, const struct floe_sample *sample, const void *header,
			size_t size)
{
	o->read = sample->data;
	o->read_sequence = sample->sequence;
	o->read_ticket = sample->ticket;
	o->header = header;
	o->header_size = header ? size : 0;
}

/* Where a message lies. */
struct whereabouts {
	const unsigned char *base; /* of what is mapped */
	bool elastic;              /* its memory may go while we read it */
	int fd;                    /* its file; negative: it is read where it is mapped */
};

/* What was relayed is of somebody whom the relay's owner may want to fill: all of it is read from the
 * file, if that can be had. */
static struct whereabouts find_whereabouts(const struct observation *o, const struct feed *feed,
					   const struct origin *origin, size_t size)
{
	struct whereabouts where = {.base = feed->region.base, .elastic = feed->elastic, .fd = -1};

	if (origin) {
		where.base = origin->base;
		where.elastic = origins_is_elastic(origin);
	}
	if (where.elastic && origin)
		where.fd = origins_open_file(origin, &o->domain, size);
	else if (where.elastic && size > MUCH)
		where.fd = feed_open_file(feed, o->topic.path, size);
	return where;
}

/* False: it is gone. */
static bool copy_bytes(unsigned char *to, const struct whereabouts *where, const void *from,
		       size_t size)
{
	if (where->fd >= 0)
		return read_whole(where->fd, to, size,
				  (uint64_t)((const unsigned char *)from - where->base));
	if (where->elastic && !is_there(from, size))
		return false;
	memcpy(to, from, size);
	return true;
}

/* It could not be copied: 0, it is gone; or -EMFILE and the like, for now nobody can tell. */
static int why_not(const struct whereabouts *where)
{
	bool may_pass = where->fd == -EMFILE || where->fd == -ENFILE || where->fd == -ENOMEM;

	return may_pass ? where->fd : 0;
}

/* 1; 0 it was overwritten; -ENOMEM; -EMFILE, -ENFILE its file cannot be read for now */
static int copy_sample(struct observation *o, int peek, const struct held *held,
		       struct floe_sample *sample)
{
	const struct origin *origin = subscriber_origin_of(&o->subscriber, held);
	const struct feed *feed = held->feed;
	struct whereabouts where;
	floe_cleanup(os_close_fdp) int fd = -1;
	const void *header;
	size_t header_size, room;

	if (peek) {
		sample->data = NULL;
		return 1;
	}
	where = find_whereabouts(o, feed, origin, sample->size);
	if (where.fd == -ENODATA)
		return 0;
	fd = where.fd;
	header = subscriber_header(&o->subscriber, held, &header_size);
	room = header ? segment_header_room((uint32_t)header_size) : 0;
	if (!make_room(o, room + sample->size))
		return -ENOMEM;
	if (header && !copy_bytes(o->copy, &where, header, header_size))
		return why_not(&where);
	if (!copy_bytes(o->copy + room, &where, sample->data, sample->size))
		return why_not(&where);
	sample->data = o->copy + room;
	note_header(o, sample, header ? o->copy : NULL, header_size);
	return is_whole(feed, sample->sequence) &&
	       !(origin && load_relaxed(origin->life) & PORT_WITHDRAWN);
}

/* Who gets a part has got those before it: if this one was lost, those behind it are lost with it. */
static void leave_rest(struct observation *o, struct feed *feed, uint64_t sequence)
{
	if (feed->within != sequence + 1)
		return;
	feed->within = 0;
	o->subscriber.within = false;
}

/* As if it had not been taken: the next call begins with it. */
static void put_back(struct observation *o, struct feed *feed, const struct floe_sample *sample,
		     struct part part)
{
	ring_reader_seek(&feed->reader, sample->sequence);
	feed->lost += sample->lost;
	o->subscriber.turn = feed;
	if (part.count == 1)
		return;
	feed->within = part.index ? sample->sequence : 0;
	o->subscriber.within = part.index != 0;
}

/* 1; -EAGAIN it was overwritten; -ENOMEM it is lost too; -EMFILE, -ENFILE it is not */
static int copy_taken(struct observation *o, int peek, struct floe_sample *taken,
		      struct floe_sample *ret)
{
	const struct held *held = subscriber_find(&o->subscriber, taken);
	struct feed *feed = held->feed;
	struct floe_sample copy = *taken;
	struct part part = subscriber_part_of(&o->subscriber, held);
	int r;

	copy.ticket = feed->index;
	r = copy_sample(o, peek, held, &copy);
	subscriber_release(&o->subscriber, taken);
	if (r == 1) {
		*ret = copy;
		return 1;
	}
	if (r == -EMFILE || r == -ENFILE) {
		put_back(o, feed, &copy, part);
		return r;
	}
	feed->lost += copy.lost + 1; /* told with the next of this publisher */
	leave_rest(o, feed, copy.sequence);
	return r == 0 ? -EAGAIN : r;
}

static int take_copy(struct observation *o, int peek, struct floe_sample *ret)
{
	struct floe_sample taken = {0};
	int r = subscriber_take(&o->subscriber, &taken);

	return r <= 0 ? r : copy_taken(o, peek, &taken, ret);
}

/* The topic itself was not there, or has nothing, or (-ENOENT) has gone with all that it had: it may be another one
 * by now. */
static int look_for_topic(struct observation *o, int r)
{
	int64_t now = os->now_ns();

	if (r == 0 && now - o->looked_ns < LOOK_NS)
		return 0;
	o->looked_ns = now;
	return follow_topic(o) ? 0 : r;
}

/* A handle that is not found as usual. 1: it is sound after all, again; -EPROTO the topic's hints are
 * gone; -EINVAL */
static floe_cold int refuse(struct floe_observer *observer)
{
	const struct observation *o = handle_find_suspect(observer, HANDLE_OBSERVER);

	if (!o)
		return -EINVAL;
	if (region_is_broken(&o->topic.region))
		return -EPROTO;
	handle_trust(observer, HANDLE_OBSERVER);
	return 1;
}

static floe_cold int next_again(struct floe_observer *observer, int peek, struct floe_sample *ret)
{
	int r = ret ? refuse(observer) : -EINVAL;

	return r < 0 ? r : floe_observer_next(observer, peek, ret);
}

static floe_cold int borrow_again(struct floe_observer *observer, struct floe_sample *ret,
				  size_t count)
{
	int r = ret && count ? refuse(observer) : -EINVAL;

	return r < 0 ? r : floe_observer_borrow_many(observer, ret, count);
}

FLOE_PUBLIC int floe_observer_next(struct floe_observer *observer, int peek,
				   struct floe_sample *ret)
{
	struct observation *o = handle_find(observer, HANDLE_OBSERVER);
	int r = -EAGAIN;

	if (!o || !ret)
		return next_again(observer, peek, ret);
	o->read = NULL;
	o->run.count = 0;
	if (!o->topic.region.base)
		return look_for_topic(o, 0);
	for (int i = 0; i < 8 && r == -EAGAIN; i++)
		r = take_copy(o, peek, ret);
	if (r == 0 || r == -ENOENT)
		return look_for_topic(o, r);
	return r == -EAGAIN ? 0 : r;
}

/* So many messages later the payload is wanted: who is half a ring behind finds it in no cache. */
#define AHEAD 8u
/* Of a payload; what lies behind is fetched by reading it. */
#define AHEAD_SIZE 256u

/* Is all that would be fetched published? The head is a line that its publisher writes with each message: who
 * is not far behind reads it with every 16th. */
static bool is_behind(struct horizon *horizon, const struct feed *feed, uint32_t count)
{
	uint64_t next = ring_reader_next(&feed->reader);
	uint64_t last = next + 2 * ((uint64_t)count + AHEAD);

	if (horizon->file != feed->file)
		*horizon = (struct horizon){.file = feed->file};
	if (last > horizon->head && next >= horizon->look_next) {
		horizon->head = ring_reader_head(&feed->reader);
		horizon->look_next = next + 2 * AHEAD;
	}
	return last <= horizon->head;
}

/* Into the second cache: of lines that another core has, more can be under way to there. */
static void fetch_line(const void *at)
{
	__builtin_prefetch(at, 0, 2);
}

/* Where it lies is what its slot says, which may be anything: an address that is none does no harm. What
 * travels in its slot, or lies in another ring, is not fetched. */
static void fetch_payload(const struct feed *feed, const struct slot_shared *slot)
{
	uint64_t what = load_relaxed(&slot->what);
	uintptr_t at = (uintptr_t)feed->base + (what & ~SLOT_FLAGS);

	if (what & (SLOT_INLINE | SLOT_FOREIGN))
		return;
	for (unsigned i = 0; i < AHEAD_SIZE; i += FLOE_CACHELINE)
		fetch_line((const void *)(at + i));
}

/* What comes after `count` messages that begin with this slot. Their own payloads come one after the other in
 * memory, mostly, and need not be fetched. */
static void fetch_ahead(const struct feed *feed, const struct slot_shared *slot, uint32_t count)
{
	size_t left = (size_t)(feed->reader.end - slot);
	size_t first = count + 2 * (size_t)AHEAD;

	for (size_t i = first; i < first + count && i < left; i++)
		fetch_line(slot + i);
	for (size_t i = count > AHEAD ? count : AHEAD; i < count + AHEAD && i < left; i++)
		fetch_payload(feed, slot + i);
}

/* False: there is something special about it, or it is not where it should be. */
static bool see_chunk(const struct feed *feed, const struct slot_shared *slot, uint64_t what,
		      struct floe_sample *ret)
{
	uint64_t offset = what & ~SLOT_TIMED;
	uint64_t size = load_relaxed(&slot->word[SLOT_CHUNK_SIZE]);

	if (offset > feed->reserved || size - 1 >= feed->reserved - offset ||
	    offset % FLOE_CACHELINE)
		return false;
	ret->data = feed->base + offset;
	ret->size = size;
	ret->time_ns = what & SLOT_TIMED ? load_relaxed(&slot->word[SLOT_CHUNK_TIME]) : 0;
	return true;
}

static bool see_inline(const struct slot_shared *slot, uint64_t what, uint64_t *words,
		       struct floe_sample *ret)
{
	uint64_t size = what & ~(SLOT_INLINE | SLOT_TIMED);

	if (size - 1 >= FLOE_INLINE_MAX)
		return false;
	words_load(words, slot->word, SLOT_WORDS);
	ret->data = words;
	ret->size = size;
	ret->time_ns = what & SLOT_TIMED ? words[SLOT_WORDS - 1] : 0;
	return true;
}

/* What lies ready in this slot. Marks, parts and relays are above every size and every offset. */
static bool see(const struct feed *feed, const struct slot_shared *slot, uint64_t want,
		uint64_t *words, struct floe_sample *ret)
{
	uint64_t what = load_relaxed(&slot->what);

	if (what & SLOT_INLINE ? !see_inline(slot, what, words, ret)
			       : !see_chunk(feed, slot, what, ret))
		return false;
	ret->sequence = want / 2;
	ret->lost = 0;
	ret->ticket = ticket_of(feed);
	return ring_still(slot, want);
}

static struct feed *find_next(const struct subscriber *sub, struct feed *feed)
{
	return feed + 1 == sub->feeds + sub->feed_count ? sub->feeds : feed + 1;
}

/* The next ones are others, and the next turn is another publisher's. */
static void note_run(struct observation *o, struct feed *feed, const struct slot_shared *slot,
		     uint32_t count)
{
	struct ring_reader *reader = &feed->reader;

	o->run = (struct run){
		.sequence = ring_reader_next(reader),
		.count = count,
		.ticket = ticket_of(feed),
		.slot = reader->slot,
		.slots = reader->slots,
		.end = reader->end,
	};
	reader->want += 2 * (uint64_t)count;
	reader->slot = slot;
	feed->lost = 0;
	store_release(feed->cursor, ring_reader_next(reader));
	o->subscriber.turn = find_next(&o->subscriber, feed);
}

/* Those of this publisher about which there is nothing special: how many, from the next one on. */
static uint32_t look_along(struct observation *o, struct feed *feed, struct floe_sample *ret,
			   uint32_t count)
{
	const struct slot_shared *slot = feed->reader.slot;
	uint64_t want = feed->reader.want;
	uint32_t n;

	if (count > feed->reader.depth)
		count = feed->reader.depth;
	/* Who is not behind leaves these lines to their publisher, which writes them next. */
	if (is_behind(&o->horizons[feed->index], feed, count))
		fetch_ahead(feed, slot, count);
	for (n = 0; n < count && ring_sequence(slot) == want; n++, want += 2) {
		if (!see(feed, slot, want, o->words[n], &ret[n]))
			break;
		slot = slot + 1 == feed->reader.end ? feed->reader.slots : slot + 1;
	}
	if (n == 0)
		return 0;
	ret->lost = feed->lost;
	note_run(o, feed, slot, n);
	return n;
}

/* Those of the next publisher that has any; 0: a take finds out, and begins with him. Nothing is held, for
 * it would protect nothing, and who holds waits with each message until that can be seen. */
static uint32_t borrow_run(struct observation *o, struct floe_sample *ret, uint32_t count)
{
	struct subscriber *sub = &o->subscriber;

	if (load_relaxed(&sub->hints->publishers) != sub->publishers_seen || sub->untold ||
	    sub->within)
		return 0;
	for (uint32_t i = 0; i < sub->feed_count; i++) {
		struct feed *feed = sub->turn;
		bool is_plain = !feed->leaving && !feed->lent && !feed->header_size;

		if (ring_look(&feed->reader) != RING_EMPTY)
			return is_plain ? look_along(o, feed, ret, count) : 0;
		sub->turn = find_next(sub, feed);
	}
	return 0;
}

/* One that is taken as subscribers do. What is relayed lies in another ring, of which nobody can tell how
 * long it stays: it is copied. The hold is let go at once. */
static int borrow_held(struct observation *o, struct floe_sample *ret)
{
	struct floe_sample taken = {0};
	const struct held *held;
	const void *header;
	size_t header_size;
	int r = subscriber_take(&o->subscriber, &taken);

	if (r <= 0)
		return r;
	held = subscriber_find(&o->subscriber, &taken);
	if (subscriber_origin_of(&o->subscriber, held))
		return copy_taken(o, 0, &taken, ret);
	header = subscriber_header(&o->subscriber, held, &header_size);
	*ret = taken;
	ret->ticket = ticket_of(held->feed);
	note_header(o, ret, header, header_size);
	subscriber_release(&o->subscriber, &taken);
	return 1;
}

static int borrow(struct observation *o, struct floe_sample *ret, uint32_t count)
{
	uint32_t n = borrow_run(o, ret, count);

	return n ? (int)n : borrow_held(o, ret);
}

/* An inline payload stays in its place until that is used again. */
FLOE_PUBLIC int floe_observer_borrow_many(struct floe_observer *observer, struct floe_sample *ret,
					  size_t count)
{
	struct observation *o = handle_find(observer, HANDLE_OBSERVER);
	uint32_t most = count < BORROW_MAX ? (uint32_t)count : BORROW_MAX;
	int r = -EAGAIN;

	if (!o || !ret || !count)
		return borrow_again(observer, ret, count);
	o->read = NULL;
	o->run.count = 0;
	if (!o->topic.region.base)
		return look_for_topic(o, 0);
	for (int i = 0; i < 8 && r == -EAGAIN; i++)
		r = borrow(o, ret, most);
	if (r == 0 || r == -ENOENT)
		return look_for_topic(o, r);
	return r == -EAGAIN ? 0 : r;
}

FLOE_PUBLIC int floe_observer_borrow(struct floe_observer *observer, struct floe_sample *ret)
{
	return floe_observer_borrow_many(observer, ret, 1);
}

static bool lies_in(const struct feed *feed, const void *data)
{
	return (uintptr_t)data - (uintptr_t)feed->base < feed->reserved;
}

/* The publisher of a payload that lies in its memory; NULL: it has gone. */
static struct feed *find_feed(struct observation *o, const struct floe_sample *sample)
{
	struct kept *kept = find_kept(o, sample->ticket);

	for (uint32_t i = 0; i < o->subscriber.feed_count; i++) {
		struct feed *feed = &o->subscriber.feeds[i];

		if (ticket_of(feed) == sample->ticket && lies_in(feed, sample->data))
			return feed;
	}
	return kept && kept->has_gone && lies_in(&kept->feed, sample->data) ? &kept->feed : NULL;
}

static bool is_own(const struct observation *o, const void *data)
{
	uintptr_t at = (uintptr_t)data;

	return data == (const void *)o->subscriber.held->words ||
	       at - (uintptr_t)o->words < sizeof(o->words) ||
	       (data && at - (uintptr_t)o->copy < o->copy_size);
}

static int count_left(const struct feed *feed, uint64_t sequence)
{
	uint64_t head;

	if (!is_whole(feed, sequence))
		return 0;
	head = ring_reader_head(&feed->reader);
	/* The head may be one behind its slots. */
	if (head < sequence || head - sequence >= feed->reader.depth)
		return 1;
	return (int)(feed->reader.depth - (head - sequence));
}

FLOE_PUBLIC int floe_observer_left(struct floe_observer *observer, const struct floe_sample *sample)
{
	struct observation *o = handle_find(observer, HANDLE_OBSERVER);
	struct feed *feed;
	int left;

	if (!o || !sample) {
		int r = sample ? refuse(observer) : -EINVAL;

		return r < 0 ? r : floe_observer_left(observer, sample);
	}
	if (is_own(o, sample->data))
		return INT_MAX;
	feed = find_feed(o, sample);
	/* A block that was given back is not looked at any more. */
	if (!feed || (feed->lent && !lent_memory_hold(feed->file)))
		return 0;
	left = count_left(feed, sample->sequence);
	if (feed->lent)
		lent_memory_release(feed->file);
	if (left == 0)
		leave_rest(o, feed, sample->sequence);
	return left;
}

/* 1; 0: there is nothing to be kept. A block of this process is its owner's, whoever looks at it. */
static int keep(struct observation *o, const struct floe_sample *sample)
{
	const struct feed *feed = find_feed(o, sample);
	struct kept *kept;

	if (!feed || feed->lent)
		return 0;
	if (find_kept(o, sample->ticket))
		return 1;
	kept = calloc(1, sizeof(*kept));
	if (!kept)
		return -ENOMEM;
	kept->ticket = sample->ticket;
	kept->next = o->kept;
	o->kept = kept;
	return 1;
}

static void let_go(struct observation *o, uint64_t ticket)
{
	struct kept **at = &o->kept;
	struct kept *kept = find_kept(o, ticket);

	if (!kept)
		return;
	while (*at != kept)
		at = &(*at)->next;
	*at = kept->next;
	drop_kept(kept);
}

FLOE_PUBLIC int floe_observer_keep(struct floe_observer *observer, const struct floe_sample *sample,
				   int wanted)
{
	struct observation *o = handle_find(observer, HANDLE_OBSERVER);

	if (!o || !sample) {
		int r = sample ? refuse(observer) : -EINVAL;

		return r < 0 ? r : floe_observer_keep(observer, sample, wanted);
	}
	if (wanted)
		return keep(o, sample);
	let_go(o, sample->ticket);
	return 0;
}

/* How many of these, from the first on, are of those that were borrowed last and lie in their slots still. Each slot
 * says twice the sequence of its message. */
static size_t count_in_slots(const struct run *run, const struct floe_sample *samples, size_t count)
{
	uint64_t at = samples->sequence - run->sequence;
	uint64_t room = (uint64_t)(run->end - run->slot);
	const struct slot_shared *slot;
	size_t n = 0;

	if (at >= run->count)
		return 0;
	slot = at < room ? run->slot + at : run->slots + (at - room);
	if (count > run->count - at)
		count = run->count - at;
	while (n < count && samples[n].sequence == samples->sequence + n && samples[n].data &&
	       samples[n].ticket == run->ticket &&
	       load_relaxed(&slot->sequence) == 2 * samples[n].sequence) {
		slot = slot + 1 == run->end ? run->slots : slot + 1;
		n++;
	}
	return n;
}

FLOE_PUBLIC int floe_observer_has_many(struct floe_observer *observer,
				       const struct floe_sample *samples, size_t count)
{
	const struct observation *o = handle_find(observer, HANDLE_OBSERVER);
	size_t n = 0;
	int r = 1;

	if (!samples || count > INT_MAX)
		return -EINVAL;
	/* What was read of them was read before. */
	fence_acquire();
	while (n < count && r > 0) {
		size_t more = o ? count_in_slots(&o->run, samples + n, count - n) : 0;

		if (more == 0)
			r = floe_observer_left(observer, samples + n);
		n += more + (more == 0 && r > 0);
	}
	return r < 0 ? r : (int)n;
}

FLOE_PUBLIC int floe_observer_has(struct floe_observer *observer, const struct floe_sample *sample)
{
	return floe_observer_has_many(observer, sample, 1);
}

static bool is_read_last(const struct observation *o, const struct floe_sample *sample)
{
	return sample->data && sample->data == o->read && sample->sequence == o->read_sequence &&
	       sample->ticket == o->read_ticket;
}

FLOE_PUBLIC const void *floe_observer_header(struct floe_observer *observer,
					     const struct floe_sample *sample, size_t *ret_size)
{
	const struct observation *o = handle_find(observer, HANDLE_OBSERVER);
	bool found = o && sample && is_read_last(o, sample);

	if (!o && sample && refuse(observer) == 1)
		return floe_observer_header(observer, sample, ret_size);
	if (ret_size)
		*ret_size = found ? o->header_size : 0;
	return found ? o->header : NULL;
}
