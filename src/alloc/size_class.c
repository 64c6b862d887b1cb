/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/size_class.h"

#define ROW(bytes, pages, cached) \
	{ \
		bytes, (uint32_t)((0x100000000 + bytes - 1) / bytes), pages, cached \
	}

/* Spans: at most 256 objects and, where that is more, as many pages as leave less than 4 % of them
 * unused. Caches: 512 objects up to 64 bytes, then 256, then 64 KiB of them, of the largest 8. */
const struct size_class size_class[CLASS_COUNT] = {
	{0},
	ROW(16, 1, 512),
	ROW(32, 2, 512),
	ROW(48, 3, 512),
	ROW(64, 4, 512),
	ROW(80, 4, 256),
	ROW(96, 4, 256),
	ROW(112, 4, 256),
	ROW(128, 4, 256),
	ROW(160, 4, 256),
	ROW(192, 4, 256),
	ROW(224, 4, 256),
	ROW(256, 4, 256),
	ROW(320, 4, 204),
	ROW(384, 4, 170),
	ROW(448, 4, 146),
	ROW(512, 4, 128),
	ROW(640, 4, 102),
	ROW(768, 4, 84),
	ROW(896, 4, 72),
	ROW(1024, 4, 64),
	ROW(1280, 5, 50),
	ROW(1536, 5, 42),
	ROW(1792, 4, 36),
	ROW(2048, 4, 32),
	ROW(2560, 5, 24),
	ROW(3072, 6, 20),
	ROW(3584, 7, 18),
	ROW(4096, 8, 16),
	ROW(5120, 10, 12),
	ROW(6144, 12, 10),
	ROW(7168, 14, 8),
	ROW(8192, 16, 8),
	ROW(10240, 18, 8),
	ROW(12288, 18, 8),
	ROW(14336, 18, 8),
	ROW(16384, 16, 8),
	ROW(20480, 20, 8),
	ROW(24576, 18, 8),
	ROW(28672, 21, 8),
	ROW(32768, 16, 8),
};

const uint8_t class_table[CLASS_TABLE_MAX / 16 + 1] = {
	1,  1,  2,  3,  4,  5,  6,  7,  8,  9,  9,  10, 10, 11, 11, 12, 12, 13, 13, 13, 13, 14,
	14, 14, 14, 15, 15, 15, 15, 16, 16, 16, 16, 17, 17, 17, 17, 17, 17, 17, 17, 18, 18, 18,
	18, 18, 18, 18, 18, 19, 19, 19, 19, 19, 19, 19, 19, 20, 20, 20, 20, 20, 20, 20, 20,
};

unsigned class_of_aligned(size_t size, size_t alignment)
{
	unsigned class;

	if (size > CLASS_SIZE_MAX || alignment > CLASS_SIZE_MAX)
		return 0;
	for (class = class_of(size); class < CLASS_COUNT; class ++)
		if (size_class[class].size % alignment == 0)
			return class;
	return 0;
}
