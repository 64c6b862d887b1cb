/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The CRC is that of the bytes, one bit at a time, whatever their number, their address and the parts in
 * which they come; that of a chunk too, whatever was added and taken back.
 */

#include <stdlib.h>
#include <string.h>

#include "record/crc.h"
#include "tape_steps.h"

#define SIZE 5000u

static unsigned char *bytes;

static uint32_t add_bit_by_bit(uint32_t crc, const unsigned char *from, size_t size)
{
	crc = ~crc;
	for (size_t i = 0; i < size; i++) {
		crc ^= from[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static void make_bytes(size_t size)
{
	uint64_t number = 88172645463325252u;

	bytes = malloc(size);
	expect(bytes != NULL);
	for (size_t i = 0; i < size; i++) {
		number ^= number << 13;
		number ^= number >> 7;
		number ^= number << 17;
		bytes[i] = (unsigned char)number;
	}
}

static void every_size_at_every_address(void)
{
	make_bytes(SIZE);
	expect_equal(crc_add(0, "123456789", 9), 0xcbf43926u);
	for (size_t size = 0; size < 1500; size++) {
		size_t from = size % 67;

		uint32_t expected = add_bit_by_bit((uint32_t)size * 77, bytes + from, size);

		for (unsigned bits = 128; bits <= 512; bits *= 2)
			expect_equal(crc_add_by(bits, (uint32_t)size * 77, bytes + from, size),
				     expected);
		expect_equal(crc_add((uint32_t)size * 77, bytes + from, size), expected);
	}
}

static void parts_go_on_from_each_other(void)
{
	uint32_t whole;

	make_bytes(SIZE);
	whole = add_bit_by_bit(0, bytes, SIZE);
	for (size_t cut = 0; cut <= SIZE; cut += 13) {
		uint32_t crc = crc_add(0, bytes, cut);

		expect_equal(crc_add(crc, bytes + cut, SIZE - cut), whole);
	}
}

static void add(struct chunk *chunk, size_t size, uint32_t number)
{
	const struct chunk_message message = {.channel = 1,
					      .sequence = number,
					      .log_time = number,
					      .payload = bytes + number % 99,
					      .size = size};

	expect_equal(chunk_add(chunk, &message), 0);
}

static void a_chunks_is_that_of_what_it_has(void)
{
	struct chunk *chunk = chunk_open(1 << 20);

	make_bytes(SIZE);
	expect(chunk != NULL);
	chunk->has_crc = true;
	for (uint32_t i = 0; i < 400; i++) {
		size_t size = i * 37 % 2500;

		add(chunk, size, i);
		/* Another one that is taken back, behind which there is enough to be counted now and then. */
		add(chunk, SIZE - 100, i + 7);
		chunk_drop_last(chunk, 1);
		expect_equal(chunk_crc(chunk), add_bit_by_bit(0, chunk->bytes, chunk->size));
		if (i % 50 == 49)
			chunk_reset(chunk);
	}
	chunk_close(chunk);
}

/* Of those that are added together there is only as much counted as cannot be taken back. */
static void a_chunk_that_takes_many_at_once_can_give_some_of_them_back(void)
{
	struct chunk *chunk = chunk_open(1 << 18);
	struct chunk_message messages[40];
	uint32_t count = 0;

	make_bytes(SIZE);
	expect(chunk != NULL);
	chunk->has_crc = true;
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t back = i * 7 % 41;
		int r;

		for (uint32_t k = 0; k < 40; k++)
			messages[k] = (struct chunk_message){.channel = 1,
							     .sequence = count + k,
							     .log_time = count + k,
							     .payload = bytes + k,
							     .size = 100 + (i + k) * 37 % 300};
		r = chunk_add_many(chunk, messages, 40);
		expect(r == 40 || (r >= 0 && !chunk_has_room(chunk, messages[r].size)));
		expect_equal(chunk->count, count + (uint32_t)r);
		if (back > (uint32_t)r)
			back = (uint32_t)r;
		if (back)
			chunk_drop_last(chunk, back);
		count += (uint32_t)r - back;
		expect_equal(chunk->count, count);
		expect_equal(chunk_crc(chunk), add_bit_by_bit(0, chunk->bytes, chunk->size));
		if (r < 40) {
			chunk_reset(chunk);
			count = 0;
		}
	}
	chunk_close(chunk);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(every_size_at_every_address),
		TEST(parts_go_on_from_each_other),
		TEST(a_chunks_is_that_of_what_it_has),
		TEST(a_chunk_that_takes_many_at_once_can_give_some_of_them_back),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
