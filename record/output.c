/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bytes.h"
#include "mcap_layout.h"
#include "touch.h"

#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000u /* Linux 6.1 */
#endif

/* The file grows by so much at a time, so that a disk that is nearly full can be used up. Not by more: to
 * cut off 0.9 GB at the end took 1.3 s (ext4 with discard). Nor by less: then ext4 laid the pieces at
 * odd blocks of the disk, and what begins at a multiple of 64 KiB in the file did not there. */
#define ALLOCATE_STEP (128u << 20)

/* Of the same zeros: 4 MiB are written together. */
#define ZERO_PIECES 64u

/* struct statx of Linux 6.1, of which glibc 2.36 does not know the end. */
struct status {
	unsigned char before[0x98];
	uint32_t memory_align;
	uint32_t offset_align;
	unsigned char after[0x60];
};
static_assert(sizeof(struct status) == 256, "as the kernel has it");

/*
 * 0: the file system does not say, or cannot. It may allow less than its blocks, but a block that is
 * written in parts has to be read first.
 */
static uint32_t find_align(int fd)
{
	struct status status = {0};
	struct stat blocks;
	uint32_t align;

	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) < 0 ||
	    fstat(fd, &blocks) < 0)
		return 0;
	align = status.memory_align > status.offset_align ? status.memory_align
							  : status.offset_align;
	if (align && align < blocks.st_blksize && blocks.st_blksize <= OUTPUT_ALIGN_MAX)
		align = (uint32_t)blocks.st_blksize;
	/* The stage and the fillers are made for this. */
	return align <= OUTPUT_ALIGN_MAX && (align & (align - 1)) == 0 ? align : 0;
}

/* False: the file system does not take the flag. */
static bool set_direct(int fd, bool is_direct)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 &&
	       fcntl(fd, F_SETFL, is_direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

static int add_stage(struct output_batch *batch)
{
	batch->stage = aligned_alloc(OUTPUT_STAGE_SIZE, OUTPUT_STAGE_SIZE);
	if (!batch->stage)
		return -ENOMEM;
	(void)madvise(batch->stage, OUTPUT_STAGE_SIZE, MADV_HUGEPAGE);
	memset(batch->stage, 0, OUTPUT_STAGE_SIZE);
	return 0;
}

/* Where that fails, one batch at a time will do. */
static void take_off(struct output *output)
{
	output->flights_error = flights_open(&output->flights, output->fd);
	while (output->flights_error == 0 && output->batches_count < OUTPUT_BATCHES_MAX) {
		output->flights_error = add_stage(&output->batches[output->batches_count]);
		output->batches_count += output->flights_error == 0;
	}
	if (output_flies(output))
		output->batch_size = OUTPUT_BATCH_SMALL;
}

int output_open(struct output *ret_output, int fd, enum output_mode mode)
{
	struct output *output = ret_output;
	uint32_t align = mode == OUTPUT_BUFFERED ? 0 : find_align(fd);

	*output = OUTPUT_NULL;
	output->fd = fd;
	output->align = 1;
	output->batch_size = OUTPUT_BATCH_SIZE;
	if (add_stage(&output->batches[0]) < 0) {
		output_close(output);
		return -ENOMEM;
	}
	output->batches_count = 1;
	if (align > 1 && set_direct(fd, true)) {
		output->is_direct = true;
		output->does_allocate = true;
		output->align = align;
	}
	if (output->is_direct && mode == OUTPUT_AUTO)
		take_off(output);
	return 0;
}

/*
 * Batches
 */

static struct output_batch *filling(struct output *output)
{
	return &output->batches[output->turn];
}

/* A failure is no reason to stop: then writing itself makes the file longer, or says why not. */
static void allocate(struct output *output, uint64_t end)
{
	uint64_t to = (end / ALLOCATE_STEP + 1) * ALLOCATE_STEP;

	if (!output->does_allocate || end <= output->allocated)
		return;
	if (fallocate(output->fd, 0, (off_t)output->allocated, (off_t)(to - output->allocated)) ==
	    0)
		output->allocated = to;
	else
		output->does_allocate = false;
}

/* Goes on behind the first `size` bytes, which are written. */
static void advance_pieces(struct iovec **piece, int *count, size_t size)
{
	while (*count && size >= (*piece)->iov_len) {
		size -= (*piece)->iov_len;
		(*piece)++;
		(*count)--;
	}
	if (*count && size) {
		(*piece)->iov_base = (char *)(*piece)->iov_base + size;
		(*piece)->iov_len -= size;
	}
}

/* Bytes, or -errno */
static ssize_t write_some(int fd, const struct iovec *pieces, int count, uint64_t offset)
{
	ssize_t r;

	do
		r = pwritev(fd, pieces, count, (off_t)offset);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r ? r : -EIO;
}

static int add_gap(struct output *output, uint64_t begin, uint64_t end)
{
	struct output_gap *larger;

	if (output->gaps_count && output->gaps[output->gaps_count - 1].end == begin) {
		output->gaps[output->gaps_count - 1].end = end;
		return 0;
	}
	larger = realloc(output->gaps, (output->gaps_count + 1) * sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	output->gaps = larger;
	larger[output->gaps_count++] = (struct output_gap){begin, end};
	return 0;
}

/* As write_some, for the first bytes of a piece whose memory is gone; one call for what pieces commonly are. */
static ssize_t write_zeros(struct output *output, size_t size, uint64_t offset)
{
	static _Alignas(OUTPUT_ALIGN_MAX) unsigned char zeros[OUTPUT_BATCH_ALIGN];
	struct iovec pieces[ZERO_PIECES];
	int count = 0;
	ssize_t written;
	int r;

	for (; size && count < (int)ZERO_PIECES; size -= pieces[count++].iov_len)
		pieces[count] = (struct iovec){zeros, size < sizeof(zeros) ? size : sizeof(zeros)};
	written = write_some(output->fd, pieces, count, offset);
	r = written > 0 ? add_gap(output, offset, offset + (uint64_t)written) : 0;
	return r < 0 ? r : written;
}

/* Who shared the memory of a piece may have left, or made its file shorter: that is no failure of the disk. */
static int write_pieces(struct output *output, struct iovec *piece, int count, uint64_t *offset)
{
	while (count) {
		ssize_t r = write_some(output->fd, piece, count, *offset);

		/* Is it the first one? */
		if (r == -EFAULT)
			r = write_some(output->fd, piece, 1, *offset);
		if (r == -EFAULT)
			r = write_zeros(output, piece->iov_len, *offset);
		if (r < 0)
			return (int)r;
		*offset += (uint64_t)r;
		advance_pieces(&piece, &count, (size_t)r);
	}
	return 0;
}

/* What was filled of the stage becomes a piece, as far as it is a multiple of align. */
static void close_stage(struct output *output)
{
	struct output_batch *batch = filling(output);
	size_t size = output->stage_end - output->stage_start;

	size -= size % output->align;
	if (size == 0)
		return;
	batch->pieces[batch->pieces_count++] = (struct iovec){
		.iov_base = batch->stage + output->stage_start,
		.iov_len = size,
	};
	output->stage_start += size;
}

/* What the kernel did not write, for whatever reason, is written here: that works, or says why not. */
static int finish_flight(struct output *output, struct output_flight *flight, int64_t result)
{
	struct iovec *piece = flight->batch ? flight->batch->pieces : &flight->change;
	int count = flight->batch ? flight->batch->pieces_count : 1;
	size_t size = result > 0 ? (size_t)result : 0;

	flight->offset += size;
	advance_pieces(&piece, &count, size);
	return write_pieces(output, piece, count, &flight->offset);
}

/* Whatever comes of it. */
static void drop_flights(struct output *output)
{
	while (output_flights(output)) {
		const struct output_flight *flight =
			&output->flying[output->flights.landed % FLIGHTS_MAX];

		(void)flights_land(&output->flights);
		if (flight->batch)
			flight->batch->pieces_count = 0;
	}
}

int output_land(struct output *output)
{
	struct output_flight *flight = &output->flying[output->flights.landed % FLIGHTS_MAX];
	int64_t result = flights_land(&output->flights);
	int r = finish_flight(output, flight, result);

	if (flight->batch) {
		output->written = flight->offset;
		flight->batch->pieces_count = 0;
	} else if (r == 0) {
		output->changed++;
	}
	if (r < 0)
		drop_flights(output);
	return r;
}

/* One more may begin. */
static int make_way(struct output *output)
{
	int r = 0;

	while (r == 0 && output_flights(output) && !flights_can_begin(&output->flights))
		r = output_land(output);
	return r;
}

static int land_each(struct output *output)
{
	int r = 0;

	while (r == 0 && output_flights(output))
		r = output_land(output);
	return r;
}

/* 1; 0: it has to be written in some other way, and nothing else is under way; <0 */
static int begin_flight(struct output *output, struct output_flight flight,
			const struct iovec *pieces, int count)
{
	int r = make_way(output);

	if (r < 0)
		return r;
	if (flights_can_begin(&output->flights)) {
		output->flying[output->flights.begun % FLIGHTS_MAX] = flight;
		r = flights_begin(&output->flights, pieces, count, flight.offset);
		if (r == 0)
			return 1;
		output->flights_error = r;
	}
	return land_each(output);
}

/* The next one to be filled; what is left in the stage moves there. */
static int turn_over(struct output *output)
{
	const struct output_batch *before = filling(output);
	size_t rest = output->stage_end - output->stage_start;
	int r = 0;

	output->turn = (output->turn + 1) % output->batches_count;
	while (r == 0 && filling(output)->pieces_count)
		r = output_land(output);
	memmove(filling(output)->stage, before->stage + output->stage_start, rest);
	output->stage_start = 0;
	output->stage_end = rest;
	return r;
}

static int write_batch(struct output *output, struct output_batch *batch)
{
	int r = write_pieces(output, batch->pieces, batch->pieces_count, &output->written);

	batch->pieces_count = 0;
	return r;
}

int output_send(struct output *output)
{
	struct output_batch *batch = filling(output);
	struct output_flight flight = {.batch = batch, .offset = output->sent};
	int r;

	close_stage(output);
	if (batch->pieces_count == 0)
		return 0;
	allocate(output, output->position);
	r = begin_flight(output, flight, batch->pieces, batch->pieces_count);
	if (r == 0)
		r = write_batch(output, batch);
	output->waiting = 0;
	output->sent = output->position - (output->stage_end - output->stage_start);
	if (output->allocated && output->sent > output->allocated)
		output->allocated = output->sent;
	return r < 0 ? r : turn_over(output);
}

int output_flush(struct output *output)
{
	int r = output_send(output);

	return r < 0 ? r : land_each(output);
}

void output_close(struct output *output)
{
	if (output->fd < 0)
		return;
	(void)land_each(output);
	flights_close(&output->flights);
	if (output->allocated > output->written)
		(void)!ftruncate(output->fd, (off_t)output->written);
	(void)close(output->fd);
	for (unsigned i = 0; i < OUTPUT_BATCHES_MAX; i++)
		free(output->batches[i].stage);
	free(output->gaps);
	*output = OUTPUT_NULL;
}

/*
 * Adding
 */

/* Before a piece is added: room for it, and for what is still open. */
static bool is_full(const struct output *output)
{
	return output->batches[output->turn].pieces_count + 3 > OUTPUT_PIECES_MAX ||
	       output->waiting >= output->batch_size;
}

/* Room for so much in the stage, or for as much as it has; written when there is none. */
static int find_room(struct output *output, size_t size, size_t *ret_part)
{
	int r = output->stage_end == OUTPUT_STAGE_SIZE ? output_send(output) : 0;
	size_t room = OUTPUT_STAGE_SIZE - output->stage_end;

	*ret_part = size < room ? size : room;
	return r;
}

static void advance(struct output *output, size_t size)
{
	output->stage_end += size;
	output->position += size;
	output->waiting += size;
}

/* gone: NULL: they are our own. */
static void copy(unsigned char *to, const unsigned char *from, size_t size, bool *gone)
{
	if (!gone) {
		memcpy(to, from, size);
	} else if (touch_copy(to, from, size) < 0) {
		memset(to, 0, size);
		*gone = true;
	}
}

static int put(struct output *output, const void *bytes, size_t size, bool *gone)
{
	const unsigned char *from = bytes;

	while (size) {
		size_t part;
		int r = find_room(output, size, &part);

		if (r < 0)
			return r;
		copy(filling(output)->stage + output->stage_end, from, part, gone);
		advance(output, part);
		from += part;
		size -= part;
	}
	return 0;
}

int output_put(struct output *output, const void *bytes, size_t size)
{
	return put(output, bytes, size, NULL);
}

int output_put_foreign(struct output *output, const void *bytes, size_t size, bool *gone)
{
	return put(output, bytes, size, gone);
}

/* Whatever is in the stage: nobody reads it, and to clear it would take as long as all the rest. */
static int skip(struct output *output, size_t size)
{
	while (size) {
		size_t part;
		int r = find_room(output, size, &part);

		if (r < 0)
			return r;
		advance(output, part);
		size -= part;
	}
	return 0;
}

static int fill_up(struct output *output, size_t ahead, uint32_t align)
{
	uint64_t over = (output->position + ahead) % align;
	unsigned char head[MCAP_RECORD_SIZE];
	size_t fill = over ? align - over : 0;
	int r;

	if (fill == 0)
		return 0;
	if (fill < MCAP_RECORD_SIZE)
		fill += align;
	fill -= MCAP_RECORD_SIZE;
	(void)put_record(head, MCAP_VOID, fill);
	r = output_put(output, head, sizeof(head));
	return r < 0 ? r : skip(output, fill);
}

int output_fill(struct output *output, size_t ahead)
{
	return fill_up(output, ahead, output->align);
}

int output_fill_up(struct output *output, uint32_t align, uint32_t most)
{
	uint64_t left = align - output->position % align;

	return left >= MCAP_RECORD_SIZE && left < most ? fill_up(output, 0, align) : 0;
}

int output_fill_batch(struct output *output)
{
	return output->is_direct ? fill_up(output, 0, OUTPUT_BATCH_ALIGN) : 0;
}

bool output_can_refer(const struct output *output, const void *bytes)
{
	return output->position % output->align == 0 && (uintptr_t)bytes % output->align == 0;
}

static void add_piece(struct output *output, const unsigned char *bytes, size_t size)
{
	struct output_batch *batch = filling(output);

	if (size == 0)
		return;
	close_stage(output);
	batch->pieces[batch->pieces_count++] = (struct iovec){
		.iov_base = (void *)(uintptr_t)bytes,
		.iov_len = size,
	};
	output->position += size;
	output->waiting += size;
}

int output_refer(struct output *output, const void *bytes, size_t size, bool *gone)
{
	bool is_large = output->is_direct && size >= OUTPUT_LARGE;
	uint32_t align = is_large ? OUTPUT_BATCH_ALIGN : output->align;
	size_t begin = (size_t)(-output->position % align);
	size_t part = (size - begin) / align * align;
	const unsigned char *from = bytes;
	int r = put(output, from, begin, gone);

	if (r == 0 && is_full(output))
		r = output_send(output);
	if (r < 0)
		return r;
	add_piece(output, from + begin, part);
	return put(output, from + begin + part, size - begin - part, gone);
}

/* Who asks does so soon after they were written. */
bool output_has_gap(const struct output *output, uint64_t begin, uint64_t end)
{
	for (size_t i = output->gaps_count; i-- > 0 && output->gaps[i].end > begin;)
		if (output->gaps[i].begin < end)
			return true;
	return false;
}

/*
 * The end, and changes
 */

/* The last bytes go through the page cache. */
static int write_rest(struct output *output)
{
	struct iovec rest = {filling(output)->stage, output->stage_end};
	int r;

	if (rest.iov_len == 0)
		return 0;
	if (output->is_direct && !set_direct(output->fd, false))
		return -errno;
	r = write_pieces(output, &rest, 1, &output->written);
	output->sent = output->written;
	output->stage_end = 0;
	output->is_direct = false;
	output->does_allocate = false;
	output->align = 1;
	return r;
}

int output_finish(struct output *output)
{
	int r = output_flush(output);

	if (r == 0)
		r = write_rest(output);
	if (r == 0 && output->allocated > output->written &&
	    ftruncate(output->fd, (off_t)output->written) < 0)
		r = -errno;
	if (r == 0)
		output->allocated = 0;
	return r;
}

static int read_all(int fd, unsigned char *to, size_t size, uint64_t offset)
{
	ssize_t r;

	do
		r = pread(fd, to, size, (off_t)offset);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return (size_t)r == size ? 0 : -EIO;
}

static int write_all(int fd, const unsigned char *from, size_t size, uint64_t offset)
{
	ssize_t r;

	do
		r = pwrite(fd, from, size, (off_t)offset);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return (size_t)r == size ? 0 : -EIO;
}

int output_patch(struct output *output, uint64_t position, const void *bytes, size_t size)
{
	uint64_t begin = position - position % output->align;
	uint64_t end = position + size + output->align - 1;
	unsigned char *block;
	int r = 0;

	if (position >= output->sent) {
		memcpy(filling(output)->stage + (position - output->sent), bytes, size);
		return 0;
	}
	end -= end % output->align;
	while (r == 0 && output->written < end && output_flights(output))
		r = output_land(output);
	if (r < 0)
		return r;
	block = aligned_alloc(OUTPUT_ALIGN_MAX, 2 * (size_t)OUTPUT_ALIGN_MAX);
	if (!block)
		return -ENOMEM;
	/* Whole blocks need not be read before. */
	r = begin < position || end > position + size
		    ? read_all(output->fd, block, end - begin, begin)
		    : 0;
	if (r == 0) {
		memcpy(block + (position - begin), bytes, size);
		r = write_all(output->fd, block, end - begin, begin);
	}
	free(block);
	return r;
}

int output_send_patch(struct output *output, uint64_t position, const void *bytes, size_t size)
{
	struct output_flight flight = {
		.change = {(void *)(uintptr_t)bytes, size},
		.offset = position,
	};
	unsigned number = output->flights.begun % FLIGHTS_MAX;
	int r = begin_flight(output, flight, &output->flying[number].change, 1);

	if (r == 0)
		r = write_pieces(output, &flight.change, 1, &position);
	if (r == 0)
		output->changed++;
	return r < 0 ? r : 0;
}

/* The block that `position` is in comes back into the stage. */
int output_cut(struct output *output, uint64_t position)
{
	uint64_t begin = position - position % output->align;
	int r = 0;

	(void)land_each(output);
	if (begin > output->written)
		begin = output->written;
	if (position < output->written && position > begin)
		r = read_all(output->fd, filling(output)->stage, output->align, begin);
	if (position > output->written &&
	    (output->written < output->sent || position - output->written > output->stage_end))
		return -EINVAL;
	if (r < 0)
		return r;
	for (unsigned i = 0; i < output->batches_count; i++)
		output->batches[i].pieces_count = 0;
	output->waiting = 0;
	output->stage_start = 0;
	output->stage_end = position - begin;
	output->written = output->sent = begin;
	output->position = position;
	output->allocated = 0;
	/* A full disk gets its space back. */
	return ftruncate(output->fd, (off_t)begin) < 0 ? -errno : 0;
}
