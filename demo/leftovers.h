/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_LEFTOVERS_H
#define DEMO_LEFTOVERS_H

/*
 * What lies in a domain's folder when everybody has left: nothing should.
 */

struct leftovers {
	unsigned files;
	char first[256]; /* path of one of them, or "" */
};

/* Counts the files under `folder` and leaves them there, for somebody to look at. Folders without
 * files are removed. A folder that does not exist is empty. Not for two threads at once. */
void leftovers_find(struct leftovers *ret, const char *folder);

#endif
