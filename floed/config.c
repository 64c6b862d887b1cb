/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/name.h"

#define FILE_SIZE_MAX (1 << 20)
#define NO_ACCESS ((struct config_access){CONFIG_UNSET, CONFIG_UNSET, CONFIG_UNSET})

/* Sections come in this order. */
enum section {
	SECTION_NONE,
	SECTION_FLOED,
	SECTION_DOMAIN,
	SECTION_USER,
	SECTION_TOPIC,
};

static const char *const section_names[] = {"", "floed", "domain", "user", "topic"};

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

static int refuse(const struct reading *reading, struct ini_place place, const char *format, ...)
	floe_format(3, 4);

static int refuse(const struct reading *reading, struct ini_place place, const char *format, ...)
{
	char text[160];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return error_set(reading->error, -EINVAL, "%.80s:%u:%u: %s", reading->path, place.line,
			 place.column, text);
}

static int refuse_value(const struct reading *reading, const char *expected)
{
	return refuse(reading, reading->item.value_place, "%s is '%.40s', but should be %s",
		      reading->item.word, reading->item.value, expected);
}

/*
 * Values
 */

/* Digits alone; `end` gets what is behind them. */
static bool read_digits(const char *text, uint64_t *ret, const char **ret_end)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	*ret_end = end;
	return errno == 0;
}

static bool read_size(const char *text, uint64_t *ret, const char **ret_end)
{
	static const char units[] = "KMGT";
	const char *unit;

	if (!read_digits(text, ret, ret_end))
		return false;
	unit = **ret_end ? strchr(units, **ret_end) : NULL;
	if (!unit)
		return true;
	++*ret_end;
	return !__builtin_mul_overflow(*ret, (uint64_t)1 << (10 * (unit - units + 1)), ret);
}

static int set_number(const struct reading *reading, uint32_t max, uint32_t *ret)
{
	const char *end;
	uint64_t value;
	char expected[64];

	if (read_digits(reading->item.value, &value, &end) && !*end && value > 0 && value <= max) {
		*ret = (uint32_t)value;
		return 0;
	}
	(void)snprintf(expected, sizeof(expected), "a number from 1 to %u", max);
	return refuse_value(reading, expected);
}

static int set_size(const struct reading *reading, uint64_t max, uint64_t *ret)
{
	const char *end;
	uint64_t value;
	char expected[64];

	if (read_size(reading->item.value, &value, &end) && !*end && value > 0 && value <= max) {
		*ret = value;
		return 0;
	}
	(void)snprintf(expected, sizeof(expected), "a size from 1 to %llu, as 4096 or 64K",
		       (unsigned long long)max);
	return refuse_value(reading, expected);
}

static int set_mode(const struct reading *reading, uint32_t *ret)
{
	const char *text = reading->item.value;
	char *end;
	unsigned long value = strtoul(text, &end, 8);

	if (*text < '0' || *text > '7' || *end || value > 07777 || (value & 0700) != 0700 ||
	    (value & 04000))
		return refuse_value(reading, "an octal mode with rwx for the owner, as 2770");
	*ret = (uint32_t)value;
	return 0;
}

/* Seconds, with "ms", "s" or "min" behind. */
static int set_time(const struct reading *reading, int64_t *ret_ns)
{
	static const struct {
		const char *unit;
		int64_t ns;
	} units[] = {{"ms", 1000000}, {"s", 1000000000}, {"", 1000000000}, {"min", 60000000000}};
	const char *end;
	uint64_t value;

	if (read_digits(reading->item.value, &value, &end) && value <= 86400)
		for (size_t i = 0; i < FLOE_COUNT(units); i++)
			if (!strcmp(end, units[i].unit)) {
				*ret_ns = (int64_t)value * units[i].ns;
				return 0;
			}
	return refuse_value(reading, "a time, as 10s, 500ms or 0");
}

static int set_switch(const struct reading *reading, bool *ret)
{
	if (strcmp(reading->item.value, "on") != 0 && strcmp(reading->item.value, "off") != 0)
		return refuse_value(reading, "on or off");
	*ret = !strcmp(reading->item.value, "on");
	return 0;
}

/* The files first: asking the system's name services loads libraries that are never used again. */
static bool find_user(const char *name, uint32_t *ret_uid)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *entry;
	bool found = false;

	while (file && !found && (entry = fgetpwent(file))) {
		found = !strcmp(entry->pw_name, name);
		if (found)
			*ret_uid = entry->pw_uid;
	}
	if (file)
		(void)fclose(file);
	if (found)
		return true;
	entry = getpwnam(name);
	if (entry)
		*ret_uid = entry->pw_uid;
	return entry != NULL;
}

static bool find_group(const char *name, uint32_t *ret_gid)
{
	FILE *file = fopen("/etc/group", "re");
	struct group *entry;
	bool found = false;

	while (file && !found && (entry = fgetgrent(file))) {
		found = !strcmp(entry->gr_name, name);
		if (found)
			*ret_gid = entry->gr_gid;
	}
	if (file)
		(void)fclose(file);
	if (found)
		return true;
	entry = getgrnam(name);
	if (entry)
		*ret_gid = entry->gr_gid;
	return entry != NULL;
}

static bool read_id(const char *text, uint32_t *ret)
{
	const char *end;
	uint64_t value;

	if (!read_digits(text, &value, &end) || *end || value >= CONFIG_UNSET)
		return false;
	*ret = (uint32_t)value;
	return true;
}

static int set_user(const struct reading *reading, const char *name, struct ini_place place,
		    uint32_t *ret_uid)
{
	if (read_id(name, ret_uid) || find_user(name, ret_uid))
		return 0;
	return refuse(reading, place, "there is no user '%.40s'", name);
}

/* What the system would refuse later is refused now. */
static int set_owner(const struct reading *reading, uint32_t *ret_uid)
{
	int r = set_user(reading, reading->item.value, reading->item.value_place, ret_uid);

	if (r == 0 && geteuid() != 0 && *ret_uid != geteuid())
		return refuse(reading, reading->item.value_place,
			      "only root can give a folder to user '%.40s'", reading->item.value);
	return r;
}

static bool is_in_group(uint32_t gid)
{
	gid_t groups[256];
	int count = getgroups(FLOE_COUNT(groups), groups);

	if (geteuid() == 0 || getegid() == gid)
		return true;
	for (int i = 0; i < count; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

static int set_group(const struct reading *reading, uint32_t *ret_gid)
{
	if (!read_id(reading->item.value, ret_gid) && !find_group(reading->item.value, ret_gid))
		return refuse(reading, reading->item.value_place, "there is no group '%.40s'",
			      reading->item.value);
	if (!is_in_group(*ret_gid))
		return refuse(reading, reading->item.value_place,
			      "this user is not in group '%.40s', and only root can give folders "
			      "to other groups",
			      reading->item.value);
	return 0;
}

static int set_name(const struct reading *reading, const char *what, char *ret, size_t size)
{
	struct floe_error error;

	if (name_check(reading->item.value, what, size - 1, &error) < 0)
		return refuse(reading, reading->item.value_place, "%.150s", error.text);
	memcpy(ret, reading->item.value, strlen(reading->item.value) + 1);
	return 0;
}

static int set_dir(const struct reading *reading, char *ret, size_t size)
{
	if (reading->item.value[0] != '/' || strlen(reading->item.value) >= size)
		return refuse_value(reading, "an absolute path");
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
		return refuse(reading, reading->item.word_place, "more than %d pools",
			      FLOE_POOLS_MAX);
	if (!read_size(reading->item.value, &size, &at) || at[strspn(at, " \t")] != 'x')
		return refuse_value(reading, "SIZE x COUNT, as 4K x 16");
	at += strspn(at, " \t") + 1;
	at += strspn(at, " \t");
	if (!read_digits(at, &count, &at) || *at || size == 0 || size > FLOE_PAYLOAD_MAX ||
	    count == 0 || count > UINT32_MAX / 16)
		return refuse_value(reading, "SIZE x COUNT, as 4K x 16");
	size = (size + 63) / 64 * 64;
	if (terms->pool_count && size <= terms->pool[terms->pool_count - 1].chunk_size)
		return refuse(
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
		return refuse_value(reading, "a hexadecimal number");
	return 0;
}

static int set_alignment(const struct reading *reading, uint64_t *ret)
{
	int r = set_size(reading, 64, ret);

	if (r == 0 && (*ret & (*ret - 1)))
		return refuse_value(reading, "a power of two up to 64");
	return r;
}

static int set_level(const struct reading *reading)
{
	if (!say_find_level(reading->item.value, &reading->config->level))
		return refuse_value(reading, SAY_LEVELS);
	return 0;
}

/*
 * Keys
 */

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
		return set_name(reading, "type's name", terms->type.name, sizeof(terms->type.name));
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
		return set_name(reading, "domain's name", config->domain, sizeof(config->domain));
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

static int read_setting(struct reading *reading)
{
	for (size_t i = 0; i < FLOE_COUNT(keys); i++) {
		if (keys[i].section != reading->section ||
		    strcmp(keys[i].word, reading->item.word) != 0)
			continue;
		if (reading->seen & (uint64_t)1 << i && keys[i].key != KEY_POOL)
			return refuse(reading, reading->item.word_place, "%s is there twice",
				      reading->item.word);
		reading->seen |= (uint64_t)1 << i;
		return set(reading, keys[i].key);
	}
	if (reading->section == SECTION_NONE)
		return refuse(reading, reading->item.word_place,
			      "%s stands before the first section", reading->item.word);
	return refuse(reading, reading->item.word_place, "there is no %s in [%s]",
		      reading->item.word, section_names[reading->section]);
}

static bool has_seen(const struct reading *reading, enum key key)
{
	for (size_t i = 0; i < FLOE_COUNT(keys); i++)
		if (keys[i].section == reading->section && keys[i].key == key)
			return reading->seen & (uint64_t)1 << i;
	return false;
}

/* What keys of one section say about each other. */
static int end_section(struct reading *reading)
{
	const struct config_topic *topic = reading->topic;
	uint64_t chunks = 0;

	if (reading->section != SECTION_TOPIC)
		return 0;
	if (has_seen(reading, KEY_POOL) && has_seen(reading, KEY_PAYLOAD))
		return refuse(reading, topic->place,
			      "topic '%.40s' has payload and pool: choose one of them",
			      topic->name);
	if (!has_seen(reading, KEY_TYPE) &&
	    (has_seen(reading, KEY_TYPE_SIZE) || has_seen(reading, KEY_TYPE_ALIGNMENT) ||
	     has_seen(reading, KEY_TYPE_HASH)))
		return refuse(reading, topic->place,
			      "topic '%.40s' says more of a type without "
			      "a name",
			      topic->name);
	for (uint32_t i = 0; i < topic->terms.pool_count; i++)
		chunks += topic->terms.pool[i].chunk_count;
	if (topic->terms.pool_count && chunks <= (topic->terms.depth ? topic->terms.depth : 16))
		return refuse(reading, topic->place,
			      "topic '%.40s' has %llu chunks, but a ring keeps depth (%u) of them "
			      "and needs more",
			      topic->name, (unsigned long long)chunks,
			      topic->terms.depth ? topic->terms.depth : 16);
	return 0;
}

static int begin_user(struct reading *reading)
{
	struct quotas_shared *quotas = &reading->config->quotas;
	uint32_t uid = 0;
	int r = set_user(reading, reading->item.value, reading->item.value_place, &uid);

	if (r < 0)
		return r;
	if (quotas->count == QUOTAS_MAX)
		return refuse(reading, reading->item.word_place, "more than %d users", QUOTAS_MAX);
	for (uint32_t i = 0; i < quotas->count; i++)
		if (quotas->user[i].uid == uid)
			return refuse(reading, reading->item.value_place,
				      "user '%.40s' is there twice", reading->item.value);
	reading->quota = &quotas->user[quotas->count++];
	*reading->quota = (struct quota_shared){.uid = uid};
	return 0;
}

static int begin_topic(struct reading *reading)
{
	struct config *config = reading->config;
	struct config_topic *more = reallocarray(config->topics, config->topics_count + 1,
						 sizeof(*more));

	if (!more)
		return error_set(reading->error, -ENOMEM, "out of memory");
	config->topics = more;
	reading->topic = &more[config->topics_count];
	*reading->topic = (struct config_topic){.access = NO_ACCESS,
						.place = reading->item.word_place};
	if (set_name(reading, "topic name", reading->topic->name, sizeof(more->name)) < 0)
		return -EINVAL;
	for (size_t i = 0; i < config->topics_count; i++)
		if (!strcmp(more[i].name, reading->topic->name))
			return refuse(reading, reading->item.value_place,
				      "topic '%.40s' is there twice", reading->topic->name);
	config->topics_count++;
	return 0;
}

static enum section find_section(const char *word)
{
	for (size_t i = 1; i < FLOE_COUNT(section_names); i++)
		if (!strcmp(section_names[i], word))
			return (enum section)i;
	return SECTION_NONE;
}

static int read_section(struct reading *reading)
{
	enum section section = find_section(reading->item.word);
	bool is_named = section == SECTION_USER || section == SECTION_TOPIC;
	int r = end_section(reading);

	if (r < 0)
		return r;
	if (section == SECTION_NONE)
		return refuse(reading, reading->item.word_place, "there is no section [%s]",
			      reading->item.word);
	if (is_named != (reading->item.value[0] != 0))
		return refuse(reading, reading->item.value_place,
			      is_named ? "[%s NAME] is expected" : "[%s] has no name",
			      reading->item.word);
	if (section < reading->section || (section == reading->section && !is_named))
		return refuse(reading, reading->item.word_place,
			      section == reading->section
				      ? "[%s] is there twice"
				      : "[%s] comes too late: floed, domain, users, topics",
			      reading->item.word);
	reading->section = section;
	reading->seen = 0;
	reading->quota = &reading->config->quotas.others;
	if (section == SECTION_USER)
		return begin_user(reading);
	return section == SECTION_TOPIC ? begin_topic(reading) : 0;
}

static int read_text(struct reading *reading, const char *text, size_t size)
{
	struct ini ini;
	struct ini_place place;
	int r = 0;

	ini_init(&ini, text, size);
	while (r == 0) {
		const char *wrong = ini_next(&ini, &reading->item, &place);

		if (wrong)
			return refuse(reading, place, "%s", wrong);
		if (reading->item.kind == INI_END)
			return end_section(reading);
		r = reading->item.kind == INI_SECTION ? read_section(reading)
						      : read_setting(reading);
	}
	return r;
}

static int read_file(const char *path, char **ret_text, size_t *ret_size, struct floe_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat seen;
	ssize_t size = -1;

	if (fd < 0)
		return error_system(error, -errno, "open", path);
	*ret_text = malloc(FILE_SIZE_MAX + 1);
	if (*ret_text && fstat(fd, &seen) == 0 && S_ISREG(seen.st_mode))
		size = read(fd, *ret_text, FILE_SIZE_MAX + 1);
	(void)close(fd);
	if (size < 0 || size > FILE_SIZE_MAX) {
		free(*ret_text);
		return error_set(error, -EINVAL, "'%.200s' is no readable file of up to 1 MiB",
				 path);
	}
	*ret_size = (size_t)size;
	return 0;
}

void config_init(struct config *ret_config)
{
	memset(ret_config, 0, sizeof(*ret_config));
	ret_config->monitoring = true;
	ret_config->level = SAY_INFO;
	ret_config->linger_ns = 10000000000;
	ret_config->access = NO_ACCESS;
}

void config_deinit(struct config *config)
{
	free(config->topics);
	config_init(config);
}

int config_read(struct config *ret_config, const char *path, struct floe_error *error)
{
	struct reading reading = {.config = ret_config, .path = path, .error = error};
	char *text = NULL;
	size_t size = 0;
	int r;

	config_init(ret_config);
	r = read_file(path, &text, &size, error);
	if (r < 0)
		return r;
	(void)snprintf(ret_config->path, sizeof(ret_config->path), "%s", path);
	r = read_text(&reading, text, size);
	free(text);
	if (r < 0)
		config_deinit(ret_config);
	return r;
}
