/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_SEAT_FILE_H
#define REGISTRY_SEAT_FILE_H

/*
 * Seat file: a notifier's or a board writer's memory under its name in the topic's folder,
 * `event.<k>`, `board.<k>`. Made complete and then named, as a ring is; it outlives its owner while
 * somebody has the topic open, and is taken over by the next one who wants the same.
 */

#include "channel/seat_layout.h"
#include "memory/region.h"
#include "registry/node.h"
#include "registry/topic.h"

#define SEAT_EVENT "event."
#define SEAT_BOARD "board."

/* Of one kind, in one topic. */
#define SEATS_MAX 64

struct seat_kind {
	const char *prefix;
	const char *noun; /* "notifier" */
	const char *one;  /* "a notifier" */
	uint64_t magic;
	uint32_t signature;
	size_t size_min;
};
extern __attribute__((visibility("hidden"))) const struct seat_kind seat_event, seat_board;

/* What somebody wants to sit on. */
struct seat_plan {
	const struct seat_kind *kind;
	size_t size;
	mode_t mode;
	/* There may be one for each purpose: until seat_file_settle its lock tells others that somebody
	 * is still about to find out whether he is the only one. */
	bool contested;
	/* Lays out what is behind the head, in memory that is zero. */
	void (*format)(const void *user, struct seat_shared *seat);
	/* Can this one be gone on with? Its head was checked and `size` bytes are there; all else is
	 * input. */
	bool (*is_wanted)(const void *user, const struct seat_shared *seat);
	const void *user;
};

struct seat_file {
	struct region region; /* mapped writable */
	uint32_t index;
	uint64_t file;
	bool adopted;
	int coming; /* holds the lock while it is contested; -1 */
};

#define SEAT_FILE_NULL ((struct seat_file){.region = REGION_NULL, .coming = -1})

/* Takes one over, or makes one; the topic is locked. -EMFILE: SEATS_MAX alive, or of others; -EEXIST
 * contested, and somebody else is just taking it over. */
int seat_file_open(struct seat_file *ret_file, const struct seat_plan *plan,
		   const struct node *node, const struct topic *topic, struct floe_error *error);

/* It is ours, and nobody else's. */
void seat_file_settle(struct seat_file *file);

/* Is somebody about to settle there, or to take it over? */
bool seat_is_coming(const struct seat_kind *kind, int dir, uint32_t index);

/* Gives it up; the file stays for who reads it until the topic goes. SEAT_FILE_NULL is fine. */
void seat_file_close(struct seat_file *file, struct hints_shared *hints);

/* The same for one that nobody shall read: its name goes, too. */
void seat_file_discard(struct seat_file *file, const struct seat_kind *kind,
		       const struct topic *topic);

/* Takes the name of one away whose owner is gone. */
void seat_file_remove(const struct seat_kind *kind, const struct node *node, int dir,
		      uint32_t index);

/* Maps the one of this index for reading and checks its head: all its bytes have memory. -ENOENT;
 * -EPROTO with a sentence */
int seat_attach(struct region *ret_region, const struct seat_kind *kind, int dir, uint32_t index,
		uint64_t topic_id, uint64_t *ret_file, struct floe_error *error);

/* The node of whoever has it, for its omen. It is what is done without that cannot be had. */
const shared_u32 *seat_attach_life(struct region *ret_life, const struct domain *domain,
				   uint64_t owner);

/* Tells who listens and reads that somebody came or went. */
void seat_tell(struct hints_shared *hints);

#endif
