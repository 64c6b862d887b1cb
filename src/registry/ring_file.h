/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_RING_FILE_H
#define REGISTRY_RING_FILE_H

/*
 * Ring file: a publisher's segment under its name in the topic's folder, `pub.<k>`.
 *
 * It is made complete and then named. It outlives its publisher while somebody may still read
 * it; a publisher that comes later with the same plan adopts it and goes on with the sequence.
 *
 * A segment in a caller's block is named by a small record instead, which says whose memory it is.
 */

#include "channel/segment.h"
#include "memory/region.h"
#include "registry/members.h"
#include "registry/node.h"
#include "registry/topic.h"

struct ring_file {
	struct region region; /* the segment, mapped writable */
	struct segment_plan plan;
	int fd; /* of an elastic segment, whose memory comes and goes; else -1 */
	uint32_t index;
	uint64_t file; /* which file has the name */
	bool adopted;
	bool outside; /* in the caller's block */
};

#define RING_FILE_NULL ((struct ring_file){.region = REGION_NULL, .fd = -1})

struct ring_file_options {
	struct segment_plan plan;
	mode_t mode;
	void *memory; /* the caller's block, or NULL */
	size_t memory_size;
	bool fresh; /* adopt nothing */
};

/* Adopts or makes. The topic is locked; its members have been read: their places tell which
 * index is clean. -EMFILE: no index is free. */
int ring_file_open(struct ring_file *ret_file, const struct ring_file_options *options,
		   struct node *node, const struct topic *topic, const struct members *members,
		   struct floe_error *error);

/* Puts memory behind `chunk_count` chunks of the last pool. -ESTALE: the topic's folder is gone, or another
 * topic's by now, or our name in it is. */
int ring_file_grow(struct ring_file *file, const struct topic *topic, uint32_t chunk_count);

/* Puts memory behind a range of an elastic segment, and takes it away: then it reads as zeros, and
 * nobody gets a signal for it, for the file is as long as before. */
int ring_file_reserve(struct ring_file *file, uint64_t offset, size_t size);
int ring_file_punch(struct ring_file *file, uint64_t offset, size_t size);

/* Takes the name from the ring of one who is dead or has closed it, whoever has not read it. */
void ring_file_remove(const struct node *node, const struct topic *topic, uint32_t index);

/* Unmaps it. `keep`: somebody may still read it, so it stays as closed. */
void ring_file_close(struct ring_file *file, const struct topic *topic, bool keep);

#endif
