/* SPDX-License-Identifier: Apache-2.0 */
#include "repair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "mcap_layout.h"
#include "walk.h"

struct work {
	struct repair *repair;
	struct input input;
	struct catalog catalog;
	struct fault fault;
	uint64_t *bad; /* offsets of records that are not whole */
	size_t bad_count;
	bool failed;
};

static void remember(struct work *work, const struct fault *fault)
{
	if (!*work->repair->fault.text)
		work->repair->fault = *fault;
}

/* The walk goes on behind what is damaged, as long as the records follow each other. */
static bool tell(void *user, const struct fault *fault)
{
	struct work *work = user;
	uint64_t *larger = realloc(work->bad, (work->bad_count + 1) * sizeof(*larger));

	remember(work, fault);
	if (!larger) {
		work->failed = true;
		return false;
	}
	work->bad = larger;
	work->bad[work->bad_count++] = fault->offset;
	return true;
}

static int write_all(int fd, const unsigned char *from, size_t size, uint64_t offset)
{
	while (size) {
		ssize_t r = pwrite(fd, from, size, (off_t)offset);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EIO;
		from += r;
		offset += (uint64_t)r;
		size -= (size_t)r;
	}
	return 0;
}

static int make_void(struct work *work)
{
	const unsigned char opcode = MCAP_VOID;
	int r = 0;

	for (size_t i = 0; i < work->bad_count && r == 0; i++)
		r = write_all(work->input.fd, &opcode, 1, work->bad[i]);
	return r;
}

static int write_end(struct work *work, uint64_t end)
{
	struct buffer summary = {0};
	int r;

	catalog_write(&work->catalog, end, &summary);
	r = summary.bad ? -ENOMEM : write_all(work->input.fd, summary.data, summary.size, end);
	buffer_end(&summary);
	if (r == 0 && fsync(work->input.fd) < 0)
		r = -errno;
	return r;
}

static void tell_end(void *user, const struct fault *fault)
{
	remember(user, fault);
}

static bool has_good_end(struct work *work)
{
	struct check check = {.tell = tell_end, .user = work};

	return check_end(&check, &work->input, &work->catalog) == 0 && check.faults == 0;
}

static int apply(struct work *work, uint64_t end)
{
	int r = make_void(work);

	if (r == 0 && ftruncate(work->input.fd, (off_t)end) < 0)
		r = -errno;
	return r < 0 ? r : write_end(work, end);
}

static int run(struct work *work, struct codec *codec, uint64_t memory_max, bool dry)
{
	struct repair *repair = work->repair;
	struct walk walk = {
		.input = &work->input,
		.codec = codec,
		.catalog = &work->catalog,
		.memory_max = memory_max,
		.tell = tell,
		.user = work,
	};
	int r = walk_run(&walk);

	if (r < 0)
		remember(work, &work->fault);
	if (work->failed)
		return -ENOMEM;
	if ((r < 0 && r != -EPROTO) || walk.end <= MCAP_MAGIC_SIZE)
		return r < 0 ? r : -EPROTO;
	repair->messages = work->catalog.messages_count;
	repair->chunks = work->catalog.chunks_count;
	repair->size = work->input.size;
	repair->kept = walk.end;
	repair->damaged = work->bad_count;
	repair->was_whole = r == 0 && work->bad_count == 0 && has_good_end(work);
	return dry || repair->was_whole ? 0 : apply(work, walk.end);
}

int repair_run(struct repair *ret_repair, int fd, uint64_t memory_max, bool dry)
{
	struct work work = {.repair = ret_repair};
	struct codec *codec = NULL;
	int own = dup(fd);
	int r;

	*ret_repair = (struct repair){0};
	if (own < 0)
		return -errno;
	r = input_open(&work.input, own, &work.fault);
	if (r < 0) {
		remember(&work, &work.fault);
		return r;
	}
	codec = codec_open();
	r = catalog_init(&work.catalog, memory_max);
	if (r == 0)
		r = codec ? run(&work, codec, memory_max, dry) : -ENOMEM;
	codec_close(codec);
	if (work.catalog.by_id)
		catalog_end(&work.catalog);
	input_close(&work.input);
	free(work.bad);
	return r;
}
