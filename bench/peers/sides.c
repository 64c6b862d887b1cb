/* SPDX-License-Identifier: Apache-2.0 */
#include "sides.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "../session.h"

static void *open_second(void *argument)
{
	struct sides *second = malloc(sizeof(*second));

	if (!second)
		fail("out of memory");
	*second = *(struct sides *)argument;
	peer_enter("second");
	receivers_open(&second->receivers, &second->task->channel);
	pin(second->task->cores[1]);
	return second;
}

static void close_second(void *argument)
{
	struct sides *second = argument;

	receivers_close(&second->receivers);
	peer_leave();
	free(second);
}

void sides_open(struct sides *sides, const struct task *task, size_t shared_size,
		void (*serve)(void *second))
{
	*sides = (struct sides){
		.task = task,
		.shared = pair_memory(shared_size),
		.shared_size = shared_size,
		.role = {open_second, serve, close_second, peer_in_threads},
	};
	pair_open(&sides->pair, &sides->role, sides, -1);
	peer_enter("first");
	senders_open(&sides->senders, &task->channel);
	pin(task->cores[0]);
}

void sides_meet(struct sides *sides)
{
	pair_start(&sides->pair);
	senders_meet(&sides->senders);
}

void sides_wait(struct sides *sides)
{
	pair_wait(&sides->pair);
}

void sides_close(struct sides *sides)
{
	pair_close(&sides->pair);
	senders_close(&sides->senders);
	peer_leave();
	munmap(sides->shared, sides->shared_size);
}
