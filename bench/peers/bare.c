/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The floors: a ring in bare shared memory, for which the hardware's price is paid and nothing else.
 * One sender and one receiver trust each other, the memory is there for ever, and nobody dies.
 *
 * A message is a word and the payload right behind it, in lines of its own. The word counts messages;
 * the receiver says how many it has done with in one line of the ring's head, which the sender looks
 * at only when the ring is full. Many receivers have a ring each, and so have many senders.
 *
 * peer-line polls. In peer-futex (BARE_FUTEX) the receiver can sleep on the word, and every message
 * wakes it with a system call.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../session.h"
#include "peer.h"

#ifndef BARE_FUTEX
#define BARE_FUTEX 0
#endif

#define LINE 64u

struct slot {
	alignas(LINE) _Atomic uint64_t number;
	char payload[];
};

struct head {
	alignas(LINE) _Atomic uint64_t done; /* messages that the receiver has done with */
	alignas(LINE) char slots[];
};

struct ring {
	struct head *head;
	size_t size, stride;
	uint64_t depth;
	uint64_t turn;
	uint64_t done; /* as seen last */
};

struct peer_sender {
	unsigned count;
	struct ring rings[PEER_ENDS_MAX];
	char *loan; /* where there are many rings */
	size_t payload;
};

struct peer_receiver {
	unsigned count, next, current;
	struct ring rings[PEER_ENDS_MAX];
};

const bool peer_in_threads = false;

void peer_enter(const char *who)
{
	(void)who;
}

void peer_leave(void)
{
}

static struct ring open_ring(const struct peer_channel *channel, unsigned sender, unsigned receiver)
{
	struct ring ring = {.depth = channel->depth};
	char path[192];
	int fd;

	ring.stride = (sizeof(uint64_t) + channel->payload + LINE - 1) / LINE * LINE;
	ring.size = sizeof(struct head) + channel->depth * ring.stride;
	snprintf(path, sizeof(path), "%s/%s.%u.%u", session_dir(), channel->name, sender, receiver);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)ring.size) < 0)
		fail("cannot make %s: %s", path, strerror(errno));
	ring.head = mmap(NULL, ring.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (ring.head == MAP_FAILED)
		fail("cannot map %s: %s", path, strerror(errno));
	close(fd);
	return ring;
}

struct peer_sender *peer_sender_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_sender *sender = calloc(1, sizeof(*sender));

	if (!sender)
		fail("out of memory");
	sender->payload = channel->payload;
	sender->count = channel->receivers;
	for (unsigned i = 0; i < sender->count; i++)
		sender->rings[i] = open_ring(channel, index, i);
	if (sender->count > 1 && !(sender->loan = malloc(channel->payload)))
		fail("out of memory");
	return sender;
}

struct peer_receiver *peer_receiver_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_receiver *receiver = calloc(1, sizeof(*receiver));

	if (!receiver)
		fail("out of memory");
	receiver->count = channel->senders;
	for (unsigned i = 0; i < receiver->count; i++)
		receiver->rings[i] = open_ring(channel, i, index);
	return receiver;
}

void peer_sender_meet(struct peer_sender *sender)
{
	(void)sender;
}

void peer_receiver_meet(struct peer_receiver *receiver)
{
	(void)receiver;
}

static struct slot *slot_of(const struct ring *ring)
{
	return (struct slot *)(void *)(ring->head->slots + ring->turn % ring->depth * ring->stride);
}

static bool is_full(struct ring *ring)
{
	if (ring->turn - ring->done < ring->depth)
		return false;
	ring->done = atomic_load_explicit(&ring->head->done, memory_order_acquire);
	return ring->turn - ring->done == ring->depth;
}

void *peer_loan(struct peer_sender *sender)
{
	for (unsigned i = 0; i < sender->count; i++)
		if (is_full(&sender->rings[i]))
			return NULL;
	return sender->loan ? sender->loan : slot_of(&sender->rings[0])->payload;
}

static void send_slot(struct ring *ring)
{
	struct slot *slot = slot_of(ring);

	atomic_store_explicit(&slot->number, ++ring->turn, memory_order_release);
	if (BARE_FUTEX)
		syscall(SYS_futex, &slot->number, FUTEX_WAKE, 1, NULL, NULL, 0);
}

bool peer_send(struct peer_sender *sender)
{
	for (unsigned i = 0; i < sender->count; i++) {
		if (sender->loan)
			memcpy(slot_of(&sender->rings[i])->payload, sender->loan, sender->payload);
		send_slot(&sender->rings[i]);
	}
	return true;
}

static struct slot *look_at(struct ring *ring)
{
	struct slot *slot = slot_of(ring);

	return atomic_load_explicit(&slot->number, memory_order_acquire) == ring->turn + 1 ? slot
											   : NULL;
}

const void *peer_take(struct peer_receiver *receiver)
{
	for (unsigned i = 0; i < receiver->count; i++) {
		struct slot *slot = look_at(&receiver->rings[receiver->next]);

		receiver->current = receiver->next;
		if (++receiver->next == receiver->count)
			receiver->next = 0;
		if (slot)
			return slot->payload;
	}
	return NULL;
}

void peer_release(struct peer_receiver *receiver)
{
	struct ring *ring = &receiver->rings[receiver->current];

	atomic_store_explicit(&ring->head->done, ++ring->turn, memory_order_release);
}

/* On the half of the word that changes, as it was before the message. */
void peer_wait(struct peer_receiver *receiver)
{
	struct ring *ring = &receiver->rings[0];
	struct slot *slot = slot_of(ring);
	uint64_t seen = atomic_load_explicit(&slot->number, memory_order_acquire);

	if (BARE_FUTEX && seen != ring->turn + 1)
		syscall(SYS_futex, &slot->number, FUTEX_WAIT, (uint32_t)seen, NULL, NULL, 0);
}

void peer_sender_close(struct peer_sender *sender)
{
	for (unsigned i = 0; i < sender->count; i++)
		munmap(sender->rings[i].head, sender->rings[i].size);
	free(sender->loan);
	free(sender);
}

void peer_receiver_close(struct peer_receiver *receiver)
{
	for (unsigned i = 0; i < receiver->count; i++)
		munmap(receiver->rings[i].head, receiver->rings[i].size);
	free(receiver);
}
