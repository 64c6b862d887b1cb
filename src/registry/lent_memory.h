/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_LENT_MEMORY_H
#define REGISTRY_LENT_MEMORY_H

/*
 * Lent memory: segments that lie in blocks of the application, and how others find them.
 *
 * In the same process a subscriber reads the block where it is. Another process can map it only
 * if it is a shared mapping (memfd, tmpfs, shared anonymous): through the owner's
 * /proc/<pid>/map_files, for which the kernel wants CAP_CHECKPOINT_RESTORE or root (Linux 5.9).
 *
 * The table is the process's; all calls may come from any thread.
 */

#include "memory/region.h"
#include "registry/record_layout.h"

#define LENT_MEMORY_MAX 256

/* Writes the record of a block into a fresh file. */
int lent_memory_record(int fd, uint64_t owner, const void *memory, size_t size,
		       struct floe_error *error);

/* `file`: which record file it is. -EMFILE: LENT_MEMORY_MAX blocks are in use. */
int lent_memory_add(uint64_t file, void *memory, size_t size);

/* Waits for those who hold it: after this the block is its owner's. */
void lent_memory_remove(uint64_t file);

/* Whoever looks into a block that he has not published himself holds it meanwhile, for the length of a
 * call at most. false: it is no block of this process any more */
bool lent_memory_hold(uint64_t file);
void lent_memory_release(uint64_t file);

/*
 * Finds the segment that a record speaks of: *ret_memory and *ret_size; *ret_mapping is what must
 * be closed afterwards. REGION_NULL: it is of the same process, and held. -EPROTO a damaged record;
 * -EACCES, -EOPNOTSUPP with a sentence: nobody else can map it.
 */
int lent_memory_attach(uint64_t file, const struct record_shared *seen, const char *path,
		       struct region *ret_mapping, unsigned char **ret_memory, size_t *ret_size,
		       struct floe_error *error);

#endif
