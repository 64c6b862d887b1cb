/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "frame.h"
#include "object.h"
#include "player.h"
#include "stats.h"
#include "text.h"
#include "wait.h"

#define KEEP_ALIVE_NS (WAIT_SECOND / 10)
#define PROGRESS_NS (WAIT_SECOND / 2)
#define LOOK_NS (WAIT_SECOND / 100)
/* What comes so soon is read from the file when there is this much time for it. */
#define AHEAD_NS UINT64_C(300000000)
#define SPARE_NS (WAIT_SECOND / 2000)
/* Messages that the figures of lateness are about. */
#define LATE_WINDOW 100000

static struct {
	double rate;
	bool fast;
	bool loop;
	struct frame_list topics;
	struct frame_list remap;
	int64_t start_ns;
	int64_t end_ns;
	uint64_t lanes;
	uint64_t wait_for;
	int64_t keep_alive_ns;
	bool realtime;
	bool quiet;
} wish = {.rate = 1, .end_ns = -1, .keep_alive_ns = KEEP_ALIVE_NS};

static const struct frame_option options[] = {
	OPTION_RATE("rate", 'r', &wish.rate, "FACTOR", "2 is twice as fast, 0.5 half as fast"),
	OPTION_FLAG("fast", 0, &wish.fast, "as fast as it goes: the times do not matter"),
	OPTION_FLAG("loop", 'l', &wish.loop, "begin again at the end, until Ctrl-C"),
	OPTION_LIST("topic", 't', &wish.topics, "NAME",
		    "only this topic; may be given several times"),
	OPTION_LIST("remap", 'm', &wish.remap, "OLD=NEW",
		    "publish a topic under another name; may be given several times"),
	OPTION_SECONDS("start", 's', &wish.start_ns, "SECONDS", "begin so far into the recording"),
	OPTION_SECONDS("end", 'e', &wish.end_ns, "SECONDS", "end so far into the recording"),
	OPTION_COUNT("lanes", 0, &wish.lanes, "N",
		     "subscribers of a topic that drop the newest, at the same time"),
	OPTION_COUNT("wait-for", 'w', &wish.wait_for, "N",
		     "send nothing before each topic has this many subscribers"),
	OPTION_SECONDS("keep-alive", 'k', &wish.keep_alive_ns, "SECONDS",
		       "stay this long after the last message, for onlookers (default 0.1)"),
	OPTION_FLAG("realtime", 0, &wish.realtime,
		    "before all processes of ordinary priority: punctual on a busy machine"),
	OPTION_FLAG("quiet", 'q', &wish.quiet, "no progress, and no summary at the end"),
	{0},
};

struct play {
	struct frame *frame;
	struct reader reader;
	struct fault fault;
	struct player *player;
	uint64_t first; /* log time of the first message of the file */
	uint64_t last;
	int64_t began_ns;
	int64_t told_ns;
	bool has_progress;
	struct stats late; /* ms, of each message that had a time */
};

static int fail_reading(const struct play *play)
{
	return frame_fail(play->frame, "'%s', at byte %llu: %s", play->frame->operands[0],
			  (unsigned long long)play->fault.offset, play->fault.text);
}

static int open_file(struct play *play)
{
	const char *path = play->frame->operands[0];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return frame_fail(play->frame, "cannot open '%s': %s", path, strerror(errno));
	if (reader_open(&play->reader, fd, READER_MEMORY_MAX, &play->fault) < 0)
		return fail_reading(play);
	if (play->reader.is_cut)
		frame_say(play->frame,
			  "'%s' has no end (at byte %llu: %s): what is whole is played, 'floe bag "
			  "repair' makes it a whole file",
			  path, (unsigned long long)play->reader.cut.offset, play->reader.cut.text);
	catalog_span(&play->reader.catalog, &play->first, &play->last);
	return FRAME_DONE;
}

static void print_progress(struct play *play, uint64_t time)
{
	struct player_counts counts;

	player_count(play->player, &counts);
	(void)fprintf(stderr, "\r%.1f of %.1f s  %llu messages  %s\033[K",
		      (double)(time - play->first) / 1e9, (double)(play->last - play->first) / 1e9,
		      (unsigned long long)counts.messages, text_bytes(counts.bytes).text);
	(void)fflush(stderr);
}

static uint64_t add_time(uint64_t time, uint64_t ns)
{
	return time > UINT64_MAX - ns ? UINT64_MAX : time + ns;
}

/* When a message of this log time is due; its distance from the first one that is played. */
static int64_t find_due(int64_t begun_ns, uint64_t distance_ns)
{
	double ns = (double)distance_ns / wish.rate;

	return ns > 9e18 ? WAIT_FOREVER : begun_ns + (int64_t)ns;
}

/* Waits until then, and loads what comes next. False when it is time to stop. */
static bool wait_for(struct play *play, int64_t due_ns, uint64_t log_time)
{
	int r = 1;

	while (r == 1 && due_ns - wait_now_ns() > SPARE_NS)
		r = reader_ahead(&play->reader, add_time(log_time, AHEAD_NS));
	return wait_exactly(due_ns);
}

/* False when it is time to stop. */
static bool await(struct play *play, int64_t due_ns, uint64_t log_time)
{
	if (!wait_for(play, due_ns, log_time))
		return false;
	stats_add(&play->late, (double)(wait_now_ns() - due_ns) / 1e6);
	return true;
}

/* Once through the file. */
static int play_once(struct play *play)
{
	uint64_t from = add_time(play->first, (uint64_t)wish.start_ns);
	uint64_t to = wish.end_ns < 0 ? UINT64_MAX : add_time(play->first, (uint64_t)wish.end_ns);
	struct message message;
	int64_t begun_ns = wait_now_ns();
	int r;

	reader_seek(&play->reader, from, to);
	while ((r = reader_next(&play->reader, &message)) == 1) {
		if (!player_wants(play->player, &message))
			continue;
		if (!wish.fast &&
		    !await(play, find_due(begun_ns, message.log_time - from), message.log_time))
			return FRAME_DONE;
		if (wait_is_stopped())
			return FRAME_DONE;
		if (player_send(play->player, &message) != FRAME_DONE)
			return FRAME_FAILED;
		if (play->has_progress && wait_now_ns() - play->told_ns >= PROGRESS_NS) {
			play->told_ns = wait_now_ns();
			print_progress(play, message.log_time);
		}
	}
	return r < 0 ? fail_reading(play) : FRAME_DONE;
}

static int play_all(struct play *play)
{
	struct player_counts before;
	struct player_counts after;
	int status;

	do {
		player_count(play->player, &before);
		status = play_once(play);
		player_count(play->player, &after);
		/* A loop of nothing would never end. */
	} while (status == FRAME_DONE && wish.loop && !wait_is_stopped() &&
		 after.messages > before.messages);
	return status;
}

struct lateness {
	double p50, p99, most;
};

/* How much later than they should messages were sent, as far as waiting is the cause. */
static struct lateness find_lateness(const struct play *play)
{
	static const double percents[] = {50, 99, 100};
	double late[3];

	stats_percentiles(&play->late, percents, 3, late);
	return (struct lateness){late[0], late[1], late[2]};
}

static void print_object(const struct play *play, const struct player_counts *counts,
			 double seconds)
{
	struct lateness late = find_lateness(play);

	object_print(json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:f, s:{s:f, s:f, s:f}}", "file",
		object_text(play->frame->operands[0]), "messages", object_number(counts->messages),
		"bytes", object_number(counts->bytes), "left_out", object_number(counts->left_out),
		"dropped", object_number(counts->dropped), "seconds", seconds, "late_ms", "p50",
		late.p50, "p99", late.p99, "max", late.most));
}

static void print_summary(const struct play *play)
{
	double seconds = (double)(wait_now_ns() - play->began_ns) / 1e9;
	struct player_counts counts;

	player_count(play->player, &counts);
	if (play->has_progress)
		(void)fputs("\r\033[K", stderr);
	if (play->frame->json) {
		print_object(play, &counts, seconds);
		return;
	}
	if (wish.quiet)
		return;
	(void)fprintf(stderr, "floe play: sent %llu message%s, %s in %.3f s",
		      (unsigned long long)counts.messages, counts.messages == 1 ? "" : "s",
		      text_bytes(counts.bytes).text, seconds);
	if (counts.left_out)
		(void)fprintf(stderr, ", left out %llu empty ones",
			      (unsigned long long)counts.left_out);
	if (play->late.count)
		(void)fprintf(stderr, ", late by %.3f ms at p99", find_lateness(play).p99);
	(void)fputc('\n', stderr);
}

static void wait_for_subscribers(const struct play *play)
{
	while (player_subscribers(play->player) < wish.wait_for)
		if (!wait_until(wait_now_ns() + LOOK_NS))
			return;
}

static int run(struct play *play)
{
	int status = player_begin(play->player);
	int r;

	if (status != FRAME_DONE)
		return status;
	wait_begin(false);
	r = wait_be_punctual(wish.realtime);
	if (r < 0)
		frame_say(play->frame, "no realtime priority: %s", frame_reason(r));
	wait_for_subscribers(play);
	play->began_ns = play->told_ns = wait_now_ns();
	play->has_progress = !wish.quiet && isatty(STDERR_FILENO);
	status = play_all(play);
	print_summary(play);
	(void)fflush(stdout);
	if (!wait_is_stopped())
		(void)wait_until(wait_now_ns() + wish.keep_alive_ns);
	return status;
}

static int play_run(struct frame *frame)
{
	struct play play = {.frame = frame};
	int status;

	if (!frame_view(frame))
		return FRAME_FAILED;
	status = open_file(&play);
	if (status != FRAME_DONE)
		return status;
	stats_open(&play.late, LATE_WINDOW);
	play.player = player_open(frame, &play.reader, &wish.topics, &wish.remap, wish.lanes);
	status = play.player ? run(&play) : FRAME_USAGE;
	if (play.player)
		player_close(play.player);
	stats_close(&play.late);
	reader_close(&play.reader);
	return status;
}

const struct command play_command = {
	.name = "play",
	.summary = "publish what was recorded",
	.operands = "FILE",
	.operands_min = 1,
	.operands_max = 1,
	.options = options,
	.text = "Messages come in the order and at the distances of their log times. Each channel\n"
		"of the file is a publisher; what 'floe record' wrote says how its ring was made.\n"
		"Files that others wrote are played too. A slash in their topics becomes a dot,\n"
		"one in front is left out.\n",
	.examples = "  floe play run.mcap\n"
		    "  floe play run.mcap --topic camera --remap camera=camera2 --rate 0.5 --loop\n"
		    "  floe play run.mcap --start 10 --end 20\n",
	.run = play_run,
};
