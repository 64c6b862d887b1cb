/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_PINGPONG_H
#define BENCH_PINGPONG_H

/*
 * One way = half of there and back, between two processes that both poll. The same loop runs over
 * floe's topics and over bare shared memory, so that the two differ in the messaging only.
 */

#include "case.h"

/* One word in one cache line, each way: what the hardware asks for a hop. The official floor. */
extern const struct bench_kind pingpong_line;

/* 48 bytes and the word, in one cache line. */
extern const struct bench_kind pingpong_line48;

/* One buffer of the payload's size and a word beside it, each way: the floor for payloads that
 * are written and read whole. */
extern const struct bench_kind pingpong_buffer;

/* A topic each way. */
extern const struct bench_kind pingpong_floe;

/* A request there, and its response back. */
extern const struct bench_kind pingpong_service;

/* The same, and who waits gives the processor a pause between two looks. */
extern const struct bench_kind pingpong_paused_line;
extern const struct bench_kind pingpong_paused_line48;
extern const struct bench_kind pingpong_paused_floe;

#endif
