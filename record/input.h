/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_INPUT_H
#define RECORD_INPUT_H

/*
 * Input: a file that is read record by record, wherever one likes. It is never mapped: who
 * shortens it meanwhile makes reading fail, not the process. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"

#define INPUT_WINDOW_SIZE (256u << 10)

struct input {
	int fd;
	uint64_t size;
	unsigned char *window; /* what was read last */
	uint64_t window_offset;
	size_t window_size;
	struct fault *fault; /* where what is wrong is written to */
};

#define INPUT_NULL ((struct input){.fd = -1})

struct record {
	uint64_t offset; /* of the opcode */
	unsigned opcode;
	uint64_t size;    /* of the content */
	uint64_t content; /* where it begins */
	uint64_t end;     /* where the next record begins */
};

/* `fd` is owned from then on, also on failure. -EINVAL: no regular file; -ENOMEM; -errno */
int input_open(struct input *ret_input, int fd, struct fault *fault);
void input_close(struct input *input);

/* 0; -EPROTO: the file ends before; -errno */
int input_read(struct input *input, uint64_t offset, void *to, size_t size);

/* The record at `offset`, which must end at `end` or before. 1; 0: `end` is here; -EPROTO; -errno
 */
int input_find(struct input *input, uint64_t offset, uint64_t end, struct record *ret);

/* Its content, to be freed; `size_max`: more is -E2BIG. A NUL stands behind it. */
int input_load(struct input *input, const struct record *record, uint64_t size_max,
	       unsigned char **ret);

/* Is this a file of this format? 0; -EPROTO; -errno */
int input_check_magic(struct input *input);

#endif
