/* SPDX-License-Identifier: Apache-2.0 */
#include "leftovers.h"

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

/* nftw passes no pointer of ours on. */
static struct leftovers *found;

/* Folders come after what is in them; one that is not empty stays. */
static int visit(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)walk;
	if (type == FTW_DP) {
		rmdir(path);
		return 0;
	}
	if (found->files++ == 0)
		snprintf(found->first, sizeof(found->first), "%s", path);
	return 0;
}

void leftovers_find(struct leftovers *ret, const char *folder)
{
	*ret = (struct leftovers){0};
	found = ret;
	nftw(folder, visit, 16, FTW_PHYS | FTW_DEPTH);
}
