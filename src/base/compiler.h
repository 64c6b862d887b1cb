/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

/*
 * Words of the compiler that all layers use, in one spelling.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define FLOE_CACHELINE 64
#define FLOE_CACHELINE_ALIGNED _Alignas(FLOE_CACHELINE)

#define floe_cleanup(end) __attribute__((cleanup(end)))
#define floe_likely(x) __builtin_expect(!!(x), 1)
#define floe_unlikely(x) __builtin_expect(!!(x), 0)
#define floe_inline static inline __attribute__((always_inline))
#define floe_cold __attribute__((cold, noinline))
/* What a straight path calls last: merged into it, it would make the path save registers. */
#define floe_noinline __attribute__((noinline))
#define floe_format(text, first) __attribute__((format(printf, text, first)))

#define FLOE_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*
 * The line will be written soon: whoever has it gives it away meanwhile, and not when a store waits for
 * it. Nothing is read or written, and any address will do. Processors without it do nothing; compilers
 * would only read unless they are told which processor it is.
 */
floe_inline void fetch_to_write(const void *address)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)address));
#else
	__builtin_prefetch(address, 1);
#endif
}

/*
 * A bug in this process, never a peer's bytes and never exhaustion. Only checked builds look: the
 * library has no right to end its user's process.
 */
#ifdef FLOE_CHECKED
#define floe_assert(condition) ((condition) ? (void)0 : __builtin_trap())
#else
#define floe_assert(condition) ((void)sizeof((condition) ? 1 : 0))
#endif

#endif
