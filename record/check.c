/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <stdio.h>

#include "summary.h"
#include "walk.h"

static bool tell(void *user, const struct fault *fault)
{
	struct check *check = user;

	check->faults++;
	check->tell(check->user, fault);
	return true;
}

static void complain(struct check *check, uint64_t offset, const char *text)
{
	struct fault fault;

	(void)fault_set(&fault, 0, offset, "%s", text);
	(void)tell(check, &fault);
}

/* What the summary says of a chunk, and what the chunk says. */
static const char *compare_chunk(const struct catalog_chunk *said, const struct catalog_chunk *is)
{
	if (said->offset != is->offset || said->size != is->size)
		return "the index has another chunk here";
	if (said->start != is->start || said->end != is->end)
		return "the index has other times of this chunk";
	if (said->expanded != is->expanded || said->compressed != is->compressed ||
	    said->compression != is->compression)
		return "the index has other sizes of this chunk";
	if (said->index_size != is->index_size)
		return "the index has another size of this chunk's message indexes";
	return NULL;
}

static void compare_chunks(struct check *check, const struct catalog *said,
			   const struct catalog *is)
{
	size_t k = 0;

	for (size_t i = 0; i < is->chunks_count; i++) {
		const struct catalog_chunk *chunk = &is->chunks[i];
		const char *wrong;

		if (chunk->is_loose)
			continue;
		if (k == said->chunks_count) {
			complain(check, chunk->offset, "the index does not have this chunk");
			continue;
		}
		wrong = compare_chunk(&said->chunks[k++], chunk);
		if (wrong)
			complain(check, chunk->offset, wrong);
	}
	if (k < said->chunks_count)
		complain(check, said->chunks[k].offset,
			 "the index has a chunk that is not here, or not whole");
}

static void compare_counts(struct check *check, const struct summary *summary,
			   const struct catalog *said, const struct catalog *is)
{
	uint64_t first;
	uint64_t last;

	catalog_span(is, &first, &last);
	if (!summary->has_statistics)
		return;
	if (summary->messages != is->messages_count)
		complain(check, summary->start, "the statistics have another number of messages");
	if (summary->first != first || summary->last != last)
		complain(check, summary->start, "the statistics have other times");
	for (size_t i = 0; i < is->channels_count; i++) {
		const struct catalog_channel *channel = catalog_find_channel(said,
									     is->channels[i].id);

		if (!channel)
			complain(check, summary->start, "a channel is not in the summary");
		else if (channel->count != is->channels[i].count)
			complain(check, summary->start,
				 "the statistics have another number of messages of a channel");
	}
}

int check_end(struct check *check, struct input *input, const struct catalog *is)
{
	struct catalog said;
	struct summary summary;
	int r = catalog_init(&said, is->memory_max);

	if (r < 0)
		return r;
	r = summary_load(&summary, &said, input);
	if (r < 0)
		(void)tell(check, input->fault);
	if (r >= 0 && said.chunks_count)
		compare_chunks(check, &said, is);
	if (r >= 0 && summary.start)
		compare_counts(check, &summary, &said, is);
	catalog_end(&said);
	return 0;
}

static int check_input(struct check *check, struct input *input, struct catalog *catalog,
		       uint64_t memory_max)
{
	struct walk walk = {
		.input = input,
		.codec = codec_open(),
		.catalog = catalog,
		.memory_max = memory_max,
		.tell = tell,
		.user = check,
	};
	int r = walk.codec ? walk_run(&walk) : -ENOMEM;

	codec_close(walk.codec);
	check->messages = catalog->messages_count;
	check->chunks = catalog->chunks_count;
	if (r < 0) {
		(void)tell(check, input->fault);
		return r == -EPROTO ? 0 : r;
	}
	return check_end(check, input, catalog);
}

int check_run(struct check *check, int fd, uint64_t memory_max)
{
	struct fault fault = {0};
	struct input input;
	struct catalog catalog;
	int r = input_open(&input, fd, &fault);

	if (r < 0) {
		(void)tell(check, &fault);
		return r;
	}
	r = catalog_init(&catalog, memory_max);
	if (r == 0) {
		r = check_input(check, &input, &catalog, memory_max);
		catalog_end(&catalog);
	}
	input_close(&input);
	return r;
}
