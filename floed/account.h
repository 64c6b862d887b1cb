/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOED_ACCOUNT_H
#define FLOED_ACCOUNT_H

/*
 * Account: users and groups of this system, by their names or their numbers.
 */

#include <stdbool.h>
#include <stdint.h>

/* False: there is none of this name, or the number is none. A number need not be known. */
bool account_find_user(const char *text, uint32_t *ret_uid);
bool account_find_group(const char *text, uint32_t *ret_gid);

/* May this process give things to the group? */
bool account_is_in_group(uint32_t gid);

#endif
