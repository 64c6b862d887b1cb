/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_STILL_H
#define CRASH_STILL_H

/*
 * Still: all that a folder shows at one moment: names, modes, sizes, memory and bytes of its files,
 * and what the victim has said of itself. Two deaths that leave the same still cannot be told apart
 * by anybody who lives: a lock has ended with its process, and so has what has no name and nobody
 * else has.
 *
 * Not compared are numbers of processes, threads and files, and moments, which differ from run to
 * run: of a file it counts which one it is, of a moment that it is one. Nor are files without a name,
 * which others may still have mapped: what the victim wrote into one of them last does not show here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct still {
	unsigned char *bytes;
	size_t size;
	size_t room;
};

/* Can moments be told from other words? Not while the clock is young: then two stills may be equal that are
 * not. */
bool still_can_tell_moments(void);

/* Of $FLOE_DIR and of the stage. `ret` may be one that was taken before: its memory is used again. */
void still_take(struct still *ret);
bool still_is_equal(const struct still *a, const struct still *b);
void still_free(struct still *still);

/* The same folder with all that it takes to have it again, the files themselves and not copies of
 * them: who has mapped one finds in it what was there. One at a time. */
void still_keep(void);
/* After still_take. False: not to the page; another one must be made. */
bool still_restore(void);
void still_let_go(void);

/* For os->stat, os->stat_at and os->identify of all who are in the folder: a file that is kept has one name
 * more than it should, and numbers of files can be told from other words. */
int still_stat(int fd, struct stat *ret);
int still_stat_at(int dirfd, const char *path, struct stat *ret);
int still_identify(int dirfd, const char *path, uint64_t *ret_number, uint64_t *ret_made_ns);

#endif
