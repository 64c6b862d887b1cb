/* SPDX-License-Identifier: Apache-2.0 */
#include "setting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "base/error.h"
#include "base/name.h"
#include "value.h"

/*
 * Values
 */

static int set_number(const struct reading *reading, uint32_t max, uint32_t *ret)
{
	const char *end;
	uint64_t value;
	char expected[64];

	if (value_read_digits(reading->item.value, &value, &end) && !*end && value > 0 &&
	    value <= max) {
		*ret = (uint32_t)value;
		return 0;
	}
	(void)snprintf(expected, sizeof(expected), "a number from 1 to %u", max);
	return reading_refuse_value(reading, expected);
}

static int set_size(const struct reading *reading, uint64_t max, uint64_t *ret)
{
	const char *end;
	uint64_t value;
	char expected[64];

	if (value_read_size(reading->item.value, &value, &end) && !*end && value > 0 &&
	    value <= max) {
		*ret = value;
		return 0;
	}
	(void)snprintf(expected, sizeof(expected), "a size from 1 to %llu, as 4096 or 64K",
		       (unsigned long long)max);
	return reading_refuse_value(reading, expected);
}

static int set_mode(const struct reading *reading, uint32_t *ret)
{
	if (value_read_mode(reading->item.value, ret))
		return 0;
	return reading_refuse_value(reading, "an octal mode with rwx for the owner, as 2770");
}

static int set_time(const struct reading *reading, int64_t *ret_ns)
{
	if (value_read_time(reading->item.value, ret_ns))
		return 0;
	return reading_refuse_value(reading, "a time, as 10s, 500ms or 0");
}

static int set_switch(const struct reading *reading, bool *ret)
{
	if (value_read_switch(reading->item.value, ret))
		return 0;
	return reading_refuse_value(reading, "on or off");
}

int setting_read_user(const struct reading *reading, const char *name, struct ini_place place,
		      uint32_t *ret_uid)
{
	if (account_find_user(name, ret_uid))
		return 0;
	return reading_refuse(reading, place, "there is no user '%.40s'", name);
}

/* What the system would refuse later is refused now. */
static int set_owner(const struct reading *reading, uint32_t *ret_uid)
{
	int r = setting_read_user(reading, reading->item.value, reading->item.value_place, ret_uid);

	if (r == 0 && geteuid() != 0 && *ret_uid != geteuid())
		return reading_refuse(reading, reading->item.value_place,
				      "only root can give a folder to user '%.40s'",
				      reading->item.value);
	return r;
}

static int set_group(const struct reading *reading, uint32_t *ret_gid)
{
	if (!account_find_group(reading->item.value, ret_gid))
		return reading_refuse(reading, reading->item.value_place,
				      "there is no group '%.40s'", reading->item.value);
	if (!account_is_in_group(*ret_gid))
		return reading_refuse(
			reading, reading->item.value_place,
			"this user is not in group '%.40s', and only root can give folders "
			"to other groups",
			reading->item.value);
	return 0;
}

int setting_read_name(const struct reading *reading, const char *what, char *ret, size_t size)
{
	struct floe_error error;

	if (name_check(reading->item.value, what, size - 1, &error) < 0)
		return reading_refuse(reading, reading->item.value_place, "%.150s", error.text);
	memcpy(ret, reading->item.value, strlen(reading->item.value) + 1);
	return 0;
}

static int set_dir(const struct reading *reading, char *ret, size_t size)
{
	if (reading->item.value[0] != '/' || strlen(reading->item.value) >= size)
		return reading_refuse_value(reading, "an absolute path");
	memcpy(ret, reading->item.value, strlen(reading->item.value) + 1);
	return 0;
}

/* "4K x 16", sizes ascending from line to line. */
static int add_pool(const struct reading *reading)
{
	struct terms_shared *terms = &reading->topic->terms;
	const char *at;
	uint64_t size;
	uint64_t count;

	if (terms->pool_count == FLOE_POOLS_MAX)
		return reading_refuse(reading, reading->item.word_place, "more than %d pools",
				      FLOE_POOLS_MAX);
	if (!value_read_size(reading->item.value, &size, &at) || at[strspn(at, " \t")] != 'x')
		return reading_refuse_value(reading, "SIZE x COUNT, as 4K x 16");
	at += strspn(at, " \t") + 1;
	at += strspn(at, " \t");
	if (!value_read_digits(at, &count, &at) || *at || size == 0 || size > FLOE_PAYLOAD_MAX ||
	    count == 0 || count > UINT32_MAX / 16)
		return reading_refuse_value(reading, "SIZE x COUNT, as 4K x 16");
	size = (size + 63) / 64 * 64;
	if (terms->pool_count && size <= terms->pool[terms->pool_count - 1].chunk_size)
		return reading_refuse(
			reading, reading->item.value_place,
			"the chunks of this pool are not larger than those of the one before: "
			"pools are listed by size");
	terms->pool[terms->pool_count].chunk_size = size;
	terms->pool[terms->pool_count++].chunk_count = count;
	return 0;
}

static int set_hash(const struct reading *reading, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(reading->item.value, &end, 16);
	if (errno || *end || reading->item.value[0] == '-')
		return reading_refuse_value(reading, "a hexadecimal number");
	return 0;
}

static int set_alignment(const struct reading *reading, uint64_t *ret)
{
	int r = set_size(reading, 64, ret);

	if (r == 0 && (*ret & (*ret - 1)))
		return reading_refuse_value(reading, "a power of two up to 64");
	return r;
}

static int set_level(const struct reading *reading)
{
	if (!say_find_level(reading->item.value, &reading->config->level))
		return reading_refuse_value(reading, SAY_LEVELS);
	return 0;
}

/*
 * Keys
 */

static const struct {
	enum section section;
	const char *word;
	enum key key;
} keys[] = {
	{SECTION_FLOED, "monitoring", KEY_MONITORING},
	{SECTION_FLOED, "log-level", KEY_LOG_LEVEL},
	{SECTION_FLOED, "linger", KEY_LINGER},
	{SECTION_DOMAIN, "dir", KEY_DIR},
	{SECTION_DOMAIN, "name", KEY_NAME},
	{SECTION_DOMAIN, "owner", KEY_OWNER},
	{SECTION_DOMAIN, "group", KEY_GROUP},
	{SECTION_DOMAIN, "mode", KEY_MODE},
	{SECTION_DOMAIN, "user-publishers", KEY_USER_PUBLISHERS},
	{SECTION_DOMAIN, "user-memory", KEY_USER_MEMORY},
	{SECTION_USER, "publishers", KEY_USER_PUBLISHERS},
	{SECTION_USER, "memory", KEY_USER_MEMORY},
	{SECTION_TOPIC, "owner", KEY_OWNER},
	{SECTION_TOPIC, "group", KEY_GROUP},
	{SECTION_TOPIC, "mode", KEY_MODE},
	{SECTION_TOPIC, "publishers", KEY_PUBLISHERS},
	{SECTION_TOPIC, "subscribers", KEY_SUBSCRIBERS},
	{SECTION_TOPIC, "depth", KEY_DEPTH},
	{SECTION_TOPIC, "loans", KEY_LOANS},
	{SECTION_TOPIC, "payload", KEY_PAYLOAD},
	{SECTION_TOPIC, "pool", KEY_POOL},
	{SECTION_TOPIC, "memory", KEY_MEMORY},
	{SECTION_TOPIC, "reserve", KEY_RESERVE},
	{SECTION_TOPIC, "type", KEY_TYPE},
	{SECTION_TOPIC, "type-size", KEY_TYPE_SIZE},
	{SECTION_TOPIC, "type-alignment", KEY_TYPE_ALIGNMENT},
	{SECTION_TOPIC, "type-hash", KEY_TYPE_HASH},
};

static struct config_access *access_of(const struct reading *reading)
{
	return reading->section == SECTION_TOPIC ? &reading->topic->access
						 : &reading->config->access;
}

static int set_of_topic(const struct reading *reading, enum key key)
{
	struct terms_shared *terms = &reading->topic->terms;

	switch (key) {
	case KEY_PUBLISHERS:
		return set_number(reading, FLOE_PUBLISHERS_MAX, &terms->publishers_max);
	case KEY_SUBSCRIBERS:
		return set_number(reading, FLOE_SUBSCRIBERS_MAX, &terms->subscribers_max);
	case KEY_DEPTH:
		return set_number(reading, FLOE_DEPTH_MAX, &terms->depth);
	case KEY_LOANS:
		return set_number(reading, FLOE_LOANS_MAX, &terms->loans_max);
	case KEY_PAYLOAD:
		return set_size(reading, FLOE_PAYLOAD_MAX, &terms->payload_max);
	case KEY_POOL:
		return add_pool(reading);
	case KEY_MEMORY:
		return set_size(reading, INT64_MAX, &terms->memory_max);
	case KEY_RESERVE:
		return set_number(reading, FLOE_PUBLISHERS_MAX, &reading->topic->reserve);
	case KEY_TYPE:
		return setting_read_name(reading, "type's name", terms->type.name,
					 sizeof(terms->type.name));
	case KEY_TYPE_SIZE:
		return set_size(reading, FLOE_PAYLOAD_MAX, &terms->type.size);
	case KEY_TYPE_ALIGNMENT:
		return set_alignment(reading, &terms->type.alignment);
	default:
		return set_hash(reading, &terms->type.hash);
	}
}

static int set(const struct reading *reading, enum key key)
{
	struct config *config = reading->config;

	switch (key) {
	case KEY_MONITORING:
		return set_switch(reading, &config->monitoring);
	case KEY_LOG_LEVEL:
		return set_level(reading);
	case KEY_LINGER:
		return set_time(reading, &config->linger_ns);
	case KEY_DIR:
		return set_dir(reading, config->dir, sizeof(config->dir));
	case KEY_NAME:
		return setting_read_name(reading, "domain's name", config->domain,
					 sizeof(config->domain));
	case KEY_OWNER:
		return set_owner(reading, &access_of(reading)->uid);
	case KEY_GROUP:
		return set_group(reading, &access_of(reading)->gid);
	case KEY_MODE:
		return set_mode(reading, &access_of(reading)->mode);
	case KEY_USER_PUBLISHERS:
		return set_number(reading, UINT32_MAX, &reading->quota->publishers_max);
	case KEY_USER_MEMORY:
		return set_size(reading, INT64_MAX, &reading->quota->memory_max);
	default:
		return set_of_topic(reading, key);
	}
}

int setting_read(struct reading *reading)
{
	for (size_t i = 0; i < FLOE_COUNT(keys); i++) {
		if (keys[i].section != reading->section ||
		    strcmp(keys[i].word, reading->item.word) != 0)
			continue;
		if (reading->seen & (uint64_t)1 << i && keys[i].key != KEY_POOL)
			return reading_refuse(reading, reading->item.word_place,
					      "%s is there twice", reading->item.word);
		reading->seen |= (uint64_t)1 << i;
		return set(reading, keys[i].key);
	}
	if (reading->section == SECTION_NONE)
		return reading_refuse(reading, reading->item.word_place,
				      "%s stands before the first section", reading->item.word);
	return reading_refuse(reading, reading->item.word_place, "there is no %s in [%s]",
			      reading->item.word, reading_section_names[reading->section]);
}

bool setting_is_seen(const struct reading *reading, enum key key)
{
	for (size_t i = 0; i < FLOE_COUNT(keys); i++)
		if (keys[i].section == reading->section && keys[i].key == key)
			return reading->seen & (uint64_t)1 << i;
	return false;
}
