/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TAPE_STEPS_H
#define TESTS_TAPE_STEPS_H

/*
 * The steps that the tests of recordings take: files without a name, writers whose chunks are
 * freed, messages that can be recognised.
 */

#include <stdbool.h>

#include "frame/frame.h"
#include "record/check.h"
#include "record/reader.h"
#include "record/repair.h"
#include "record/tape.h"
#include "record/writer.h"

/* In the test's folder; on a tmpfs, which knows no O_DIRECT, or on a disk, which may. */
int open_tmpfs_file(void);
int open_disk_file(void);

/* fd is the writer's; another descriptor of the file is a dup. */
void open_writer(struct writer *ret, int fd, enum compression compression, enum output_mode mode);

/* With channel 1 of topic "a" without a type. */
struct tape *open_tape_of(const struct tape_plan *plan);

/* Channel 1 of topic "a" with a type, channel 2 of topic "b" without. */
void define_channels(struct writer *writer);

/* `count` messages of up to `size` bytes in one chunk; sequences and times go on from *at, and so
 * do the channels. What does not get into the file is counted in lost_messages. */
struct chunk *make_chunk(uint32_t count, size_t size, uint64_t *at);
extern uint64_t lost_messages;

/* The bytes of message number `at`. */
void fill_payload(unsigned char *to, size_t size, uint64_t at);
size_t payload_size(size_t size_max, uint64_t at);

/* All messages up to `count` are there, in order, as made by make_chunk. Returns how many. */
uint64_t read_back(int fd, size_t size_max);

/* Faults that the check finds; the first is kept. */
uint64_t count_faults(int fd, struct fault *ret_first);

/* A copy of the first `size` bytes. */
int copy_of(int fd, uint64_t size);
uint64_t size_of(int fd);

#endif
