/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Works of one thread: messages that somebody else counts instructions of, and the floor of copying.
 */

#include <stdio.h>
#include <stdlib.h>

#include "../series.h"
#include "ends.h"

void work_alone(const struct task *task)
{
	struct peer_receiver *receiver;
	struct peer_sender *sender;

	peer_enter("alone");
	receiver = peer_receiver_open(&task->channel, 0);
	sender = peer_sender_open(&task->channel, 0);
	peer_sender_meet(sender);
	peer_receiver_meet(receiver);
	for (uint64_t number = 1; number <= task->count; number++) {
		send_number(sender, task, number);
		if (receive_number(receiver, task) != number)
			fail("another message came than the next");
	}
	peer_sender_close(sender);
	peer_receiver_close(receiver);
	peer_leave();
}

/* Into one of several buffers, because a single one would stay in the cache. */
void work_memcpy(const struct task *task)
{
	size_t size = task->channel.payload;
	char *from = pair_memory(size), *to = pair_memory(size * task->channel.depth);
	int64_t end_ns = now_ns() + task->budget_ns;
	static struct series batches;
	unsigned copies = size < 65536 ? (unsigned)(65536 / size) : 1;
	unsigned turn = 0;

	memset(from, 1, size);
	memset(to, 1, size * task->channel.depth);
	pin(task->cores[0]);
	do {
		int64_t start_ns = now_ns();

		for (unsigned i = 0; i < copies; i++) {
			memcpy(to + turn++ % task->channel.depth * size, from, size);
			__asm__ volatile("" ::: "memory");
		}
		series_add(&batches, (double)(now_ns() - start_ns) / copies);
	} while (now_ns() < end_ns);
	printf("{\"value\": %.1f, \"unit\": \"ns\"}\n", series_median(&batches));
}
