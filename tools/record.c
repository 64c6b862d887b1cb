/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "frame.h"
#include "object.h"
#include "recorder.h"
#include "text.h"
#include "wait.h"

#define PROGRESS_NS (WAIT_SECOND / 2)
#define LOOK_NS (WAIT_SECOND / 5)
#define REST_NS (WAIT_SECOND / 2000)

#define MEMORY_DEFAULT (UINT64_C(256) << 20)
#define MEMORY_MIN (UINT64_C(8) << 20)
#define CHUNK_DEFAULT (UINT64_C(2) << 20)

static struct {
	char *output;
	bool all;
	char *snapshot;
	char *split;
	char *compress;
	uint64_t memory;
	uint64_t chunk;
	uint64_t history;
	uint64_t count;
	int64_t duration_ns;
	char *crc;
	bool buffered;
	bool single;
	bool copy;
	bool force;
	bool realtime;
	bool quiet;
} wish = {.duration_ns = -1};

static const struct frame_option options[] = {
	OPTION_TEXT("output", 'o', &wish.output, "FILE", "the file to write, such as run.mcap"),
	OPTION_FLAG("all", 'a', &wish.all, "all topics of the domain, also those that come later"),
	OPTION_TEXT("snapshot", 0, &wish.snapshot, "TIME",
		    "keep this much in memory, such as 30s; write it at SIGUSR1 and at the end"),
	OPTION_TEXT("split", 0, &wish.split, "SIZE|TIME",
		    "a new file after this much, such as 1G or 10m"),
	OPTION_TEXT("compress", 'c', &wish.compress, "HOW", "none (the default), lz4 or zstd"),
	OPTION_SIZE("memory", 0, &wish.memory, "BYTES", "of the back-log, at most (default 256M)"),
	OPTION_SIZE(
		"chunk", 0, &wish.chunk, "BYTES",
		"of a chunk of small messages (default 2M; in large pages of a tmpfs 1M at most)"),
	OPTION_NUMBER("history", 'H', &wish.history, "N",
		      "begin with up to this many messages from before"),
	OPTION_COUNT("count", 'n', &wish.count, "N",
		     "end when this many messages are recorded, of all topics together"),
	OPTION_SECONDS("duration", 'd', &wish.duration_ns, "SECONDS", "end after this time"),
	OPTION_TEXT(
		"crc", 0, &wish.crc, "WHICH",
		"CRCs: copied (the default) of what was copied, not of what was written from where "
		"it lay; all; none"),
	OPTION_FLAG("buffered", 0, &wish.buffered,
		    "write through the page cache also where O_DIRECT would work"),
	OPTION_FLAG("no-uring", 0, &wish.single,
		    "one write at a time, by pwritev(2), also where io_uring works"),
	OPTION_FLAG("copy", 0, &wish.copy,
		    "copy large messages too, so that none is overwritten while it is written"),
	OPTION_FLAG("force", 'f', &wish.force, "overwrite a file that is there"),
	OPTION_FLAG("realtime", 0, &wish.realtime,
		    "take messages before all processes of ordinary priority run"),
	OPTION_FLAG("quiet", 'q', &wish.quiet, "no progress, and no summary at the end"),
	{0},
};

struct record {
	struct frame *frame;
	struct recorder *recorder;
	struct tape *tape;
	int64_t began_ns;
	int64_t deadline_ns;
	int64_t looked_ns;
	int64_t told_ns;
	bool has_progress;
	bool is_punctual; /* it has the priority that was wished for */
	bool has_told_of_uring;
};

/*
 * What was wished for
 */

/* A number and a unit: s, m, h are times; K, M, G, T and none are sizes. */
static bool parse_amount(const char *text, uint64_t *ret_size, int64_t *ret_ns)
{
	static const char sizes[] = "KMGT";
	char *end;
	double number = strtod(text, &end);
	const char *unit = *end ? strchr(sizes, *end) : NULL;
	int64_t second = WAIT_SECOND;

	if (end == text || !(number > 0) || number > 1e12 || (*end && end[1]))
		return false;
	*ret_size = 0;
	*ret_ns = 0;
	if (!*end)
		*ret_size = (uint64_t)number;
	else if (unit)
		*ret_size = (uint64_t)(number * (double)(UINT64_C(1) << 10 * (unit - sizes + 1)));
	else if (strchr("smh", *end) && number < 1e6)
		*ret_ns = (int64_t)(number * (double)(*end == 's'   ? second
						      : *end == 'm' ? 60 * second
								    : 3600 * second));
	return *ret_size || *ret_ns;
}

static int plan_amounts(const struct frame *frame, struct tape_plan *plan)
{
	uint64_t size;

	if (wish.split && !parse_amount(wish.split, &plan->split_size, &plan->split_ns))
		return frame_usage(frame,
				   "--split wants a size such as 500M or a time such as 10m, not "
				   "'%s'",
				   wish.split);
	if (wish.snapshot && (!parse_amount(wish.snapshot, &size, &plan->snapshot_ns) || size))
		return frame_usage(frame, "--snapshot wants a time such as 30s, not '%s'",
				   wish.snapshot);
	if (wish.split && wish.snapshot)
		return frame_usage(frame, "--split and --snapshot exclude each other");
	return FRAME_DONE;
}

static int plan_compression(const struct frame *frame, struct tape_plan *plan)
{
	const char *name = wish.compress ? wish.compress : "none";

	plan->compression = compression_find(name, strlen(name));
	if (!strcmp(name, "none"))
		plan->compression = COMPRESSION_NONE;
	else if (plan->compression == COMPRESSION_NONE || plan->compression == COMPRESSION_UNKNOWN)
		return frame_usage(frame, "--compress is none, lz4 or zstd, not '%s'", name);
	return FRAME_DONE;
}

static int plan_crc(const struct frame *frame, struct tape_plan *plan)
{
	static const char *const names[] = {
		[WRITER_CRC_COPIED] = "copied",
		[WRITER_CRC_ALL] = "all",
		[WRITER_CRC_NONE] = "none",
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		plan->crc = (enum writer_crc)i;
		if (!wish.crc || !strcmp(wish.crc, names[i]))
			return FRAME_DONE;
	}
	return frame_usage(frame, "--crc is copied, all or none, not '%s'", wish.crc);
}

static int make_plan(const struct frame *frame, struct tape_plan *plan)
{
	int status;

	if (!wish.output)
		return frame_usage(frame, "--output is missing: which file is to be written?");
	if (wish.all == (frame->operands_count > 0))
		return frame_usage(frame, wish.all ? "--all and topics exclude each other"
						   : "TOPIC or --all is missing");
	*plan = (struct tape_plan){
		.path = wish.output,
		.overwrite = wish.force,
		.mode = wish.buffered ? OUTPUT_BUFFERED
			: wish.single ? OUTPUT_SINGLE
				      : OUTPUT_AUTO,
		.chunk_size = wish.chunk ? wish.chunk : CHUNK_DEFAULT,
		.memory_max = wish.memory ? wish.memory : MEMORY_DEFAULT,
		.never_refer = wish.copy,
		.is_whole = recorder_is_whole,
		.let_go = recorder_let_go,
		.lose = recorder_lose,
		.forget = recorder_forget,
		.list_losses = recorder_list_losses,
	};
	if (plan->memory_max < MEMORY_MIN || plan->chunk_size > plan->memory_max / 4)
		return frame_usage(frame,
				   "--memory is at least 8M and at least four times --chunk");
	status = plan_amounts(frame, plan);
	if (status == FRAME_DONE)
		status = plan_crc(frame, plan);
	return status == FRAME_DONE ? plan_compression(frame, plan) : status;
}

/*
 * While it runs
 */

static volatile sig_atomic_t snapshot_wanted;

static void on_snapshot(int number)
{
	(void)number;
	snapshot_wanted = 1;
}

static void print_progress(struct record *record)
{
	struct recorder_counts counts;
	struct tape_counts tape;
	double seconds = (double)(wait_now_ns() - record->began_ns) / 1e9;

	recorder_count(record->recorder, &counts);
	tape_count(record->tape, &tape);
	(void)fprintf(
		stderr,
		"\r%.1f s  %zu of %zu topics  %llu messages  %s  %.1f MB/s  back-log %s  lost "
		"%llu\033[K",
		seconds, counts.topics_found, counts.topics,
		(unsigned long long)(tape.messages - tape.lost), text_bytes(tape.bytes).text,
		(double)tape.bytes / 1e6 / seconds, text_bytes(tape.backlog).text,
		(unsigned long long)counts.lost);
	(void)fflush(stderr);
}

/* Where several writes at a time would have been faster. Once: not for each file. */
static void tell_of_uring(struct record *record, const struct tape_counts *counts)
{
	if (counts->flights_error >= 0 || record->has_told_of_uring)
		return;
	record->has_told_of_uring = true;
	if (counts->flights_error == -ENOMEM)
		frame_say(record->frame, "one write at a time: this user may not lock memory for "
					 "io_uring (ulimit -l)");
	else if (counts->flights_error == -EPERM || counts->flights_error == -EACCES)
		frame_say(record->frame, "one write at a time: io_uring is forbidden here");
	else if (counts->flights_error == -ENOSYS)
		frame_say(record->frame, "one write at a time: there is no io_uring here");
	else
		frame_say(record->frame, "one write at a time: io_uring: %s",
			  frame_reason(counts->flights_error));
}

/* What does not come with a message. */
static void look_around(struct record *record, int64_t now_ns)
{
	struct tape_counts counts;

	if (snapshot_wanted) {
		snapshot_wanted = 0;
		tape_snapshot(record->tape);
	}
	if (now_ns - record->looked_ns >= LOOK_NS) {
		record->looked_ns = now_ns;
		if (wish.all)
			(void)recorder_add_all(record->recorder, wish.history);
		tape_count(record->tape, &counts);
		tell_of_uring(record, &counts);
	}
	if (record->has_progress && now_ns - record->told_ns >= PROGRESS_NS) {
		record->told_ns = now_ns;
		print_progress(record);
	}
}

/* Naps get longer as long as rings are not filled much meanwhile. */
static void nap(struct record *record, struct wait_pace *pace)
{
	if (recorder_is_hurried(record->recorder))
		wait_pace_reset(pace);
	pace->longest_ns = recorder_nap_max(record->recorder, record->is_punctual);
	(void)wait_pace_nap(pace, record->deadline_ns);
}

static uint64_t count_left(const struct record *record)
{
	return wish.count ? wish.count - recorder_recorded(record->recorder) : UINT64_MAX;
}

/* What is on its way may be found overwritten, and then another message takes its place. */
static bool is_complete(const struct record *record)
{
	return tape_is_settled(record->tape) && count_left(record) == 0;
}

/* What was published before the end is recorded, however much comes after it. */
static int record_rest(struct record *record)
{
	struct tape_error error;

	if (wish.all)
		(void)recorder_add_all(record->recorder, wish.history);
	recorder_begin_end(record->recorder);
	while (count_left(record) && tape_check(record->tape, &error) == 0) {
		int r = recorder_step(record->recorder, count_left(record));

		if (r < 0)
			return FRAME_FAILED;
		if (r == 0 && !recorder_has_waiting(record->recorder))
			break;
		if (r == 0)
			tape_wait(record->tape, wait_now_ns() + REST_NS);
	}
	return FRAME_DONE;
}

static int record_all(struct record *record)
{
	struct wait_pace pace = {0};
	struct tape_error error;

	while (!is_complete(record) && !wait_is_stopped()) {
		int r = recorder_step(record->recorder, count_left(record));
		int64_t now_ns = wait_now_ns();

		if (r < 0)
			return FRAME_FAILED;
		tape_tick(record->tape, now_ns);
		look_around(record, now_ns);
		if (now_ns >= record->deadline_ns || tape_check(record->tape, &error) < 0)
			break;
		if (r == 0 && !recorder_wait(record->recorder))
			nap(record, &pace);
	}
	return record_rest(record);
}

/*
 * The end
 */

static double cpu_seconds(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void add_channel(void *user, const char *topic, uint32_t publisher, uint64_t messages,
			uint64_t lost)
{
	(void)json_array_append_new(
		user, json_pack("{s:o, s:I, s:o, s:o}", "topic", object_text(topic), "publisher",
				(json_int_t)publisher, "messages", object_number(messages), "lost",
				object_number(lost)));
}

static void print_object(const struct record *record, const struct tape_counts *tape,
			 const struct recorder_counts *counts, double seconds)
{
	json_t *channels = json_array();
	json_t *object = json_object();

	recorder_each(record->recorder, add_channel, channels);
	(void)json_object_set_new(object, "file", object_text(wish.output));
	(void)json_object_set_new(object, "files", object_number(tape->files));
	(void)json_object_set_new(object, "messages", object_number(tape->messages - tape->lost));
	(void)json_object_set_new(object, "bytes", object_number(tape->bytes));
	(void)json_object_set_new(object, "written", object_number(tape->written));
	(void)json_object_set_new(object, "not_copied", object_number(tape->direct));
	(void)json_object_set_new(object, "lost", object_number(counts->lost));
	(void)json_object_set_new(object, "o_direct", json_boolean(tape->is_direct));
	(void)json_object_set_new(object, "io_uring", json_boolean(tape->flies));
	(void)json_object_set_new(object, "seconds", json_real(seconds));
	(void)json_object_set_new(object, "cpu_seconds", json_real(cpu_seconds()));
	(void)json_object_set_new(object, "channels", channels);
	object_print(object);
}

static void print_summary(const struct record *record, const struct tape_counts *tape)
{
	double seconds = (double)(wait_now_ns() - record->began_ns) / 1e9;
	uint64_t messages = tape->messages - tape->lost;
	struct recorder_counts counts;

	recorder_count(record->recorder, &counts);
	if (record->has_progress)
		(void)fputs("\r\033[K", stderr);
	if (record->frame->json) {
		print_object(record, tape, &counts, seconds);
		return;
	}
	if (wish.quiet)
		return;
	(void)fprintf(stderr,
		      "floe record: %llu message%s of %zu publisher%s, %s in %.3f s, lost %llu\n",
		      (unsigned long long)messages, messages == 1 ? "" : "s", counts.channels,
		      counts.channels == 1 ? "" : "s", text_bytes(tape->bytes).text, seconds,
		      (unsigned long long)counts.lost);
}

static int open_tape(struct record *record, struct tape_plan *plan)
{
	struct tape_error error = {""};
	struct tape_counts counts;
	int r;

	plan->user = record->recorder;
	r = tape_open(&record->tape, plan, &error);
	if (r < 0)
		return frame_fail(record->frame, "%s", error.text);
	recorder_set_tape(record->recorder, record->tape);
	tape_count(record->tape, &counts);
	tell_of_uring(record, &counts);
	return FRAME_DONE;
}

static int run(struct record *record)
{
	struct tape_error error = {""};
	struct tape_counts counts;
	int status;
	int r;

	if (wish.snapshot)
		(void)sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_snapshot}, NULL);
	(void)signal(SIGXFSZ, SIG_IGN);
	wait_begin(false);
	r = wait_be_punctual(wish.realtime);
	if (r < 0)
		frame_say(record->frame, "no realtime priority: %s", frame_reason(r));
	record->is_punctual = wish.realtime && r == 0;
	record->began_ns = record->told_ns = wait_now_ns();
	record->deadline_ns = wish.duration_ns < 0 ? WAIT_FOREVER
						   : record->began_ns + wish.duration_ns;
	record->has_progress = !wish.quiet && isatty(STDERR_FILENO);
	if (wish.all)
		(void)recorder_add_all(record->recorder, wish.history);
	for (size_t i = 0; i < record->frame->operands_count; i++)
		recorder_add_topic(record->recorder, record->frame->operands[i], wish.history);
	status = record_all(record);
	if (tape_close(record->tape, &counts, &error) < 0)
		status = frame_fail(record->frame, "%s", error.text);
	tell_of_uring(record, &counts);
	print_summary(record, &counts);
	return status;
}

static int record_run(struct frame *frame)
{
	struct record record = {.frame = frame};
	struct tape_plan plan;
	int status = make_plan(frame, &plan);

	if (status != FRAME_DONE)
		return status;
	if (!frame_view(frame))
		return FRAME_FAILED;
	record.recorder = recorder_open(frame);
	status = open_tape(&record, &plan);
	if (status == FRAME_DONE)
		status = run(&record);
	recorder_close(record.recorder);
	return status;
}

const struct command record_command = {
	.name = "record",
	.summary = "record topics to a file (MCAP)",
	.operands = "[TOPIC...]",
	.operands_max = SIZE_MAX,
	.options = options,
	.text = "It looks on from outside, takes no subscriber's place, and nobody waits for it.\n"
		"Topics may come later. What was overwritten before it was written is lost, and\n"
		"counted for each publisher in the file's metadata 'floe.losses'. At the end what\n"
		"had been published by then is still recorded; a second Ctrl-C does without.\n"
		"\n"
		"A recorder that was killed leaves a file that 'floe bag repair' makes whole, up\n"
		"to the last half second, or, where it has no pause, the last 64 MiB and one\n"
		"payload. A full disk ends the recording, and the file is whole.\n"
		"With --split or --snapshot the files are FILE-000, FILE-001 and so on.\n",
	.examples = "  floe record -o run.mcap camera pose        until Ctrl-C\n"
		    "  floe record -o run.mcap --all --split 1G --compress lz4\n"
		    "  floe record -o bug.mcap --all --snapshot 30s & ... kill -USR1 $!\n",
	.run = record_run,
};
