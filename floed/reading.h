/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOED_READING_H
#define FLOED_READING_H

/*
 * Reading: where we are in a configuration, and how what is wrong there is said.
 */

#include "config.h"

/* Sections come in this order. */
enum section {
	SECTION_NONE,
	SECTION_FLOED,
	SECTION_DOMAIN,
	SECTION_USER,
	SECTION_TOPIC,
	READING_SECTIONS,
};

extern const char *const reading_section_names[READING_SECTIONS];

struct reading {
	struct config *config;
	const char *path;
	struct floe_error *error;
	struct ini_item item;
	enum section section;
	uint64_t seen; /* keys of this section, by their place in the table */
	struct config_topic *topic;
	struct quota_shared *quota;
};

/* Both return -EINVAL, with a sentence that begins with "FILE:LINE:COLUMN: ". */
int reading_refuse(const struct reading *reading, struct ini_place place, const char *format, ...)
	floe_format(3, 4);

/* The value of the setting at hand. */
int reading_refuse_value(const struct reading *reading, const char *expected);

#endif
