/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_CRC_H
#define RECORD_CRC_H

/*
 * The CRC-32 of MCAP (that of zlib). Where the processor multiplies two or four pairs of words at once,
 * blocks of some KiB take half or a quarter of what libdeflate takes for them, and that is a third of zlib's.
 */

#include <stddef.h>
#include <stdint.h>

/* crc: 0 to begin with, or that of the bytes before. Any size and address; any thread. */
uint32_t crc_add(uint32_t crc, const void *bytes, size_t size);

/* The same with registers of so many bits at most: 256 or 512, where the processor has them; else by libdeflate. */
uint32_t crc_add_by(unsigned bits_max, uint32_t crc, const void *bytes, size_t size);

#endif
