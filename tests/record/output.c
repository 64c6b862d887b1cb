/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An output writes what it was given, in order, whatever goes through its stage and whatever is
 * written from where it lies. The model is a plain block of memory.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tape_steps.h"

#define LARGE ((size_t)300 << 10)
#define BATCH (1u << 20)

/* What should be in the file. */
static unsigned char *model;
static size_t model_size;
static unsigned char *source; /* aligned */

/* In the model, behind their heads. */
static struct {
	size_t begin;
	size_t size;
} fillers[100];
static size_t fillers_count;

static void add_to_model(const void *bytes, size_t size)
{
	model = realloc(model, model_size + size + 1);
	expect(model != NULL);
	memcpy(model + model_size, bytes, size);
	model_size += size;
}

static void put(struct output *output, size_t size)
{
	size_t from = model_size % 8;

	expect_equal(output_put(output, source + from, size), 0);
	add_to_model(source + from, size);
}

/* Fillers are records that all skip, and what is in them does not matter: it is not compared. */
static void fill(struct output *output, size_t ahead)
{
	static unsigned char filler[2 * OUTPUT_ALIGN_MAX];
	uint64_t before = output->position;
	size_t size;

	expect_equal(output_fill(output, ahead), 0);
	size = (size_t)(output->position - before);
	expect(size <= sizeof(filler));
	expect_equal((output->position + ahead) % output->align, 0);
	if (size) {
		(void)put_record(filler, MCAP_VOID, size - MCAP_RECORD_SIZE);
		expect(fillers_count < sizeof(fillers) / sizeof(fillers[0]));
		fillers[fillers_count].begin = model_size + MCAP_RECORD_SIZE;
		fillers[fillers_count++].size = size - MCAP_RECORD_SIZE;
		add_to_model(filler, size);
	}
}

static void refer(struct output *output, size_t offset, size_t size)
{
	bool gone = false;

	fill(output, 0);
	expect(output_can_refer(output, source + offset));
	expect_equal(output_refer(output, source + offset, size, &gone), 0);
	expect(!gone);
	add_to_model(source + offset, size);
}

/* What is in fillers is as in the model. */
static void clear_fillers(unsigned char *is)
{
	for (size_t i = 0; i < fillers_count; i++)
		memset(is + fillers[i].begin, 0, fillers[i].size);
}

static void expect_file(int fd)
{
	unsigned char *is = malloc(model_size + 1);

	expect(is != NULL);
	expect_equal(size_of(fd), model_size);
	expect_equal(pread(fd, is, model_size, 0), model_size);
	clear_fillers(is);
	expect(!memcmp(is, model, model_size));
	free(is);
}

static void begin(struct output *output, int fd, enum output_mode mode)
{
	uint64_t seed = 7;

	source = aligned_alloc(OUTPUT_ALIGN_MAX, 2 * OUTPUT_STAGE_SIZE);
	expect(source != NULL);
	for (size_t i = 0; i < 2 * OUTPUT_STAGE_SIZE / 8; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		memcpy(source + 8 * i, &seed, 8);
	}
	model_size = 0;
	fillers_count = 0;
	expect_equal(output_open(output, fd, mode), 0);
	/* So that there are more than may be under way. */
	if (output_flies(output))
		output->batch_size = BATCH;
}

static void end(struct output *output, int other)
{
	expect_equal(output_finish(output), 0);
	output_close(output);
	expect_file(other);
	close(other);
	free(source);
	free(model);
	model = NULL;
}

static void put_all_sizes(int fd, enum output_mode mode)
{
	static const size_t edges[] = {1, 511, 512, 513, OUTPUT_ALIGN_MAX, OUTPUT_STAGE_SIZE};
	struct output output;
	int other = dup(fd);

	begin(&output, fd, mode);
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		for (size_t size = edges[i] - 1; size <= edges[i] + 1; size++) {
			put(&output, size);
			if (size % 3 == 0)
				expect_equal(output_flush(&output), 0);
		}
	}
	end(&output, other);
}

static void the_stage_takes_pieces_of_all_sizes(void)
{
	put_all_sizes(open_tmpfs_file(), OUTPUT_AUTO);
	put_all_sizes(open_disk_file(), OUTPUT_BUFFERED);
	put_all_sizes(open_disk_file(), OUTPUT_SINGLE);
	put_all_sizes(open_disk_file(), OUTPUT_AUTO);
}

/* More than one batch, with heads in between, and sizes that are no multiples of anything. */
static void mix(int fd, enum output_mode mode)
{
	struct output output;
	int other = dup(fd);

	begin(&output, fd, mode);
	for (size_t i = 0; i < 80; i++) {
		put(&output, 31 + i);
		refer(&output, i % 4 * OUTPUT_ALIGN_MAX, i % 8 ? LARGE + i % 3 : OUTPUT_LARGE);
		if (i % 32 == 31)
			expect_equal(output_flush(&output), 0);
	}
	end(&output, other);
}

static void what_is_not_copied_comes_between(void)
{
	mix(open_tmpfs_file(), OUTPUT_AUTO);
	mix(open_disk_file(), OUTPUT_BUFFERED);
	mix(open_disk_file(), OUTPUT_SINGLE);
	mix(open_disk_file(), OUTPUT_AUTO);
}

/* In the stage, in what was flushed, and across a block's end. */
static void change(int fd, enum output_mode mode)
{
	static const unsigned char bytes[9] = "patched!";
	struct output output;
	int other = dup(fd);

	begin(&output, fd, mode);
	put(&output, 3 * OUTPUT_ALIGN_MAX + 5);
	expect_equal(output_flush(&output), 0);
	put(&output, 100);
	for (size_t at = 0; at + sizeof(bytes) < model_size; at += OUTPUT_ALIGN_MAX / 2 - 3) {
		if (at < output.written && at + sizeof(bytes) > output.written)
			continue;
		expect_equal(output_patch(&output, at, bytes, sizeof(bytes)), 0);
		memcpy(model + at, bytes, sizeof(bytes));
	}
	end(&output, other);
}

static void what_was_put_can_be_changed(void)
{
	change(open_tmpfs_file(), OUTPUT_AUTO);
	change(open_disk_file(), OUTPUT_BUFFERED);
	change(open_disk_file(), OUTPUT_SINGLE);
	change(open_disk_file(), OUTPUT_AUTO);
}

static void cut(int fd, enum output_mode mode)
{
	struct output output;
	int other = dup(fd);

	begin(&output, fd, mode);
	put(&output, 2 * OUTPUT_STAGE_SIZE);
	expect_equal(output_cut(&output, OUTPUT_STAGE_SIZE / 2 + 77), 0);
	model_size = OUTPUT_STAGE_SIZE / 2 + 77;
	put(&output, 1000);
	end(&output, other);
}

static void what_was_written_can_be_taken_back(void)
{
	cut(open_tmpfs_file(), OUTPUT_AUTO);
	cut(open_disk_file(), OUTPUT_BUFFERED);
	cut(open_disk_file(), OUTPUT_SINGLE);
	cut(open_disk_file(), OUTPUT_AUTO);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(the_stage_takes_pieces_of_all_sizes),
		TEST(what_is_not_copied_comes_between),
		TEST(what_was_put_can_be_changed),
		TEST(what_was_written_can_be_taken_back),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
