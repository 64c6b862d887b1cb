/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/options.h"
#include "base/error.h"
#include "reading.h"
#include "setting.h"

#define FILE_SIZE_MAX (1 << 20)
#define NO_ACCESS ((struct config_access){CONFIG_UNSET, CONFIG_UNSET, CONFIG_UNSET})

/* A ring of a publisher that asks for nothing: can it be, and what does it take? */
static int check_ring(const struct reading *reading)
{
	const struct config_topic *topic = reading->topic;
	struct terms_shared terms = topic->terms;
	struct floe_error error = {0};
	struct floe_publisher_options given = {.size = sizeof(given), .error = &error};
	struct floe_publisher_options o;
	struct options_room room;
	ssize_t size;
	int r;

	/* Who asks for less may still publish. */
	terms.memory_max = 0;
	r = options_read_publisher_under(&o, &given, topic->name, &terms, &room);
	if (r < 0)
		return reading_refuse(reading, topic->place, "topic '%.40s': %.100s", topic->name,
				      error.text);
	size = options_size_at_most(&o);
	if (topic->reserve && topic->terms.memory_max && (uint64_t)size > topic->terms.memory_max)
		return reading_refuse(
			reading, topic->place,
			"topic '%.40s' reserves rings of %zd bytes, but memory is %llu",
			topic->name, size, (unsigned long long)topic->terms.memory_max);
	return 0;
}

/* 0: what publishers ask for; but rings that lie ready ask for nothing. */
static uint64_t largest_payload(const struct config_topic *topic)
{
	const struct terms_shared *terms = &topic->terms;

	if (terms->pool_count)
		return terms->pool[terms->pool_count - 1].chunk_size;
	return terms->payload_max || !topic->reserve ? terms->payload_max : PAYLOAD_DEFAULT;
}

/* What keys of a topic say about each other. */
static int check_topic(const struct reading *reading)
{
	const struct config_topic *topic = reading->topic;
	uint64_t largest = largest_payload(topic);

	if (largest && topic->terms.type.size > largest)
		return reading_refuse(
			reading, topic->place,
			"topic '%.40s' has a type-size of %llu, but payloads of up to %llu",
			topic->name, (unsigned long long)topic->terms.type.size,
			(unsigned long long)largest);
	if (topic->terms.publishers_max && topic->reserve > topic->terms.publishers_max)
		return reading_refuse(reading, topic->place,
				      "topic '%.40s' reserves %u rings, but publishers is %u",
				      topic->name, topic->reserve, topic->terms.publishers_max);
	return check_ring(reading);
}

static int end_section(struct reading *reading)
{
	const struct config_topic *topic = reading->topic;
	uint64_t chunks = 0;

	if (reading->section != SECTION_TOPIC)
		return 0;
	if (setting_is_seen(reading, KEY_POOL) && setting_is_seen(reading, KEY_PAYLOAD))
		return reading_refuse(reading, topic->place,
				      "topic '%.40s' has payload and pool: choose one of them",
				      topic->name);
	if (!setting_is_seen(reading, KEY_TYPE) && (setting_is_seen(reading, KEY_TYPE_SIZE) ||
						    setting_is_seen(reading, KEY_TYPE_ALIGNMENT) ||
						    setting_is_seen(reading, KEY_TYPE_HASH)))
		return reading_refuse(reading, topic->place,
				      "topic '%.40s' says more of a type without "
				      "a name",
				      topic->name);
	for (uint32_t i = 0; i < topic->terms.pool_count; i++)
		chunks += topic->terms.pool[i].chunk_count;
	if (topic->terms.pool_count && chunks <= (topic->terms.depth ? topic->terms.depth : 16))
		return reading_refuse(
			reading, topic->place,
			"topic '%.40s' has %llu chunks, but a ring keeps depth (%u) of them "
			"and needs more",
			topic->name, (unsigned long long)chunks,
			topic->terms.depth ? topic->terms.depth : 16);
	return check_topic(reading);
}

static int begin_user(struct reading *reading)
{
	struct quotas_shared *quotas = &reading->config->quotas;
	uint32_t uid = 0;
	int r = setting_read_user(reading, reading->item.value, reading->item.value_place, &uid);

	if (r < 0)
		return r;
	if (quotas->count == QUOTAS_MAX)
		return reading_refuse(reading, reading->item.word_place, "more than %d users",
				      QUOTAS_MAX);
	for (uint32_t i = 0; i < quotas->count; i++)
		if (quotas->user[i].uid == uid)
			return reading_refuse(reading, reading->item.value_place,
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
	if (setting_read_name(reading, "topic name", reading->topic->name, sizeof(more->name)) < 0)
		return -EINVAL;
	for (size_t i = 0; i < config->topics_count; i++)
		if (!strcmp(more[i].name, reading->topic->name))
			return reading_refuse(reading, reading->item.value_place,
					      "topic '%.40s' is there twice", reading->topic->name);
	config->topics_count++;
	return 0;
}

static enum section find_section(const char *word)
{
	for (size_t i = 1; i < READING_SECTIONS; i++)
		if (!strcmp(reading_section_names[i], word))
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
		return reading_refuse(reading, reading->item.word_place, "there is no section [%s]",
				      reading->item.word);
	if (is_named != (reading->item.value[0] != 0))
		return reading_refuse(reading, reading->item.value_place,
				      is_named ? "[%s NAME] is expected" : "[%s] has no name",
				      reading->item.word);
	if (section < reading->section || (section == reading->section && !is_named))
		return reading_refuse(reading, reading->item.word_place,
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
			return reading_refuse(reading, place, "%s", wrong);
		if (reading->item.kind == INI_END)
			return end_section(reading);
		r = reading->item.kind == INI_SECTION ? read_section(reading)
						      : setting_read(reading);
	}
	return r;
}

static int read_file(const char *path, char **ret_text, size_t *ret_size, struct floe_error *error)
{
	/* Not for a pipe that nobody writes. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
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
