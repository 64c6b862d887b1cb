/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOED_SETTING_H
#define FLOED_SETTING_H

/*
 * Setting: the keys that there are, in which section, and what the value of each sets.
 */

#include "reading.h"

enum key {
	KEY_MONITORING,
	KEY_LOG_LEVEL,
	KEY_LINGER,
	KEY_DIR,
	KEY_NAME,
	KEY_OWNER,
	KEY_GROUP,
	KEY_MODE,
	KEY_USER_PUBLISHERS,
	KEY_USER_MEMORY,
	KEY_PUBLISHERS,
	KEY_SUBSCRIBERS,
	KEY_DEPTH,
	KEY_LOANS,
	KEY_PAYLOAD,
	KEY_POOL,
	KEY_MEMORY,
	KEY_RESERVE,
	KEY_TYPE,
	KEY_TYPE_SIZE,
	KEY_TYPE_ALIGNMENT,
	KEY_TYPE_HASH,
};

/* The line at hand, "WORD = VALUE". 0; or -EINVAL with a sentence. */
int setting_read(struct reading *reading);

/* Was this key in the section so far? */
bool setting_is_seen(const struct reading *reading, enum key key);

/* Of a section's head; `place`: where it stands. 0; or -EINVAL with a sentence. */
int setting_read_user(const struct reading *reading, const char *name, struct ini_place place,
		      uint32_t *ret_uid);
int setting_read_name(const struct reading *reading, const char *what, char *ret, size_t size);

#endif
