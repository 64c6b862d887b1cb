/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_MCAP_LAYOUT_H
#define RECORD_MCAP_LAYOUT_H

/*
 * MCAP: what is in a file. https://mcap.dev/spec is the law; all numbers are little-endian.
 *
 *   magic | Header | Schema, Channel ... { Chunk, MessageIndex ... } ... Metadata | DataEnd
 *         | summary: Schema, Channel, Statistics, ChunkIndex, MetadataIndex, each kind together
 *         | SummaryOffset, one for each kind | Footer | magic
 *
 *   record:   opcode (1 byte), length of the content (8), content
 *   string:   length (4), UTF-8;   map: bytes of all entries (4), entries
 *
 * Opcodes from 0x80 on are private, and other programs skip them. Two are ours: VOID fills gaps, so
 * that large payloads begin where O_DIRECT can write them, and covers what turned out not to be
 * whole.
 */

#include <stdint.h>

#define MCAP_MAGIC "\x89MCAP0\r\n"
#define MCAP_MAGIC_SIZE 8u

#define MCAP_HEADER 0x01u
#define MCAP_FOOTER 0x02u
#define MCAP_SCHEMA 0x03u
#define MCAP_CHANNEL 0x04u
#define MCAP_MESSAGE 0x05u
#define MCAP_CHUNK 0x06u
#define MCAP_MESSAGE_INDEX 0x07u
#define MCAP_CHUNK_INDEX 0x08u
#define MCAP_ATTACHMENT 0x09u
#define MCAP_ATTACHMENT_INDEX 0x0au
#define MCAP_STATISTICS 0x0bu
#define MCAP_METADATA 0x0cu
#define MCAP_METADATA_INDEX 0x0du
#define MCAP_SUMMARY_OFFSET 0x0eu
#define MCAP_DATA_END 0x0fu
#define MCAP_VOID 0x80u

/* Opcode and length in front of every content. */
#define MCAP_RECORD_SIZE 9u

/* Footer's content: start of the summary, of the summary offsets, CRC. */
#define MCAP_FOOTER_SIZE 20u
/* What a whole file ends with. */
#define MCAP_TAIL_SIZE (MCAP_RECORD_SIZE + MCAP_FOOTER_SIZE + MCAP_MAGIC_SIZE)

/* Chunk's content before the name of the compression: start, end, size, CRC; behind it the length
 * of the records. */
#define MCAP_CHUNK_FIXED 28u
#define MCAP_CHUNK_HEAD_MAX (MCAP_RECORD_SIZE + MCAP_CHUNK_FIXED + 4u + 4u + 8u)

/* Message's content before the payload: channel, sequence, log time, publish time. */
#define MCAP_MESSAGE_FIXED 22u
#define MCAP_MESSAGE_HEAD (MCAP_RECORD_SIZE + MCAP_MESSAGE_FIXED)

/* A message in an index: log time, offset. */
#define MCAP_PLACE_SIZE 16u

#endif
