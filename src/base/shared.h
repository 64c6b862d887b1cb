/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SHARED_H
#define BASE_SHARED_H

/*
 * Every access to a word that another process can see goes through these. One place, so that the
 * same source can be compiled for a test that takes each of them for a point where others may act,
 * or where whoever does it may die: such a build defines FLOE_SHARED_POINT. One that also decides
 * what a load finds and when a store is seen defines FLOE_SHARED_LOAD and its neighbours:
 * tests/schedule/access.h.
 *
 * Orders are named at the call because they come in pairs, and each pair is commented at both
 * ends: load_relaxed / load_acquire / store_release / ...
 */

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

typedef _Atomic uint64_t shared_u64;
typedef _Atomic uint32_t shared_u32;

#ifndef FLOE_SHARED_POINT
#define FLOE_SHARED_POINT() ((void)0)
#endif

#ifndef FLOE_SHARED_LOAD
#define FLOE_SHARED_LOAD(word, order) atomic_load_explicit((word), memory_order_##order)
#define FLOE_SHARED_STORE(word, value, order) \
	atomic_store_explicit((word), (value), memory_order_##order)
#define FLOE_SHARED_ADD(word, value, order) \
	atomic_fetch_add_explicit((word), (value), memory_order_##order)
#define FLOE_SHARED_FENCE(order) atomic_thread_fence(memory_order_##order)
#endif

#define load_relaxed(word) (FLOE_SHARED_POINT(), FLOE_SHARED_LOAD(word, relaxed))
#define load_acquire(word) (FLOE_SHARED_POINT(), FLOE_SHARED_LOAD(word, acquire))
#define load_seq_cst(word) (FLOE_SHARED_POINT(), FLOE_SHARED_LOAD(word, seq_cst))
#define store_relaxed(word, value) (FLOE_SHARED_POINT(), FLOE_SHARED_STORE(word, value, relaxed))
#define store_release(word, value) (FLOE_SHARED_POINT(), FLOE_SHARED_STORE(word, value, release))
#define store_seq_cst(word, value) (FLOE_SHARED_POINT(), FLOE_SHARED_STORE(word, value, seq_cst))
#define add_seq_cst(word, value) (FLOE_SHARED_POINT(), FLOE_SHARED_ADD(word, value, seq_cst))
#define fence_acquire() (FLOE_SHARED_POINT(), FLOE_SHARED_FENCE(acquire))
#define fence_release() (FLOE_SHARED_POINT(), FLOE_SHARED_FENCE(release))
#define fence_seq_cst() (FLOE_SHARED_POINT(), FLOE_SHARED_FENCE(seq_cst))

/* Builds that watch each access. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHARED_WORD_BY_WORD
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(FLOE_SCHEDULED)
#define SHARED_WORD_BY_WORD
#endif

/* A word that only its owner adds to, for counters: no locked instruction. Others read it whole,
 * for a store of an aligned word is one. */
floe_inline void bump(shared_u64 *word, uint64_t value)
{
#if defined(__x86_64__) && !defined(SHARED_WORD_BY_WORD)
	__asm__("addq %1, %0" : "+m"(*word) : "er"(value) : "cc");
#else
	store_relaxed(word, load_relaxed(word) + value);
#endif
}

/*
 * A peer's plain bytes are copied once and only the copy is looked at: without the barrier the
 * compiler may read the shared bytes a second time.
 */
floe_inline void copy_once(void *to, const void *from, size_t size)
{
	memcpy(to, from, size);
	__asm__ volatile("" ::: "memory");
}

/*
 * Words that are written while they may be read; a sequence beside them tells whether the copy is
 * whole. They need no order among themselves, so where nobody watches each access they are read
 * as one block.
 */
/* Always word by word: the caller has just written some of them, and a wider load than his store
 * would have to wait until that has left the store buffer. */
floe_inline void words_store(shared_u64 *to, const uint64_t *from, unsigned count)
{
#pragma GCC unroll 8
	for (unsigned i = 0; i < count; i++)
		store_relaxed(&to[i], from[i]);
}

floe_inline void words_load(uint64_t *to, const shared_u64 *from, unsigned count)
{
#ifdef SHARED_WORD_BY_WORD
	for (unsigned i = 0; i < count; i++)
		to[i] = load_relaxed(&from[i]);
#else
	__asm__ volatile("" ::: "memory");
	memcpy(to, (const void *)from, count * sizeof(*to));
	__asm__ volatile("" ::: "memory");
#endif
}

/* Between two looks at a word that somebody else is about to change. */
floe_inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#else
	__asm__ volatile("" ::: "memory");
#endif
}

/* The 32 bits of a 64-bit word that count up first: what futex(2) can wait on. */
floe_inline const uint32_t *futex_half(const shared_u64 *word)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (const uint32_t *)(const void *)word;
#else
	return (const uint32_t *)(const void *)word + 1;
#endif
}

#endif
