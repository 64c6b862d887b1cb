/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_WORLD_H
#define CRASH_WORLD_H

/*
 * World: the topic on which a victim dies, and what its participants have in common.
 *
 *	victim     dies
 *	survivor   another process: a subscriber from the beginning, and a publisher of its own
 *	visitor    another process that has nothing open until it comes, and comes after the death
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <floe/floe.h>

#define WORLD_TOPIC "crash"
#define WORLD_SOURCE "crash.source" /* what the victim relays comes from here */
#define WORLD_DEPTH 3
#define WORLD_HOLDS 2
#define WORLD_PARTS 2 /* of messages that have some */
#define WORLD_LANES 2 /* of rings that have some: the survivor's, and the victim's */
#define WORLD_LANE 3  /* messages that wait in one */
#define WORLD_RELAYS 6
#define WORLD_LOANS 4        /* of rings that grow, at first */
#define WORLD_LOANS_RAISED 6 /* and at most */
#define WORLD_MEMORY (4 << 20)
#define WORLD_SOURCE_POOL (WORLD_RELAYS + 3) /* 1 in its ring, 1 lent, 1 taken and not sent on */
#define WORLD_POOL 8                         /* chunks of the victim's ring */
#define WORLD_SURVIVOR_POOL 12 /* and of the survivor's: so that nobody adopts the other's */

#define PUBLISHER(...) \
	(&(struct floe_publisher_options){.size = sizeof(struct floe_publisher_options), \
					  __VA_ARGS__})
#define SUBSCRIBER(...) \
	(&(struct floe_subscriber_options){.size = sizeof(struct floe_subscriber_options), \
					   __VA_ARGS__})

#define STAGE_THINGS 3

struct pattern;

/* What the victim says about itself, in memory that all share. */
struct stage {
	_Atomic uint64_t sent;   /* messages of its ring that are certainly published */
	_Atomic uint64_t all;    /* the same, of all rings that are like the victim's */
	_Atomic uint32_t met;    /* others have stepped in: its steps may end differently */
	_Atomic uint32_t stands; /* it is stopped somewhere just now */
	bool stamped;            /* messages of its ring have a time */
	bool queued;             /* all publishers have lanes */
	bool roomy;              /* and none of them is ever full */
	bool headed;             /* all publishers have a header and an attribute */

	/* Of a script that is about another pattern than messages; NULL: it is about messages. */
	const struct pattern *pattern;
	_Atomic uint64_t begun[STAGE_THINGS]; /* what its things are, pattern_*.c says: */
	_Atomic uint64_t made[STAGE_THINGS];  /* those that are certainly there */
	_Atomic uint64_t deaths;
	/* Loans that whoever adopts a growing ring may have out: at least, and perhaps. */
	_Atomic uint32_t loans_least, loans_most;
	bool relayed; /* they are somebody else's chunks: a dead node may be needed */
};

extern struct stage *stage;

void world_make_stage(void);

/* The library of this process sleeps nowhere, unless the victim stands in its way: the others never
 * run at the same time, so there is nothing to wait for. Even then it only believes that it has slept,
 * until this is called again. */
void world_forbid_sleep(void);

/* For os->get_random. After a seed, the ids that a process draws are the same each time, and differ
 * from those of processes with another name: so two worlds can be compared. */
int world_draw(void *buffer, size_t size);
void world_seed(const char *name);

/* A ring with a fixed pool, one that grows, one of any sizes; or another plan, which adopts neither. */
enum ring_kind {
	RING_FIXED,
	RING_STAMPED, /* fixed, with timestamps */
	RING_HEADED,  /* fixed, with a header beside each payload, and an attribute */
	RING_BLOCK,   /* fixed, in a block of its process, which ends with it: adopted by nobody */
	RING_GROWING,
	RING_ELASTIC,
	RING_RELAY, /* fixed, and chunks of a ring on WORLD_SOURCE as well */
	RING_VISITOR
};
int world_open_publisher(struct floe_publisher **ret, enum ring_kind kind);
/* Any other ring on WORLD_TOPIC; it has a header and an attribute as all of them. */
int world_open_as(struct floe_publisher **ret, const struct floe_publisher_options *options);
extern const struct floe_type world_header;
extern const struct floe_attribute world_attribute;
int world_open_source(struct floe_publisher **ret);
/* It has WORLD_POOL chunks, and no more. */
bool world_is_fixed(enum ring_kind kind);

/* How many chunks can be lent at once; all are given back. What floe_loan said last. */
uint32_t world_count_loans(struct floe_publisher *pub, int *ret_last);

uint32_t world_count_descriptors(void);

/* What is left in the folder: prints names, returns how many. */
uint32_t world_count_files(void);

/*
 * Commands
 */

enum survivor_command {
	SURVIVOR_NOTHING,
	SURVIVOR_OPEN,       /* argument: policy of its subscriber */
	SURVIVOR_PUBLISH,    /* so many, chunks and inline in turn; result: those that were sent */
	SURVIVOR_PARTS,      /* one message of WORLD_PARTS */
	SURVIVOR_NAP,        /* a wait whose deadline is over: publishers are asked for a wake */
	SURVIVOR_HOLD,       /* takes one and keeps it */
	SURVIVOR_HELD,       /* result: how many it keeps */
	SURVIVOR_LET_GO,     /* what it keeps, after another look */
	SURVIVOR_JOIN,       /* one more subscriber, with many holds */
	SURVIVOR_LEAVE,      /* that one goes */
	SURVIVOR_TAKE,       /* all there is */
	SURVIVOR_GO_ON,      /* takes, publishes, takes: everything at once and in order */
	SURVIVOR_SEEN,       /* argument: a publisher, -1: the victim; result: its last message that
			      * came */
	SURVIVOR_COUNT,      /* chunks of its ring that it can lend */
	SURVIVOR_SEEN_ALL,   /* result: messages of all rings that are like the victim's */
	SURVIVOR_CHECK_SUMS, /* published = received + lost, of each ring */
	SURVIVOR_CLOSE,
	SURVIVOR_ACT,    /* of its pattern; argument: enum act */
	SURVIVOR_SETTLE, /* of its pattern */
	SURVIVOR_DESCRIPTORS,
};

enum visitor_command {
	VISITOR_OPEN = 1, /* argument: enum ring_kind; result: messages that its ring had before, or
			   * -EBUSY: the topic is being removed by one who does not go on */
	VISITOR_PUBLISH,  /* so many; its subscriber takes them; result: last sequence */
	VISITOR_INDEX,    /* which publisher of the topic it is */
	VISITOR_FLUSH,    /* one inline message: after a ring of them no slot names a chunk */
	VISITOR_COUNT,    /* chunks of its ring that it can lend */
	VISITOR_LOOK,     /* nobody dead has a place, and sums hold for all that it sees */
	VISITOR_CLOSE,
	VISITOR_CLEAN, /* nobody dead is left then; result: how many things were removed */
	VISITOR_DESCRIPTORS,
	VISITOR_ALL, /* of its pattern: comes, works, goes; argument: the survivor lives */
};

int64_t survivor_serve(int command, int64_t argument);
int64_t visitor_serve(int command, int64_t argument);

#endif
