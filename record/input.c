/* SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "mcap_layout.h"

int input_open(struct input *ret_input, int fd, struct fault *fault)
{
	struct input *input = ret_input;
	struct stat status;

	*input = (struct input){.fd = fd, .fault = fault};
	if (fstat(fd, &status) < 0) {
		int r = fault_set(fault, -errno, 0, "%s", strerror(errno));

		input_close(input);
		return r;
	}
	if (!S_ISREG(status.st_mode)) {
		input_close(input);
		return fault_set(fault, -EINVAL, 0, "this is not a file");
	}
	input->size = (uint64_t)status.st_size;
	input->window = malloc(INPUT_WINDOW_SIZE);
	if (!input->window) {
		input_close(input);
		return fault_set(fault, -ENOMEM, 0, "out of memory");
	}
	return 0;
}

void input_close(struct input *input)
{
	if (input->fd >= 0)
		(void)close(input->fd);
	free(input->window);
	*input = INPUT_NULL;
}

static int read_all(struct input *input, uint64_t offset, unsigned char *to, size_t size)
{
	while (size) {
		ssize_t r = pread(input->fd, to, size, (off_t)offset);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return fault_set(input->fault, -errno, offset, "%s", strerror(errno));
		if (r == 0)
			return fault_set(input->fault, -EPROTO, offset, "the file ends here");
		to += r;
		offset += (uint64_t)r;
		size -= (size_t)r;
	}
	return 0;
}

static bool is_in_window(const struct input *input, uint64_t offset, size_t size)
{
	return offset >= input->window_offset &&
	       offset - input->window_offset <= input->window_size &&
	       size <= input->window_size - (offset - input->window_offset);
}

int input_read(struct input *input, uint64_t offset, void *to, size_t size)
{
	if (offset > input->size || size > input->size - offset)
		return fault_set(input->fault, -EPROTO, offset,
				 "the file ends at %llu, %zu bytes were expected here",
				 (unsigned long long)input->size, size);
	if (size > INPUT_WINDOW_SIZE / 4)
		return read_all(input, offset, to, size);
	if (!is_in_window(input, offset, size)) {
		uint64_t left = input->size - offset;
		size_t part = left < INPUT_WINDOW_SIZE ? (size_t)left : INPUT_WINDOW_SIZE;
		int r;

		input->window_size = 0;
		r = read_all(input, offset, input->window, part);
		if (r < 0)
			return r;
		input->window_offset = offset;
		input->window_size = part;
	}
	if (size)
		memcpy(to, input->window + (offset - input->window_offset), size);
	return 0;
}

int input_find(struct input *input, uint64_t offset, uint64_t end, struct record *ret)
{
	unsigned char head[MCAP_RECORD_SIZE];
	struct cursor at = cursor_make(head, sizeof(head));
	int r;

	if (offset == end)
		return 0;
	if (offset > end || end - offset < sizeof(head))
		return fault_set(input->fault, -EPROTO, offset, "a record is cut short");
	r = input_read(input, offset, head, sizeof(head));
	if (r < 0)
		return r;
	ret->offset = offset;
	ret->opcode = get_u8(&at);
	ret->size = get_u64(&at);
	ret->content = offset + sizeof(head);
	if (ret->opcode == 0)
		return fault_set(input->fault, -EPROTO, offset, "there is no record here");
	if (ret->size > end - ret->content)
		return fault_set(input->fault, -EPROTO, offset,
				 "a record (0x%02x) of %llu bytes reaches beyond the end, %llu",
				 ret->opcode, (unsigned long long)ret->size,
				 (unsigned long long)end);
	ret->end = ret->content + ret->size;
	return 1;
}

int input_load(struct input *input, const struct record *record, uint64_t size_max,
	       unsigned char **ret)
{
	unsigned char *content;
	int r;

	if (record->size > size_max)
		return fault_set(input->fault, -E2BIG, record->offset,
				 "a record (0x%02x) of %llu bytes is more than the %llu allowed",
				 record->opcode, (unsigned long long)record->size,
				 (unsigned long long)size_max);
	content = malloc((size_t)record->size + 1);
	if (!content)
		return fault_set(input->fault, -ENOMEM, record->offset, "out of memory");
	r = input_read(input, record->content, content, (size_t)record->size);
	if (r < 0) {
		free(content);
		return r;
	}
	content[record->size] = '\0';
	*ret = content;
	return 0;
}

int input_check_magic(struct input *input)
{
	unsigned char magic[MCAP_MAGIC_SIZE];
	int r;

	if (input->size < sizeof(magic))
		return fault_set(input->fault, -EPROTO, 0, "this is not an MCAP file");
	r = input_read(input, 0, magic, sizeof(magic));
	if (r < 0)
		return r;
	if (memcmp(magic, MCAP_MAGIC, sizeof(magic)) != 0)
		return fault_set(input->fault, -EPROTO, 0, "this is not an MCAP file");
	return 0;
}
