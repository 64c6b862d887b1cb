/* SPDX-License-Identifier: Apache-2.0 */
#include "message.h"

#include "frame/frame.h"
#include "world.h"

static uint64_t word(uint64_t whose, uint64_t sequence, size_t i)
{
	return (whose << 56 ^ sequence ^ (uint64_t)i << 40) * 0x9e3779b97f4a7c15u;
}

void message_write(void *data, size_t size, uint64_t whose, uint64_t sequence)
{
	uint64_t *words = data;

	words[0] = whose;
	for (size_t i = 1; i < size / sizeof(*words); i++)
		words[i] = word(whose, sequence, i);
}

uint64_t message_read(const struct floe_sample *sample)
{
	const uint64_t *words = sample->data;
	uint64_t whose = words[0];

	expect(sample->size == MESSAGE_INLINE || sample->size == MESSAGE_CHUNK ||
	       sample->size == MESSAGE_LARGE);
	for (size_t i = 1; i < sample->size / sizeof(*words); i++)
		expect(words[i] == word(whose, sample->sequence, i));
	return whose;
}

static uint64_t header_word(uint64_t sequence)
{
	return word('H', sequence, 0);
}

void message_write_header(struct floe_publisher *pub, const struct floe_loan *loan,
			  uint64_t sequence)
{
	uint64_t *header = stage && stage->headed ? floe_loan_header(pub, loan) : NULL;

	if (header)
		*header = header_word(sequence);
}

void message_read_header(struct floe_subscriber *sub, const struct floe_sample *sample)
{
	const uint64_t *header;
	size_t size;

	if (!stage || !stage->headed)
		return;
	header = floe_sample_header(sub, sample, &size);
	expect(header);
	expect_equal(size, MESSAGE_HEADER);
	expect(*header == header_word(sample->sequence));
}

void account_add(struct account *account, const struct floe_sample *sample)
{
	uint64_t whose = message_read(sample);

	if (sample->sequence != account->last + 1 + sample->lost &&
	    sample->sequence == 1 + sample->lost) {
		expect_equal(account->received + account->lost, account->last);
		*account = (struct account){.before = account->before + account->last};
	}
	if (whose == MESSAGE_VICTIM && stage)
		expect_equal(sample->time_ns != 0, stage->stamped);
	expect_equal(sample->sequence, account->last + 1 + sample->lost);
	expect(account->whose == 0 || account->whose == whose);
	account->whose = whose;
	account->last = sample->sequence;
	account->received++;
	account->lost += sample->lost;
}

int message_publish(struct floe_publisher *pub, size_t size, uint64_t whose)
{
	struct floe_loan loan;
	int r = floe_loan(pub, size, &loan);

	if (r < 1)
		return r;
	message_write(loan.data, size, whose, message_published(pub) + 1);
	message_write_header(pub, &loan, message_published(pub) + 1);
	r = floe_publish(pub, &loan);
	if (r < 1)
		floe_discard(pub, &loan);
	return r;
}

int message_publish_parts(struct floe_publisher *pub, uint64_t whose)
{
	struct floe_loan loan[WORLD_PARTS] = {0};
	uint64_t next = message_published(pub) + 1;
	int r = 1;

	for (int i = 0; i < WORLD_PARTS && r == 1; i++) {
		size_t size = i % 2 ? MESSAGE_INLINE : MESSAGE_CHUNK;

		r = floe_loan(pub, size, &loan[i]);
		if (r == 1)
			message_write(loan[i].data, size, whose, next + (uint64_t)i);
	}
	if (r == 1)
		r = floe_publish_parts(pub, loan, WORLD_PARTS);
	for (int i = 0; i < WORLD_PARTS; i++)
		floe_discard(pub, &loan[i]);
	return r;
}

uint64_t message_published(struct floe_publisher *pub)
{
	struct floe_publisher_counts counts;

	expect_equal(floe_publisher_count(pub, &counts, sizeof(counts)), 0);
	return counts.published;
}
