/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_NURSERY_H
#define CRASH_NURSERY_H

/*
 * Nursery: a process that has never used the library, and bears others. Each of them begins as a
 * program does, and gets its SIGKILL from a timer of the kernel, at a random instruction; nobody has
 * to be awake for that, and nobody waits longer than it lives. While it lives its mother sleeps, and
 * so does who asked for it.
 */

#include <stdatomic.h>
#include <stdint.h>

/* What a life says about itself, in memory that all share. */
struct life {
	_Atomic uint64_t sent; /* messages that are certainly published */
	_Atomic uint32_t works;
};

extern struct life *life;

/* `live` is played by each of its children, and does not return. `work_ns`: how long one lives at most
 * once it works. */
void nursery_open(void (*live)(void), uint64_t seed, int64_t work_ns);
void nursery_close(void);

/* One is born and killed. One in two dies before it works, as far as can be told beforehand. */
void nursery_bear(void);

/* Said by a child: it has opened all it needs. One that was not born here goes on living. */
void nursery_works(void);

/* 0 <= result < below; it is the children's, too, and each of them draws other numbers. */
uint64_t nursery_draw(uint64_t below);

/* It ended by SIGKILL, and not by what it found wrong. */
void nursery_expect_killed(int status);

#endif
