/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"
#include "object.h"
#include "record/check.h"
#include "record/reader.h"
#include "record/repair.h"
#include "table.h"
#include "text.h"

static struct {
	char *output;
	bool dry_run;
} wish;

static const struct frame_option options[] = {
	OPTION_TEXT("output", 'o', &wish.output, "FILE",
		    "repair: leave the file as it is, and write a whole one here"),
	OPTION_FLAG("dry-run", 'n', &wish.dry_run, "repair: only tell what would be done"),
	{0},
};

static int fail_at(const struct frame *frame, const char *path, const struct fault *fault)
{
	return frame_fail(frame, "'%s', at byte %llu: %s", path, (unsigned long long)fault->offset,
			  fault->text);
}

static int open_file(const struct frame *frame, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		(void)frame_fail(frame, "cannot open '%s': %s", path, strerror(errno));
	return fd;
}

/*
 * info
 */

struct info {
	struct frame *frame;
	const char *path;
	struct reader reader;
	uint64_t first;
	uint64_t last;
	uint64_t expanded;
	uint64_t compressed;
	json_t *losses; /* of each publisher, by the name that the recorder gave it */
};

static void load_losses(struct info *info, const struct catalog_metadata *metadata)
{
	unsigned char *record = NULL;
	struct cursor pairs;

	if (strcmp(metadata->name, "floe.losses") != 0 ||
	    reader_load_metadata(&info->reader, metadata, &record, &pairs) < 0)
		return;
	while (!pairs.bad && cursor_left(&pairs)) {
		char *key = get_string(&pairs);
		char *value = get_string(&pairs);

		if (key && value)
			(void)json_object_set_new(info->losses, key,
						  json_integer(strtoll(value, NULL, 10)));
		free(key);
		free(value);
	}
	free(record);
}

static void sum_up(struct info *info)
{
	const struct catalog *catalog = &info->reader.catalog;

	catalog_span(catalog, &info->first, &info->last);
	for (size_t i = 0; i < catalog->chunks_count; i++) {
		info->expanded += catalog->chunks[i].expanded;
		info->compressed += catalog->chunks[i].compressed;
	}
	info->losses = json_object();
	for (size_t i = 0; i < catalog->metadata_count; i++)
		load_losses(info, &catalog->metadata[i]);
}

static const char *name_compression(const struct info *info)
{
	const struct catalog *catalog = &info->reader.catalog;
	const char *name = "none";

	for (size_t i = 0; i < catalog->chunks_count; i++)
		if (catalog->chunks[i].compression != COMPRESSION_NONE)
			name = compression_name((enum compression)catalog->chunks[i].compression);
	return name;
}

static const char *name_type(const struct info *info, const struct catalog_channel *channel)
{
	const struct catalog_schema *schema = channel->schema
						      ? catalog_find_schema(&info->reader.catalog,
									    channel->schema)
						      : NULL;

	return schema && *schema->name ? schema->name : "-";
}

/* The key that the recorder gave this channel among the losses. */
static json_int_t find_lost(const struct info *info, const struct catalog_channel *channel)
{
	struct cursor index = map_find(channel->map, "floe.publisher");
	char key[512];

	if (index.bad)
		return 0;
	(void)snprintf(key, sizeof(key), "%s/%.*s", channel->topic, (int)cursor_left(&index),
		       (const char *)index.at);
	return json_integer_value(json_object_get(info->losses, key));
}

static double seconds_of(const struct info *info)
{
	return (double)(info->last - info->first) / 1e9;
}

static json_t *channel_object(const struct info *info, const struct catalog_channel *channel)
{
	return json_pack("{s:o, s:i, s:o, s:o, s:o, s:I}", "topic", object_text(channel->topic),
			 "id", channel->id, "type", object_text(name_type(info, channel)),
			 "encoding", object_text(channel->encoding), "messages",
			 object_number(channel->count), "lost", find_lost(info, channel));
}

static void print_info_object(const struct info *info)
{
	const struct catalog *catalog = &info->reader.catalog;
	json_t *channels = json_array();
	json_t *object = json_object();

	for (size_t i = 0; i < catalog->channels_count; i++)
		(void)json_array_append_new(channels, channel_object(info, &catalog->channels[i]));
	(void)json_object_set_new(object, "file", object_text(info->path));
	(void)json_object_set_new(object, "size", object_number(info->reader.input.size));
	(void)json_object_set_new(object, "whole", json_boolean(!info->reader.is_cut));
	(void)json_object_set_new(object, "messages", object_number(catalog->messages_count));
	(void)json_object_set_new(object, "chunks", object_number(catalog->chunks_count));
	(void)json_object_set_new(object, "start_ns", object_number(info->first));
	(void)json_object_set_new(object, "end_ns", object_number(info->last));
	(void)json_object_set_new(object, "seconds", json_real(seconds_of(info)));
	(void)json_object_set_new(object, "compression", json_string(name_compression(info)));
	(void)json_object_set_new(object, "expanded", object_number(info->expanded));
	(void)json_object_set_new(object, "compressed", object_number(info->compressed));
	(void)json_object_set_new(object, "channels", channels);
	object_print(object);
}

static void print_time(const char *title, uint64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000u);
	struct tm tm;
	char text[32];

	if (!gmtime_r(&seconds, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		return;
	printf("%-12s %s.%09u UTC\n", title, text, (unsigned)(ns % 1000000000u));
}

static void print_channels(const struct info *info)
{
	static const struct table_column columns[] = {{"TOPIC", false},   {"TYPE", false},
						      {"MESSAGES", true}, {"RATE", true},
						      {"LOST", true},     {"ENCODING", false}};
	const struct catalog *catalog = &info->reader.catalog;
	struct table table;

	table_init(&table, columns, FRAME_COUNT_OF(columns));
	for (size_t i = 0; i < catalog->channels_count; i++) {
		const struct catalog_channel *channel = &catalog->channels[i];
		double seconds = seconds_of(info);

		table_add(&table, "%s", text_name(channel->topic).text);
		table_add(&table, "%s", text_name(name_type(info, channel)).text);
		table_add_number(&table, channel->count);
		table_add(&table, "%s",
			  seconds > 0 ? text_rate((double)channel->count / seconds).text : "-");
		table_add(&table, "%lld", (long long)find_lost(info, channel));
		table_add(&table, "%s", text_name(channel->encoding).text);
	}
	table_print(&table, stdout);
	table_deinit(&table);
}

static void print_info(const struct info *info)
{
	const struct catalog *catalog = &info->reader.catalog;

	printf("%-12s %s\n", "file", text_name(info->path).text);
	printf("%-12s %s\n", "size", text_bytes(info->reader.input.size).text);
	if (info->reader.is_cut)
		printf("%-12s no, at byte %llu: %s ('floe bag repair' makes it whole)\n", "whole",
		       (unsigned long long)info->reader.cut.offset, info->reader.cut.text);
	printf("%-12s %llu in %zu chunks\n", "messages",
	       (unsigned long long)catalog->messages_count, catalog->chunks_count);
	printf("%-12s %.3f s\n", "duration", seconds_of(info));
	print_time("start", info->first);
	print_time("end", info->last);
	printf("%-12s %s", "compression", name_compression(info));
	if (info->compressed && info->compressed != info->expanded)
		printf(", %s became %s", text_bytes(info->expanded).text,
		       text_bytes(info->compressed).text);
	printf("\n\n");
	print_channels(info);
}

static int run_info(struct frame *frame, const char *path)
{
	struct info info = {.frame = frame, .path = path};
	struct fault fault = {0};
	int fd = open_file(frame, path, O_RDONLY);

	if (fd < 0)
		return FRAME_FAILED;
	if (reader_open(&info.reader, fd, READER_MEMORY_MAX, &fault) < 0)
		return fail_at(frame, path, &fault);
	sum_up(&info);
	if (frame->json)
		print_info_object(&info);
	else
		print_info(&info);
	json_decref(info.losses);
	reader_close(&info.reader);
	return FRAME_DONE;
}

/*
 * check
 */

static void tell_fault(void *user, const struct fault *fault)
{
	const struct frame *frame = user;

	if (frame->json)
		object_print(json_pack("{s:s, s:o, s:o}", "event", "fault", "offset",
				       object_number(fault->offset), "text",
				       object_text(fault->text)));
	else
		printf("at byte %llu: %s\n", (unsigned long long)fault->offset, fault->text);
}

static int run_check(struct frame *frame, const char *path)
{
	struct check check = {.tell = tell_fault, .user = frame};
	int fd = open_file(frame, path, O_RDONLY);
	int r;

	if (fd < 0)
		return FRAME_FAILED;
	r = check_run(&check, fd, READER_MEMORY_MAX);
	if (frame->json)
		object_print(json_pack("{s:s, s:b, s:o, s:o, s:o}", "event", "end", "whole",
				       r == 0 && check.faults == 0, "messages",
				       object_number(check.messages), "chunks",
				       object_number(check.chunks), "faults",
				       object_number(check.faults)));
	else
		printf("%llu messages in %llu chunks are whole, %llu fault%s\n",
		       (unsigned long long)check.messages, (unsigned long long)check.chunks,
		       (unsigned long long)check.faults, check.faults == 1 ? "" : "s");
	return r < 0 || check.faults ? FRAME_FAILED : FRAME_DONE;
}

/*
 * repair
 */

static void print_repair(const struct frame *frame, const char *path, const struct repair *repair)
{
	uint64_t cut = repair->size - repair->kept;

	if (frame->json) {
		object_print(json_pack("{s:o, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "file",
				       object_text(path), "was_whole", repair->was_whole, "dry_run",
				       wish.dry_run, "messages", object_number(repair->messages),
				       "chunks", object_number(repair->chunks), "damaged",
				       object_number(repair->damaged), "cut", object_number(cut),
				       "reason", object_text(repair->fault.text)));
		return;
	}
	if (repair->was_whole) {
		printf("'%s' is whole: there is nothing to repair\n", text_name(path).text);
		return;
	}
	printf("'%s', at byte %llu: %s\n", text_name(path).text,
	       (unsigned long long)repair->fault.offset, repair->fault.text);
	printf("%s %llu messages in %llu chunks; %llu damaged record%s; %s behind byte %llu\n",
	       wish.dry_run ? "would keep" : "kept", (unsigned long long)repair->messages,
	       (unsigned long long)repair->chunks, (unsigned long long)repair->damaged,
	       repair->damaged == 1 ? "" : "s", text_bytes(cut).text,
	       (unsigned long long)repair->kept);
}

/* A copy to work on. -1: told */
static int copy_file(const struct frame *frame, int from)
{
	int to = open(wish.output, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	static char part[1 << 20];
	ssize_t r = 1;

	if (to < 0) {
		(void)frame_fail(frame, "cannot write '%s': %s", wish.output, strerror(errno));
		return -1;
	}
	while (r > 0) {
		r = read(from, part, sizeof(part));
		if (r > 0 && write(to, part, (size_t)r) != r)
			r = -1;
	}
	if (r == 0)
		return to;
	(void)frame_fail(frame, "cannot write '%s': %s", wish.output, strerror(errno));
	(void)close(to);
	return -1;
}

static int run_repair(struct frame *frame, const char *path)
{
	struct repair repair = {0};
	bool is_copied = wish.output && !wish.dry_run;
	int fd = open_file(frame, path, is_copied || wish.dry_run ? O_RDONLY : O_RDWR);
	int status = FRAME_DONE;
	int r;

	if (fd >= 0 && is_copied) {
		int copy = copy_file(frame, fd);

		(void)close(fd);
		fd = copy;
		path = wish.output;
	}
	if (fd < 0)
		return FRAME_FAILED;
	r = repair_run(&repair, fd, READER_MEMORY_MAX, wish.dry_run);
	if (r == -EPROTO || (r < 0 && *repair.fault.text))
		status = fail_at(frame, path, &repair.fault);
	else if (r < 0)
		status = frame_fail(frame, "cannot repair '%s': %s", path, strerror(-r));
	else
		print_repair(frame, path, &repair);
	(void)close(fd);
	return status;
}

static int bag_run(struct frame *frame)
{
	static const struct {
		const char *name;
		int (*run)(struct frame *frame, const char *path);
	} verbs[] = {{"info", run_info}, {"check", run_check}, {"repair", run_repair}};
	const char *verb = frame->operands[0];

	for (size_t i = 0; i < FRAME_COUNT_OF(verbs); i++) {
		if (strcmp(verbs[i].name, verb) != 0)
			continue;
		if (frame->operands_count < 2)
			return frame_usage(frame, "FILE is missing");
		if (strcmp(verb, "repair") != 0 && (wish.output || wish.dry_run))
			return frame_usage(frame, "--output and --dry-run are for repair");
		return verbs[i].run(frame, frame->operands[1]);
	}
	return frame_usage(frame, "'%s' is not info, check or repair", verb);
}

const struct command bag_command = {
	.name = "bag",
	.summary = "show, check or repair a recording",
	.operands = "info|check|repair FILE",
	.operands_min = 1,
	.operands_max = 2,
	.options = options,
	.text = "info shows what is in a file, check reads all of it and says what is wrong and\n"
		"where, repair gives a file whose recorder was killed an end. Damaged chunks are\n"
		"given up. Exit status of check: 0 all is well, 1 something is not.\n",
	.examples = "  floe bag info run.mcap\n"
		    "  floe bag check run.mcap --json\n"
		    "  floe bag repair run.mcap -o whole.mcap\n",
	.run = bag_run,
};
