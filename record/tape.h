/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_TAPE_H
#define RECORD_TAPE_H

/*
 * Tape: takes messages from one thread, and writes them to files in a second one, its own, so that
 * a disk that pauses does not keep anybody from taking. What waits is the back-log; it is bounded,
 * and when it is full, tape_add says so. A file in large pages (tmpfs, huge=), where nothing pauses, is written by the first
 * thread, a chunk at a time: there is no back-log then.
 *
 *   memory of chunks that are open, wait, are being written, or are free <= memory_max
 *
 * The files: one; or, with split, one after the other; or, with a snapshot, one for each time that
 * it is asked for, with what came in the last `snapshot_ns`.
 *
 * All calls by the thread that opened it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "chunk.h"
#include "codec.h"
#include "output.h"
#include "writer.h"

struct tape;

struct tape_plan {
	const char *path;
	bool overwrite; /* a file that is there */
	enum compression compression;
	enum writer_crc crc;
	enum output_mode mode;
	uint64_t chunk_size; /* bytes of records */
	uint64_t memory_max;
	bool never_refer;
	uint64_t split_size; /* 0: no */
	int64_t split_ns;    /* 0: no */
	int64_t snapshot_ns; /* 0: no; else nothing is written before tape_snapshot */
	/* Is what lies at the message's payload still that? Asked from the tape's thread. */
	bool (*is_whole)(void *user, struct chunk *chunk);
	/* What tape_refer took is not looked at any more; from its thread, or within tape_refer. */
	void (*let_go)(void *user, const struct chunk *chunk);
	/* So many messages of this channel got lost on their way to the file; from its thread. */
	void (*lose)(void *user, uint16_t channel, uint32_t count);
	/* So many messages of this channel fell out of a snapshot's window; from the thread that adds, within
	 * tape_add, tape_tick and the like. */
	void (*forget)(void *user, uint16_t channel, uint32_t count);
	/* Builds the losses that are written into a file; from its thread. */
	void (*list_losses)(void *user, struct buffer *map);
	void *user;
};

struct tape_counts {
	uint64_t messages; /* given to it, but for what fell out of a snapshot's window */
	uint64_t bytes;    /* of the payloads of those that are not lost */
	uint64_t written;  /* bytes in files */
	uint64_t backlog;  /* bytes that wait */
	uint64_t direct;   /* messages written from where they lay and not lost */
	uint64_t lost;     /* that were not whole there, and what a full disk did not take */
	uint64_t files;
	uint64_t memory;
	bool is_direct;    /* around the page cache */
	bool flies;        /* and several batches at the same time, by io_uring */
	int flights_error; /* -errno: why not, or not any more; 0: it was not wanted */
};

struct tape_error {
	char text[512];
};

/* 0, or -errno with a sentence. */
int tape_open(struct tape **ret, const struct tape_plan *plan, struct tape_error *error);

/* Contents of Schema and Channel records, for this file and all that follow. 0, -ENOMEM, -EEXIST
 */
int tape_add_schema(struct tape *tape, const void *content, size_t size);
int tape_add_channel(struct tape *tape, const void *content, size_t size);

/*
 * Copies the message. 1; 0: the back-log is full, or the writing has failed (tape_check); -E2BIG:
 * it can never fit; -ENOMEM; -EFAULT: the memory that it lies in is gone (see touch_install)
 */
int tape_add(struct tape *tape, const struct chunk_message *message);

/* Copies as many of these as the open chunk has room for: how many; 0: tape_add knows what is to be done. */
unsigned tape_add_many(struct tape *tape, const struct chunk_message *messages, unsigned count);

/* Takes back the last `count` of what tape_add or tape_add_many took in its last call. */
void tape_drop_last(struct tape *tape, unsigned count);

/* Can a payload at this address be written from there? */
bool tape_can_refer(const struct tape *tape, const void *payload, size_t size);

/* Is so much on its way that what is not copied should stay where it is for a while? */
bool tape_is_busy(const struct tape *tape);

/* Bytes on their way. */
uint64_t tape_backlog(const struct tape *tape);

/* Has all been looked at that lies elsewhere? Until then some of it may be found overwritten. */
bool tape_is_settled(const struct tape *tape);

/* Waits until it is less busy, or the deadline (CLOCK_MONOTONIC). */
void tape_wait(struct tape *tape, int64_t deadline_ns);

/* The message's payload stays where it is; ticket, sequence: for is_whole. 1; 0; -ENOMEM */
int tape_refer(struct tape *tape, const struct chunk_message *message, uint64_t ticket,
	       uint64_t sequence);

/* Sends off what has waited in an open chunk for long. */
void tape_tick(struct tape *tape, int64_t now_ns);

/* Has the writing failed? 0, or -errno with a sentence. */
int tape_check(struct tape *tape, struct tape_error *error);

/* Writes what came in the last time to a file of its own. */
void tape_snapshot(struct tape *tape);

/* While messages are referred to, their observers may only be used between these two. */
void tape_lock(struct tape *tape);
void tape_unlock(struct tape *tape);

void tape_count(struct tape *tape, struct tape_counts *ret);

/* Writes everything, ends the file and closes the tape. 0, or -errno with a sentence: what went
 * wrong first. */
int tape_close(struct tape *tape, struct tape_counts *ret_counts, struct tape_error *error);

#endif
