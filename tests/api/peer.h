/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

/*
 * A peer is another process of a test. Both ends talk in 64-bit words over a wire, so that each
 * step of one happens before the next step of the other. A peer that fails an expectation ends,
 * and then the other end's next step fails too.
 *
 * Start peers before opening handles when they are to die: a fork would share the descriptors
 * that tell who lives.
 */

#include <stdint.h>
#include <sys/types.h>

struct peer {
	pid_t pid;
	int wire;
};

/* `life` runs in a new process; when it returns the peer exits with 0. It dies with its parent. */
struct peer peer_start(void (*life)(int wire, void *argument), void *argument);

/* Waits for the end of its life; a failure there is a failure here. */
void peer_end(struct peer *peer);

/* SIGKILL, and it is gone when this returns. */
void peer_kill(struct peer *peer);

void tell(int wire, uint64_t word);
uint64_t hear(int wire);

/* tell and hear: "do this" and "done". */
uint64_t ask(int wire, uint64_t word);

#endif
