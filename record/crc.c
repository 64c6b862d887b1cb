/* SPDX-License-Identifier: Apache-2.0 */
#include "crc.h"

#include <libdeflate.h>

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdbool.h>

/* libdeflate's of Debian 12 multiplies one pair of words at a time. Folding has to begin and to end, which
 * pays from here on. */
#define FOLD_SIZE_MIN 512u

/* Bytes that are folded at once: four registers of 32. */
#define STRIDE 128u

/* x^(8 * STRIDE + 32) and x^(8 * STRIDE - 32) modulo the CRC's polynomial, bits reversed, shifted by
 * one; for the first and the second eight bytes of sixteen. As in "Fast CRC Computation for Generic Polynomials
 * Using PCLMULQDQ Instruction" (Intel, 2009), which has them for other strides. */
#define FOLD_FIRST 0x1e88ef372
#define FOLD_SECOND 0x14a7fe880

static bool can_fold(void)
{
	return __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx2");
}

#define WIDE __attribute__((target("avx2,vpclmulqdq")))

WIDE static inline __m256i load(const unsigned char *from)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

/* What stands for the bytes before goes a stride on, and takes these in. */
WIDE static inline __m256i fold(__m256i before, const unsigned char *from)
{
	const __m256i by = _mm256_set_epi64x(FOLD_SECOND, FOLD_FIRST, FOLD_SECOND, FOLD_FIRST);
	__m256i first = _mm256_clmulepi64_epi128(before, by, 0x00);
	__m256i second = _mm256_clmulepi64_epi128(before, by, 0x11);

	return _mm256_xor_si256(_mm256_xor_si256(first, second), load(from));
}

/* `size`: a multiple of STRIDE, not 0. What remains has the CRC of all, if that is begun with no bits set. */
WIDE static uint32_t fold_all(uint32_t crc, const unsigned char *from, size_t size)
{
	const __m256i begin = _mm256_set_epi32(0, 0, 0, 0, 0, 0, 0, (int)~crc);
	__m256i a = _mm256_xor_si256(load(from), begin);
	__m256i b = load(from + 32);
	__m256i c = load(from + 64);
	__m256i d = load(from + 96);
	__m256i rest[4];

	for (size_t at = STRIDE; at < size; at += STRIDE) {
		a = fold(a, from + at);
		b = fold(b, from + at + 32);
		c = fold(c, from + at + 64);
		d = fold(d, from + at + 96);
	}
	_mm256_storeu_si256(&rest[0], a);
	_mm256_storeu_si256(&rest[1], b);
	_mm256_storeu_si256(&rest[2], c);
	_mm256_storeu_si256(&rest[3], d);
	return libdeflate_crc32(UINT32_MAX, rest, sizeof(rest));
}

uint32_t crc_add(uint32_t crc, const void *bytes, size_t size)
{
	size_t part = size - size % STRIDE;

	if (size < FOLD_SIZE_MIN || !can_fold())
		return libdeflate_crc32(crc, bytes, size);
	crc = fold_all(crc, bytes, part);
	return libdeflate_crc32(crc, (const unsigned char *)bytes + part, size - part);
}

#else

uint32_t crc_add(uint32_t crc, const void *bytes, size_t size)
{
	return libdeflate_crc32(crc, bytes, size);
}

#endif
