/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_DOMAIN_H
#define REGISTRY_DOMAIN_H

/*
 * Domain: the folder in which participants find each other.
 *
 *	<dir>/<domain>/nodes/<id>              one file for each process
 *	<dir>/<domain>/topics/<name>/topic     identity, hints
 *	                            /pub.<k>   a publisher's segment
 *	                            /sub.<k>   a further name of the subscriber's node file
 *
 * Permissions are those of <dir>: a folder that its owner opened to a group, or made sticky for
 * everybody like /tmp, passes that on to what is made below it.
 *
 * A value of this process; it holds no descriptor.
 */

#include <floe/floe.h>
#include <sys/types.h>

#define DOMAIN_PATH_MAX 1024
#define DOMAIN_NAME_SIZE_MAX 64 /* of a domain's name alone */

struct domain {
	char path[DOMAIN_PATH_MAX]; /* <dir>/<domain> */
	mode_t dir_mode;            /* for folders below */
	mode_t file_mode;           /* for files that all participants write */
	mode_t read_mode;           /* for files that all participants read */
};

/* Finds out which folder; makes nothing. NULL: $FLOE_DIR or /dev/shm/floe-<uid>; $FLOE_DOMAIN or
 * "default". */
int domain_init(struct domain *ret_domain, const char *dir, const char *name,
		struct floe_error *error);

/* Makes the folders that are missing and learns their modes. */
int domain_create(struct domain *domain, struct floe_error *error);

/* Makes the folders again that somebody removed because they were empty. The modes stay those that
 * were learned: other threads read them just now. */
void domain_restore(const struct domain *domain);

/* Removes the folders that are empty, up to <dir>; what is in use stays. */
void domain_remove_empty(const struct domain *domain);

/* "<path>/<folder>/<name>" into DOMAIN_PATH_MAX + 300 bytes: `ret_path` */
#define DOMAIN_NAME_MAX (DOMAIN_PATH_MAX + 300)
void domain_path(const struct domain *domain, const char *folder, const char *name, char *ret_path);

#endif
