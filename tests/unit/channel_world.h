/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_CHANNEL_WORLD_H
#define UNIT_CHANNEL_WORLD_H

/*
 * A topic without files: segments, ports and hints in this process's memory, publishers and
 * subscribers on them, and an account of what each must get.
 *
 * Time stands still but for what the test does. Who acts when is decided by channel_stop.h here,
 * by chance in actors.h, and exhaustively in tests/schedule.
 */

#include <stdbool.h>
#include <stdint.h>

#include "channel/publisher.h"
#include "channel/segment.h"
#include "channel/subscriber.h"

#define WRITERS_MAX 3
#define READERS_MAX 4
#define LANES_MAX 2
#define HELD_MAX 16
#define CHUNK_SIZE 128

struct world;
struct block;

/* Private memory of one participant. */
struct tables {
	void *memory;
	size_t size;
};

/* A publisher, and the segment that outlives it. */
struct writer {
	struct world *world;
	struct segment_plan plan;
	unsigned char *memory; /* of the segment */
	size_t size;
	struct tables tables; /* the manager's come first */
	struct publisher publisher;
	struct relays relays;
	struct lane lanes[LANES_MAX];
	uint64_t sent;  /* that are known to be sent */
	bool named;     /* subscribers can find it */
	uint64_t file;  /* which one it is for them */
	uint32_t kinds; /* of payloads: KIND_... */
};

#define KIND_INLINE 1u
#define KIND_CHUNK 2u
#define KIND_BOTH 3u

/* What a subscriber has got of one publisher. */
struct account {
	uint64_t start; /* sequence before the first one that it is to get */
	uint64_t last;  /* sequence before the next expected one */
	uint64_t received;
	uint64_t lost;
	struct part part; /* what the last one was of its message */
	bool begun;
};

struct reader {
	struct world *world;
	struct port_shared *port;
	struct tables tables;
	struct subscriber subscriber;
	struct account account[WRITERS_MAX];
	struct floe_sample held[HELD_MAX];
	uint32_t held_count;
	uint64_t history;
	bool joining;
	shared_u64 present; /* in the list of members, which is a word that others can see */
	bool alive;
	int cannot_look;      /* what is said instead of how far a publisher's memory has grown */
	struct origin origin; /* where all lies that is relayed to it; base NULL: nothing is */
};

struct world {
	struct hints_shared hints;
	struct block *blocks; /* all memory, each with a guard behind it, until world_end */
	void *(*allocate)(size_t size); /* or this gives it, zeroed */
	uint64_t garbage;               /* each word of private tables before they are used */
	struct writer writer[WRITERS_MAX];
	struct reader reader[READERS_MAX];
	uint64_t files;
	uint32_t refused; /* takes that said -EPROTO */
	uint32_t detached;
};

struct writer_options {
	uint32_t depth; /* 4 */
	uint32_t loans_max;
	uint32_t holds;
	uint32_t spare;
	uint32_t later; /* more chunks, for publisher_grow */
	uint32_t relays;
	uint32_t lanes; /* the i-th reader's is the i-th */
	uint32_t lane_depth;
	uint32_t flags;
	uint32_t kinds; /* KIND_BOTH */
};

void world_begin(struct world *w);
void world_end(struct world *w);

/* A fresh ring of index `i` with depth + loans_max + holds + lanes * lane_depth chunks. */
struct writer *writer_begin(struct world *w, uint32_t i, const struct writer_options *options);
/* A successor: all private state is new. What publisher_init says. */
int writer_adopt(struct writer *writer);
/* Its file goes; nobody finds it any more. */
void writer_leave(struct writer *writer);
/* Loans, fills and publishes one message: 1, or what loan or publish said; not sent is discarded. */
int writer_send(struct writer *writer);
/* The same with its sequence as its mark, and nobody is waited for. */
int writer_send_marked(struct writer *writer);
void writer_send_many(struct writer *writer, uint32_t count);
/* One message of `count` parts; each is what a message of that sequence would be. As writer_send. */
int writer_send_parts(struct writer *writer, uint32_t count);
/* The i-th sample that this reader of another topic holds goes on, as src/api/relay.c does it: as
 * writer_send; if it is sent the reader has it no more. */
int writer_relay(struct writer *writer, struct reader *from, uint32_t i);
/* Walks all tables. */
void writer_check(const struct writer *writer);

/* The size and the bytes of message `sequence`: channel_message.c. */
size_t message_size(const struct writer *writer, uint64_t sequence);
void message_fill(void *data, size_t size, uint64_t sequence);
bool message_is(const void *data, size_t size, uint64_t sequence);

struct reader_options {
	uint32_t policy;
	uint32_t depth;
	uint32_t holds_max; /* 2 */
	uint64_t history;
	struct port_shared *port; /* of one who left, to be used again; NULL: a new one */
	bool dirty;               /* its holds are not laid out anew: a mistake */
};

/* The port is laid out and told of; then the publishers are found. */
struct reader *reader_join(struct world *w, uint32_t i, const struct reader_options *options);
void reader_leave(struct reader *reader);
/* Its process is gone; its port is as it was. */
void reader_die(struct reader *reader);
void reader_clean(struct reader *reader);
/* Takes one, compares it with the account, and keeps it: 1, 0, <0 as floe_take. */
int reader_take(struct reader *reader);
/* The same for all parts of one: how many, 0, <0 as subscriber_take_parts. */
int reader_take_parts(struct reader *reader);
/* Which publisher the i-th held sample is of. */
uint32_t reader_publisher(struct reader *reader, uint32_t i);
void reader_release(struct reader *reader, uint32_t i);
void reader_release_all(struct reader *reader);
/* Takes and releases until nothing is there. */
void reader_drain(struct reader *reader);
void reader_drain_parts(struct reader *reader);
/* What it holds is what it was when taken. */
void reader_check(const struct reader *reader);
/* All that `writer` sent is received or lost. */
void expect_exact(const struct reader *reader, const struct writer *writer);

#endif
