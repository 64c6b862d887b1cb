/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHEDULE_SCENES_H
#define SCHEDULE_SCENES_H

/*
 * Scenes: small worlds of publishers and subscribers that send, take, sleep, come, go, die, are
 * succeeded and cleaned away.
 *
 * What must hold in all of them, at every point or in the end:
 *   - nobody is lent a chunk that a living one holds, and what he holds stays what it was
 *   - every sample is whole, and of the sequence that it says; they come in order
 *   - what one got and what he was told to have lost is what was sent since he began
 *   - who is reliable loses nothing; nobody loses what is sent while he does not lag
 *   - of a message in parts all are taken, or none; no part but behind the one before it
 *   - a successor goes on with the next sequence, and so does his
 *   - after that, with a cleaned place for each dead one: chunks are free, in the ring, lent or
 *     retired, each once; as many messages as there are chunks, and more, find a chunk at once; the
 *     living hold what they were given and nothing else
 *   - nobody sleeps while there is something for him to do
 *   - what was relayed is whole while it is held, also when who relayed it died and was cleaned away
 *   - who drops the newest gets what was sent and nothing else, and all of it while his lane has room,
 *     whoever dies
 *   - a mark is that of its message, and each request of a client is answered once, with its mark
 *   - a value of a board is whole, never older than the one before, and there after a death; a
 *     notification is told once
 */

#include "schedule.h"

extern const struct scene scenes[];
extern const unsigned scene_count;

/* In pattern_scenes.c: boards and events. */
void scene_begin_board(void);
void scene_begin_board_of_the_dead(void);
void scene_end_board(void);
void scene_begin_event(void);
void scene_begin_event_of_the_dead(void);
void scene_end_event(void);

/* In pipeline_scenes.c: what goes on to another topic, and services. */
void scene_begin_relay(void);
void scene_begin_relay_of_the_dead(void);
void scene_end_relay(void);
void scene_begin_marks(void);
void scene_end_marks(void);
void scene_begin_service(void);
void scene_end_service(void);

/* How a word of a topic's is called; without text: it is none of those. */
struct world;
struct word_name scene_name_word(const struct world *of, const void *address);

/* NULL: there is none of this name. */
const struct scene *scene_find(const char *name);

#endif
