/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_RECORDER_H
#define TOOLS_RECORDER_H

/*
 * Recorder: takes the messages of topics as an observer and gives them to a tape. It has no
 * subscriber's place, and nobody waits for it. A large payload is written from the publisher's
 * memory, where nobody holds it, if its ring has four times as much to go before it is overwritten as
 * must be written before it; once
 * it is written, it is asked whether it still was what it is, and else it counts as lost. All other
 * payloads are copied once.
 *
 * In a file each publisher of a topic has a channel of its own, so that sequences stay what they
 * are.
 */

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "record/tape.h"

struct recorder;

struct recorder_counts {
	uint64_t lost; /* before they were read, for want of memory, and on their way to the file */
	size_t topics;
	size_t topics_found;
	size_t channels;
};

/* frame: its view is open */
struct recorder *recorder_open(struct frame *frame);

/* The tape is to be closed before the recorder is. */
void recorder_set_tape(struct recorder *recorder, struct tape *tape);

/* A topic that is there twice is recorded once. */
void recorder_add_topic(struct recorder *recorder, const char *name, uint64_t history);

/* Topics of the domain that are not recorded yet; history: of those that are there the first time. 0 or -errno */
int recorder_add_all(struct recorder *recorder, uint64_t history);

/* Takes what is there, up to some hundred messages. How many, also of those that got lost; <0: told. Waits
 * only while the back-log is full. */
int recorder_step(struct recorder *recorder, uint64_t count_max);

/*
 * From now on what was there when this was called is taken, and little of what comes meanwhile: a recorder_step then
 * takes nothing any more, and nothing waits. Topics are looked for once more.
 */
void recorder_begin_end(struct recorder *recorder);

/* Is there something that was taken from a ring, and waits for the tape? */
bool recorder_has_waiting(const struct recorder *recorder);

/* Messages that the tape has, but for those that it gave up; more may be given up until tape_is_settled. */
uint64_t recorder_recorded(const struct recorder *recorder);

/* If all that is there waits for the tape: sleeps until that has done some of its work, for some
 * milliseconds at most, and says so. */
bool recorder_wait(struct recorder *recorder);

/* How long we may sleep when nothing is there, at most; is_punctual: log times matter more than the
 * processor's time. */
int64_t recorder_nap_max(const struct recorder *recorder, bool is_punctual);

/* Did so much come since this was asked last that a ring could overtake us while we sleep? */
bool recorder_is_hurried(struct recorder *recorder);

/* For struct tape_plan, with the recorder as user. */
bool recorder_is_whole(void *recorder, struct chunk *chunk);
void recorder_let_go(void *recorder, const struct chunk *chunk);
void recorder_lose(void *recorder, uint16_t channel, uint32_t count);
void recorder_forget(void *recorder, uint16_t channel, uint32_t count);
void recorder_list_losses(void *recorder, struct buffer *map);

void recorder_count(const struct recorder *recorder, struct recorder_counts *ret);

/* Calls `each` for every channel; messages: as recorder_recorded, but for what a snapshot's window lost. */
void recorder_each(const struct recorder *recorder,
		   void (*each)(void *user, const char *topic, uint32_t publisher,
				uint64_t messages, uint64_t lost),
		   void *user);

void recorder_close(struct recorder *recorder);

#endif
