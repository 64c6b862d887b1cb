/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOE_INSPECT_H
#define FLOE_INSPECT_H

/*
 * Looking at a domain from outside: who is there, what they hold, what flows. Everything is read
 * from the files of the domain, also after their owners died; nothing is claimed, no subscriber's
 * place is taken, nobody is slowed down. What is read is input: checked, copied, never trusted.
 *
 * All calls may block for as long as reading a folder takes. A view is used by one thread at a time, and its
 * observers with it; different views by any threads. After fork() they belong to the parent: -EINVAL.
 */

#include <floe/floe.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The state of a participant, from the lock that its process holds while it lives. */
#define FLOE_STATE_ALIVE 0u
#define FLOE_STATE_DEAD 1u   /* its process is gone, its memory is not */
#define FLOE_STATE_CLOSED 2u /* left in order; what it published stays for its subscribers */
#define FLOE_STATE_BROKEN 3u /* the file is not what it must be */
#define FLOE_STATE_HIDDEN 4u /* no permission to look */

struct floe_node_info {
	uint64_t id;
	uint32_t state;
	int32_t pid; /* as the process saw itself: other PID namespaces number differently */
	uint32_t uid;
	uint32_t subscribers;
	uint64_t memory; /* bytes allocated in tmpfs */
	char process[64];
	int32_t tid;     /* the thread that used floe last to open, wait or wake; 0: not known */
	char thread[20]; /* its name */
};

struct floe_topic_info {
	char name[FLOE_TOPIC_NAME_MAX + 1];
	uint32_t state;       /* ALIVE: has a living participant; HIDDEN: may have one; DEAD: only
			       * leftovers; CLOSED: nobody, but a coordinator keeps it; BROKEN */
	uint32_t publishers;  /* living */
	uint32_t subscribers; /* living */
	uint32_t leftovers;   /* publishers and subscribers that are dead, closed or broken */
	uint64_t published;   /* sum of its publishers' sequences */
	uint64_t memory;      /* bytes allocated in tmpfs by its publishers */
	struct {
		char name[128];
		uint64_t size, alignment, hash;
	} type;             /* of the first publisher or subscriber that names one */
	uint32_t notifiers; /* living; floe/event.h */
	uint32_t writers;   /* living; floe/board.h */
};

struct floe_publisher_info {
	uint32_t index; /* below FLOE_PUBLISHERS_MAX */
	uint32_t state;
	uint64_t node;
	int32_t pid;
	uint32_t uid;
	uint32_t mode;
	uint32_t flags;
	uint64_t sequence; /* last published */
	uint64_t depth;
	uint64_t payload_max;
	uint64_t chunks;
	uint64_t loans; /* out now */
	uint64_t loans_max;
	uint64_t would_block;
	uint64_t wakes;
	uint64_t memory;     /* bytes allocated in tmpfs */
	uint64_t generation; /* how often it was adopted */
	char type[128];
	char process[64];
	uint64_t spilled;       /* loans from a larger pool than the best */
	uint64_t solid;         /* elastic: bytes of chunks that have memory */
	uint64_t quota;         /* elastic: of these at most */
	uint64_t loans_refused; /* because loans_max loans were out */
	uint64_t header_size;   /* bytes beside each payload; 0: none */
	char header[128];       /* the name of their type */
	uint64_t attributes;    /* how many: floe_view_attributes */
	uint64_t loans_ceiling; /* up to where loans_max may be raised */
	uint64_t quota_ceiling; /* the same of quota */
	uint64_t lanes_max;     /* queues for subscribers that drop the newest */
	uint64_t lane_depth;    /* messages in each */
	uint64_t lanes_dropped; /* for one of them, in the life of the ring; parts count each */
};

struct floe_subscriber_info {
	uint32_t index; /* below FLOE_SUBSCRIBERS_MAX */
	uint32_t state;
	uint64_t node;
	int32_t pid;
	uint32_t uid;
	uint32_t policy;
	uint32_t sleeping;
	uint64_t received;
	uint64_t lost;
	uint64_t held; /* chunks; inline payloads hold none */
	uint64_t holds_max;
	uint64_t behind; /* messages published and not yet taken, all publishers */
	char type[128];
	char process[64];
	uint64_t header_size;   /* of the header that it wants; 0: none */
	uint64_t attributes;    /* how many it wants */
	uint64_t holds_ceiling; /* up to where holds_max may be raised */
	uint64_t queue_max;     /* of one that drops the newest: how many of each publisher wait for
				 * it at most, as it asked for; 0: lane_depth */
};

/* Who has the file of a notifier, or of a board's writer. */
#define FLOE_SEAT_NOTIFIER 1u
#define FLOE_SEAT_WRITER 2u

struct floe_seat_info {
	uint32_t kind;
	uint32_t index;
	uint32_t state;
	int32_t pid;
	uint32_t uid;
	uint32_t mode;
	uint64_t node;
	uint64_t generation; /* how often somebody took it */
	uint64_t dropped;    /* how often somebody closed it; the others died */
	uint64_t count;      /* ids of a notifier, keys of a writer */
	uint64_t total;      /* notifications, or values written */
	uint64_t wakes;      /* system calls made because somebody slept */
	uint64_t memory;     /* bytes allocated in tmpfs */
	char process[64];
};

struct floe_view;

/* dir, domain: NULL as in the options. A domain that does not exist is empty, not an error. */
FLOE_PUBLIC int floe_view_open(struct floe_view **ret, const char *dir, const char *domain,
			       struct floe_error *error);
FLOE_PUBLIC void floe_view_close(struct floe_view *view);

/* The domain's folder; valid until the view is closed. */
FLOE_PUBLIC const char *floe_view_path(const struct floe_view *view);

/*
 * Each fills up to `count` elements of `size` bytes (sizeof the struct, so that it can grow) and
 * returns how many there are, which may be more than `count`. -ENOENT: no such topic.
 */
FLOE_PUBLIC int floe_view_nodes(struct floe_view *view, struct floe_node_info *ret, size_t size,
				size_t count);
FLOE_PUBLIC int floe_view_topics(struct floe_view *view, struct floe_topic_info *ret, size_t size,
				 size_t count);
FLOE_PUBLIC int floe_view_publishers(struct floe_view *view, const char *topic,
				     struct floe_publisher_info *ret, size_t size, size_t count);
FLOE_PUBLIC int floe_view_subscribers(struct floe_view *view, const char *topic,
				      struct floe_subscriber_info *ret, size_t size, size_t count);

/* Notifiers and board writers. */
FLOE_PUBLIC int floe_view_seats(struct floe_view *view, const char *topic,
				struct floe_seat_info *ret, size_t size, size_t count);

/* The same for the loans of one publisher (floe_publisher_info.index) that are known: of one that is
 * traced all, of others those that were out when no loan was left and still are. Of a dead one those
 * that died with it. */
FLOE_PUBLIC int floe_view_loans(struct floe_view *view, const char *topic, uint32_t publisher,
				struct floe_loan_info *ret, size_t size, size_t count);

struct floe_attribute_info {
	char key[FLOE_ATTRIBUTE_KEY_MAX + 8];
	char value[FLOE_ATTRIBUTE_VALUE_MAX + 8];
};

/* The same for the attributes of one publisher, also of a dead one whose ring is there. -EPROTO, -EACCES
 * and the like: its memory cannot be read. */
FLOE_PUBLIC int floe_view_attributes(struct floe_view *view, const char *topic, uint32_t publisher,
				     struct floe_attribute_info *ret, size_t size, size_t count);

/* The schema text of a topic: returns its length without the final NUL (0: none), writes at most
 * `size` bytes including a final NUL. */
FLOE_PUBLIC ssize_t floe_view_schema(struct floe_view *view, const char *topic, char *ret,
				     size_t size);

/*
 * Removes what dead processes left: their subscribers' places, rings that nobody alive reads,
 * topics and nodes without users. Idempotent, may be killed anywhere. `dry_run`: only tell.
 * `tell` gets one sentence for each thing found and may be NULL. Returns how many things there
 * were, or -errno.
 */
FLOE_PUBLIC int floe_view_clean(struct floe_view *view, int dry_run,
				void (*tell)(void *user, const char *sentence), void *user);

/*
 * Observer: reads what flows on a topic without joining it. It sees copies, and loses what is
 * overwritten while it copies (counted in lost).
 */
struct floe_observer;

struct floe_observer_options {
	size_t size;
	size_t history; /* messages from before to start with */
};

FLOE_PUBLIC int floe_observer_open(struct floe_observer **ret, struct floe_view *view,
				   const char *topic, const struct floe_observer_options *options);
FLOE_PUBLIC void floe_observer_close(struct floe_observer *observer);

/*
 * The next message of any publisher: 1, 0 nothing there, <0. `ret->data` is the observer's own
 * copy, valid until the next call; `ret->ticket` is the publisher's index. With `peek` the payload
 * is not copied: data is NULL (for rates and sizes). -EMFILE, -ENFILE: a large one needs a descriptor
 * to be read, and the next call tries again.
 */
FLOE_PUBLIC int floe_observer_next(struct floe_observer *observer, int peek,
				   struct floe_sample *ret);

/* The header beside the sample that this observer read last, of *ret_size bytes (may be NULL), as good as
 * its payload; a copy is aligned to 16, whatever its type says. NULL: it has none, or the observer was asked
 * for the next one since. */
FLOE_PUBLIC const void *floe_observer_header(struct floe_observer *observer,
					     const struct floe_sample *sample, size_t *ret_size);

/*
 * The same without a copy: `ret->data` is where the payload lies in its publisher's memory (or, if
 * it travelled in its slot, in the observer's own). Nobody keeps it there. Who has used the bytes
 * asks floe_observer_left whether they were the message's all the while; if it says 0, they were
 * not, and the message counts as lost. The address is good until the next call that reads this
 * observer, and beyond that for as long as the publisher's file is there, or floe_observer_keep says so;
 * then reading it may fault, so leave that to system calls, which say -EFAULT.
 * `ret->ticket % FLOE_PUBLISHERS_MAX` is the publisher's index. What lay in the ring of one that had the same index
 * before is not taken for this one's, wherever it lies.
 */
FLOE_PUBLIC int floe_observer_borrow(struct floe_observer *observer, struct floe_sample *ret);

/*
 * The same for up to `count` messages of one publisher, in their order: how many, often 32 at most; all
 * addresses are good until the next call that reads this observer. What has a header, is a part of a message
 * or was relayed comes alone. For who copies many small ones.
 */
FLOE_PUBLIC int floe_observer_borrow_many(struct floe_observer *observer, struct floe_sample *ret,
					  size_t count);

/*
 * With how many further messages of its publisher a borrowed sample will be overwritten: 1 with the
 * next one, 0 it has been, or is being so. INT_MAX: the payload is the observer's own. -EINVAL;
 * -EPROTO: the topic's file is not what it must be any more
 */
FLOE_PUBLIC int floe_observer_left(struct floe_observer *observer,
				   const struct floe_sample *sample);

/*
 * The ring that a borrowed sample lies in stays mapped from now on when its publisher has gone, also when the topic is
 * made again, until the same is said with wanted 0 and this or another sample of that ring, or the observer is
 * closed. Once is enough for a ring: who has several samples of it counts them. It keeps no message from
 * being overwritten. 1 it does; 0 wanted was 0, or there is none: the payload is the observer's own, or lies in
 * a block of this process, or the ring has gone. -ENOMEM; -EINVAL; -EPROTO: see floe_observer_left
 */
FLOE_PUBLIC int floe_observer_keep(struct floe_observer *observer, const struct floe_sample *sample,
				   int wanted);

/*
 * Is a borrowed sample still there? 1; 0 it has been overwritten, or is being so: as floe_observer_left, but
 * for what was borrowed last it looks only at the message's slot, and not at a line that its
 * publisher writes with each message. -EINVAL, -EPROTO
 */
FLOE_PUBLIC int floe_observer_has(struct floe_observer *observer, const struct floe_sample *sample);

/* How many of these, from the first on, are still there; the one behind them is not. -EINVAL, -EPROTO */
FLOE_PUBLIC int floe_observer_has_many(struct floe_observer *observer,
				       const struct floe_sample *samples, size_t count);

#ifdef __cplusplus
}
#endif
#endif
