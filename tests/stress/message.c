/* SPDX-License-Identifier: Apache-2.0 */
#include "stress/message.h"

#include <string.h>

#include "api/steps.h"
#include "frame/frame.h"

static uint64_t seed_of(const struct message *message)
{
	return (message->writer << 40) ^ (message->number << 1) ^ message->is_last;
}

void message_write(void *data, size_t size, const struct message *message)
{
	unsigned char *bytes = data;

	memcpy(bytes, message, sizeof(*message));
	fill(bytes + sizeof(*message), size - sizeof(*message), seed_of(message));
}

struct message message_read(const void *data, size_t size)
{
	const unsigned char *bytes = data;
	struct message message;

	expect(size >= sizeof(message));
	memcpy(&message, bytes, sizeof(message));
	expect(message.number > 0);
	expect(message.is_last <= 1);
	expect(is_filled(bytes + sizeof(message), size - sizeof(message), seed_of(&message)));
	return message;
}

size_t message_size(uint64_t *seed)
{
	uint64_t random = random_next(seed);

	return random % 2 ? MESSAGE_SIZE_MIN + random / 2 % (FLOE_INLINE_MAX - MESSAGE_SIZE_MIN + 1)
			  : FLOE_INLINE_MAX + 1 + random / 2 % (MESSAGE_SIZE_MAX - FLOE_INLINE_MAX);
}

void account_add(struct account *account, const struct floe_sample *sample)
{
	struct message message = message_read(sample->data, sample->size);

	if (account->started) {
		expect_equal(sample->sequence, account->sequence + 1 + sample->lost);
		if (message.writer == account->last.writer)
			expect_equal(message.number, account->last.number + 1 + sample->lost);
	}
	account->started = true;
	account->sequence = sample->sequence;
	account->last = message;
	account->received++;
	account->lost += sample->lost;
}
