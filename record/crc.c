/* SPDX-License-Identifier: Apache-2.0 */
#include "crc.h"

#include <libdeflate.h>

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

/* libdeflate's of Debian 12 multiplies one pair of words at a time. Folding has to begin and to end, which
 * pays from here on. */
#define FOLD_SIZE_MIN 512u

/* Bytes that are folded at once. */
#define STRIDE 128u

/* x^(8 * STRIDE + 32) and x^(8 * STRIDE - 32) modulo the CRC's polynomial, bits reversed, shifted by
 * one; for the first and the second eight bytes of sixteen. As in "Fast CRC Computation for Generic Polynomials
 * Using PCLMULQDQ Instruction" (Intel, 2009), which has them for other strides. */
#define FOLD_FIRST 0x1e88ef372
#define FOLD_SECOND 0x14a7fe880

#define WIDE __attribute__((target("avx2,vpclmulqdq")))
#define WIDEST __attribute__((target("avx512f,vpclmulqdq")))

WIDE static inline __m256i load(const unsigned char *from)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

WIDE static inline void store(unsigned char *to, __m256i what)
{
	_mm256_storeu_si256((__m256i *)(void *)to, what);
}

/* What stands for the bytes before goes a stride on, and takes these in. */
WIDE static inline __m256i fold_wide(__m256i before, const unsigned char *from)
{
	const __m256i by = _mm256_set_epi64x(FOLD_SECOND, FOLD_FIRST, FOLD_SECOND, FOLD_FIRST);
	__m256i first = _mm256_clmulepi64_epi128(before, by, 0x00);
	__m256i second = _mm256_clmulepi64_epi128(before, by, 0x11);

	return _mm256_xor_si256(_mm256_xor_si256(first, second), load(from));
}

WIDE static void fold_by_4(unsigned char *folded, const unsigned char *from, size_t size)
{
	__m256i a = load(folded);
	__m256i b = load(folded + 32);
	__m256i c = load(folded + 64);
	__m256i d = load(folded + 96);

	for (size_t at = 0; at < size; at += STRIDE) {
		a = fold_wide(a, from + at);
		b = fold_wide(b, from + at + 32);
		c = fold_wide(c, from + at + 64);
		d = fold_wide(d, from + at + 96);
	}
	store(folded, a);
	store(folded + 32, b);
	store(folded + 64, c);
	store(folded + 96, d);
}

WIDEST static inline __m512i fold_widest(__m512i before, const unsigned char *from)
{
	const __m512i by = _mm512_set4_epi64(FOLD_SECOND, FOLD_FIRST, FOLD_SECOND, FOLD_FIRST);
	__m512i first = _mm512_clmulepi64_epi128(before, by, 0x00);
	__m512i second = _mm512_clmulepi64_epi128(before, by, 0x11);

	return _mm512_ternarylogic_epi64(first, second, _mm512_loadu_si512(from), 0x96);
}

WIDEST static void fold_by_2(unsigned char *folded, const unsigned char *from, size_t size)
{
	__m512i a = _mm512_loadu_si512(folded);
	__m512i b = _mm512_loadu_si512(folded + 64);

	for (size_t at = 0; at < size; at += STRIDE) {
		a = fold_widest(a, from + at);
		b = fold_widest(b, from + at + 64);
	}
	_mm512_storeu_si512(folded, a);
	_mm512_storeu_si512(folded + 64, b);
}

/* folded[STRIDE] stands for the bytes before, and then for these as well; `size`: a multiple of STRIDE. */
typedef void folder(unsigned char *folded, const unsigned char *from, size_t size);

/* NULL: libdeflate is better, or alone. */
static folder *find_folder(unsigned bits_max)
{
	if (bits_max < 256 || !__builtin_cpu_supports("vpclmulqdq") ||
	    !__builtin_cpu_supports("avx2"))
		return NULL;
	return bits_max >= 512 && __builtin_cpu_supports("avx512f") ? fold_by_2 : fold_by_4;
}

uint32_t crc_add_by(unsigned bits_max, uint32_t crc, const void *bytes, size_t size)
{
	folder *fold = size < FOLD_SIZE_MIN ? NULL : find_folder(bits_max);
	const unsigned char *from = bytes;
	size_t part = size - size % STRIDE;
	unsigned char folded[STRIDE];
	uint32_t first;

	if (!fold)
		return libdeflate_crc32(crc, bytes, size);
	memcpy(folded, from, STRIDE);
	memcpy(&first, folded, sizeof(first));
	first ^= ~crc;
	memcpy(folded, &first, sizeof(first));
	fold(folded, from + STRIDE, part - STRIDE);
	/* It has the CRC of all that was folded, if that is begun with no bits set. */
	crc = libdeflate_crc32(UINT32_MAX, folded, sizeof(folded));
	return libdeflate_crc32(crc, from + part, size - part);
}

#else

uint32_t crc_add_by(unsigned bits_max, uint32_t crc, const void *bytes, size_t size)
{
	(void)bits_max;
	return libdeflate_crc32(crc, bytes, size);
}

#endif

uint32_t crc_add(uint32_t crc, const void *bytes, size_t size)
{
	return crc_add_by(512, crc, bytes, size);
}
