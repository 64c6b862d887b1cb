/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lines.h"
#include "look.h"
#include "object.h"
#include "offer.h"
#include "text.h"
#include "wait.h"

/* Most lines are short; with this, a ring of DEPTH_HIGH lines is 4 MiB. */
#define LINE_MAX_DEFAULT 4096

/* Without --depth a ring is about this large, within these bounds: deep enough that a reader who
 * looks once a millisecond misses nothing of a usual stream, and small beside 64 MiB of tmpfs. */
#define RING_BYTES (UINT64_C(16) << 20)
#define DEPTH_LOW 4
#define DEPTH_HIGH 1024

/* How often a wait for a subscriber looks whether it should stop, and when it says that it waits. */
#define LOOK_NS (WAIT_SECOND / 10)
#define PATIENCE_NS (2 * WAIT_SECOND)

/* Who looks on from outside finds a new topic within 10 ms; a topic without subscribers ends with
 * its publisher. */
#define KEEP_ALIVE_NS (WAIT_SECOND / 10)

/* A pipe has 64 KiB unless it is told otherwise; with more, reads are fewer and larger. */
#define PIPE_BYTES (1 << 20)

static struct {
	char *message;
	uint64_t frame_size;
	uint64_t count;
	double rate;
	bool reliable_wait;
	bool drop;
	uint64_t depth;
	uint64_t payload_max;
	uint64_t lanes;
	uint64_t lane_depth;
	bool timestamps;
	uint64_t wait_for;
	char *type;
	char *header;
	char *header_type;
	struct frame_list attributes;
	int64_t keep_alive_ns;
	bool quiet;
} wish = {.keep_alive_ns = KEEP_ALIVE_NS};

static const struct frame_option options[] = {
	OPTION_TEXT(
		"message", 'm', &wish.message, "TEXT",
		"send this text instead of standard input; once, or again and again with --count or --rate"),
	OPTION_SIZE("frame-size", 'f', &wish.frame_size, "BYTES",
		    "standard input is a stream of messages of this size, not of lines"),
	OPTION_COUNT("count", 'n', &wish.count, "N", "end after this many messages"),
	OPTION_RATE("rate", 'r', &wish.rate, "HZ", "messages per second at most"),
	OPTION_FLAG("reliable-wait", 0, &wish.reliable_wait,
		    "wait for a reliable subscriber that is behind (the default)"),
	OPTION_FLAG("drop", 0, &wish.drop, "do not wait for it: drop the message and count it"),
	OPTION_COUNT("depth", 'd', &wish.depth, "N",
		     "messages that stay readable (default: what 16 MiB hold, 4 to 1024)"),
	OPTION_SIZE("payload-max", 0, &wish.payload_max, "BYTES",
		    "bytes of the largest message (default: the frame size, 4K for lines)"),
	OPTION_COUNT("lanes", 0, &wish.lanes, "N",
		     "subscribers that drop the newest, at the same time (default: none)"),
	OPTION_COUNT("lane-depth", 0, &wish.lane_depth, "N",
		     "messages that wait for each of them (default: the depth)"),
	OPTION_FLAG("timestamps", 't', &wish.timestamps,
		    "messages carry the time of their publication"),
	OPTION_COUNT("wait-for", 'w', &wish.wait_for, "N",
		     "send nothing before this many subscribers are there"),
	OPTION_TEXT("type", 0, &wish.type, "NAME", "name of the messages' type"),
	OPTION_LIST("attribute", 'a', &wish.attributes, "KEY=VALUE",
		    "what the publisher says of itself; up to eight times"),
	OPTION_TEXT("header", 0, &wish.header, "HEX",
		    "these bytes travel as a header beside each message"),
	OPTION_TEXT("header-type", 0, &wish.header_type, "NAME", "name of the header's type"),
	OPTION_SECONDS("keep-alive", 'k', &wish.keep_alive_ns, "SECONDS",
		       "stay this long after the last message, for onlookers (default 0.1)"),
	OPTION_FLAG("quiet", 'q', &wish.quiet, "no summary at the end"),
	{0},
};

struct pub {
	struct frame *frame;
	const char *topic;
	struct floe_publisher *publisher;
	struct offer offer;
	size_t payload_max;

	struct lines lines;

	uint64_t sent;
	uint64_t bytes;
	uint64_t dropped;
	uint64_t empty;
	int64_t began_ns;
	int64_t next_ns; /* when --rate allows the next message */
	bool has_complained;
};

/*
 * Opening
 */

static size_t choose_payload_max(void)
{
	size_t length = wish.message ? strlen(wish.message) : 0;

	if (wish.payload_max)
		return wish.payload_max;
	if (wish.frame_size)
		return wish.frame_size;
	/* One geometry for all short texts: then each call adopts the ring of the one before. */
	return length > LINE_MAX_DEFAULT ? length : LINE_MAX_DEFAULT;
}

static size_t choose_depth(size_t payload_max)
{
	size_t depth = RING_BYTES / payload_max;

	if (wish.depth)
		return wish.depth;
	return depth < DEPTH_LOW ? DEPTH_LOW : depth > DEPTH_HIGH ? DEPTH_HIGH : depth;
}

static int fail_full(struct pub *pub)
{
	const char *path = floe_view_path(pub->frame->view);
	struct look_space space = {0};

	(void)look_space(&space, path);
	return frame_fail(
		pub->frame,
		"the tmpfs that holds '%s' is full (%s of %s free): remove what is not needed "
		"there ('floe clean' helps), enlarge it (mount -o remount,size=...), or use a "
		"smaller --depth or --payload-max",
		path, text_bytes(space.free).text, text_bytes(space.size).text);
}

/* Bytes that the system can still give; UINT64_MAX when it does not say. */
static uint64_t available_memory(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	uint64_t available = UINT64_MAX;
	unsigned long long kib;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			available = kib << 10;
	if (file)
		(void)fclose(file);
	return available;
}

/* A tmpfs may be larger than what is left of the memory: then the kernel would kill somebody. */
static int check_memory(const struct pub *pub, const struct floe_publisher_options *wanted)
{
	ssize_t needed = floe_publisher_memory_size(wanted);
	uint64_t available = available_memory();

	if (needed < 0 || (uint64_t)needed <= available)
		return FRAME_DONE;
	return frame_fail(
		pub->frame,
		"a ring of %s is more than the %s of memory that are left: use a smaller --depth or --payload-max",
		text_bytes((uint64_t)needed).text, text_bytes(available).text);
}

static int open_publisher(struct pub *pub)
{
	struct floe_error error = {0};
	const struct floe_type type = {.name = wish.type};
	struct floe_publisher_options floe_options = {
		.size = sizeof(floe_options),
		.depth = choose_depth(pub->payload_max),
		.loans_max = 1,
		.payload_max = pub->payload_max,
		.holds_max = 1, /* the pool grows with the subscribers that come */
		.lanes_max = wish.lanes,
		.lane_depth = wish.lane_depth,
		.type = wish.type ? &type : NULL,
		.flags = wish.timestamps ? FLOE_TIMESTAMPS : 0,
		.dir = pub->frame->dir,
		.domain = pub->frame->domain,
		.error = &error,
	};
	int r;

	offer_put(&pub->offer, &floe_options);
	if (check_memory(pub, &floe_options) != FRAME_DONE)
		return FRAME_FAILED;
	r = floe_publisher_open(&pub->publisher, pub->topic, &floe_options);
	if (r == -ENOSPC)
		return fail_full(pub);
	if (r < 0)
		return frame_fail(pub->frame, "%s", *error.text ? error.text : frame_reason(r));
	return FRAME_DONE;
}

static size_t count_subscribers(const struct pub *pub)
{
	struct look_topics topics = {0};
	const struct look_topic *topic;
	size_t count;

	if (look_topics(&topics, pub->frame->view) < 0)
		return 0;
	topic = look_find(&topics, pub->topic);
	count = topic ? topic->info.subscribers : 0;
	look_topics_end(&topics);
	return count;
}

static void wait_for_subscribers(const struct pub *pub)
{
	while (count_subscribers(pub) < wish.wait_for)
		if (!wait_until(wait_now_ns() + WAIT_SECOND / 100))
			return;
}

/*
 * Sending. Each step: 1 go on, 0 the end, -1 failed and told.
 */

/* A ring grows with its subscribers; when it cannot, all its chunks may be held. */
static int fail_loan(struct pub *pub, size_t size, int code)
{
	struct look_space space = {.free = UINT64_MAX};

	(void)look_space(&space, floe_view_path(pub->frame->view));
	if (code == -ENOSPC || (code == 0 && space.free < size))
		return fail_full(pub);
	if (code == 0)
		return frame_fail(
			pub->frame,
			"no chunk is free: subscribers hold them all ('floe info %s' shows who)",
			pub->topic);
	return frame_fail(pub->frame, "cannot lend %zu bytes: %s", size, frame_reason(code));
}

static int lend(struct pub *pub, size_t size, struct floe_loan *loan)
{
	int r = floe_loan(pub->publisher, size, loan);

	if (r == 1) {
		offer_sign(&pub->offer, pub->publisher, loan);
		return 1;
	}
	(void)fail_loan(pub, size, r);
	return -1;
}

static void complain_once(struct pub *pub, int64_t since_ns)
{
	if (wish.quiet || pub->has_complained || wait_now_ns() - since_ns < PATIENCE_NS)
		return;
	frame_say(pub->frame,
		  "waiting for a reliable subscriber of '%s' that is behind "
		  "('floe info %s' shows it, --drop would not wait)",
		  pub->topic, pub->topic);
	pub->has_complained = true;
}

static int wait_for_room(struct pub *pub, int64_t since_ns)
{
	int r = floe_publisher_wait(pub->publisher, wait_now_ns() + LOOK_NS);

	if (wait_is_stopped())
		return 0;
	if (r < 0 && r != -EINTR) {
		(void)frame_fail(pub->frame, "cannot wait: %s", frame_reason(r));
		return -1;
	}
	complain_once(pub, since_ns);
	return 1;
}

static int send_loan(struct pub *pub, struct floe_loan *loan)
{
	int64_t since_ns = wait_now_ns();
	size_t size = loan->size;
	int r;

	while ((r = floe_publish(pub->publisher, loan)) == 0) {
		int go_on = wish.drop ? 0 : wait_for_room(pub, since_ns);

		if (go_on == 1)
			continue;
		floe_discard(pub->publisher, loan);
		pub->dropped += wish.drop;
		return wish.drop ? 1 : go_on;
	}
	if (r < 0) {
		(void)frame_fail(pub->frame, "cannot publish: %s", frame_reason(r));
		return -1;
	}
	pub->sent++;
	pub->bytes += size;
	return 1;
}

static int send_bytes(struct pub *pub, const void *bytes, size_t size)
{
	struct floe_loan loan = {0};
	int r;

	r = lend(pub, size, &loan);
	if (r < 0)
		return r;
	memcpy(loan.data, bytes, size);
	return send_loan(pub, &loan);
}

static int send_message(struct pub *pub)
{
	return send_bytes(pub, wish.message, strlen(wish.message));
}

/*
 * Standard input
 */

static int fail_input(const struct pub *pub, int code)
{
	if (code == -E2BIG)
		(void)frame_fail(pub->frame,
				 "a line is longer than %zu bytes: use a larger --payload-max",
				 pub->payload_max);
	else
		(void)frame_fail(pub->frame, "cannot read standard input: %s", strerror(-code));
	return -1;
}

static int discard(struct pub *pub, struct floe_loan *loan, int r)
{
	floe_discard(pub->publisher, loan);
	return r;
}

/* Reads from the pipe into the chunk: no copy in between. */
static int send_frame(struct pub *pub)
{
	struct floe_loan loan = {0};
	size_t done = 0;

	if (lend(pub, wish.frame_size, &loan) < 0)
		return -1;

	while (done < loan.size) {
		ssize_t r = wait_read(STDIN_FILENO, (char *)loan.data + done, loan.size - done);

		if (r < 0)
			return discard(pub, &loan, fail_input(pub, (int)r));
		if (r == 0)
			break;
		done += (size_t)r;
	}
	if (done == loan.size)
		return send_loan(pub, &loan);

	if (done > 0 && !wait_is_stopped()) {
		(void)frame_fail(
			pub->frame,
			"the input ended inside a frame: its %zu bytes of %zu were not sent", done,
			loan.size);
		return discard(pub, &loan, -1);
	}
	return discard(pub, &loan, 0);
}

static int send_line(struct pub *pub)
{
	const char *line;
	size_t size;
	int r;

	/* A message has at least one byte. */
	while ((r = lines_next(&pub->lines, &line, &size)) == 1 && size == 0)
		pub->empty++;
	if (r < 0)
		return fail_input(pub, r);
	return r == 1 ? send_bytes(pub, line, size) : 0;
}

/*
 * The command
 */

static bool is_allowed(struct pub *pub)
{
	if (wish.rate == 0)
		return true;
	if (!wait_until(pub->next_ns))
		return false;
	/* Late is late: after a pause the next messages do not come in a burst. */
	if (wait_now_ns() - pub->next_ns > WAIT_SECOND / 10)
		pub->next_ns = wait_now_ns();
	pub->next_ns += (int64_t)(1e9 / wish.rate);
	return true;
}

static int send_all(struct pub *pub)
{
	int (*send_one)(struct pub *) = wish.message      ? send_message
					: wish.frame_size ? send_frame
							  : send_line;
	uint64_t count = wish.count ? wish.count : wish.message && wish.rate == 0 ? 1 : UINT64_MAX;
	int r = 1;

	pub->began_ns = pub->next_ns = wait_now_ns();
	for (uint64_t i = 0; i < count && r == 1 && !wait_is_stopped(); i++) {
		if (!is_allowed(pub))
			break;
		r = send_one(pub);
	}
	return r < 0 ? FRAME_FAILED : FRAME_DONE;
}

static void print_object(const struct pub *pub, double seconds)
{
	json_t *object = json_object();

	(void)json_object_set_new(object, "topic", object_text(pub->topic));
	(void)json_object_set_new(object, "sent", object_number(pub->sent));
	(void)json_object_set_new(object, "bytes", object_number(pub->bytes));
	(void)json_object_set_new(object, "dropped", object_number(pub->dropped));
	(void)json_object_set_new(object, "empty", object_number(pub->empty));
	(void)json_object_set_new(object, "seconds", json_real(seconds));
	object_print(object);
}

static void print_summary(const struct pub *pub)
{
	double seconds = (double)(wait_now_ns() - pub->began_ns) / 1e9;

	if (pub->frame->json) {
		print_object(pub, seconds);
		return;
	}
	if (wish.quiet)
		return;

	(void)fprintf(stderr, "floe pub: sent %llu message%s, %s in %.3f s (%.1f MB/s, %s)",
		      (unsigned long long)pub->sent, pub->sent == 1 ? "" : "s",
		      text_bytes(pub->bytes).text, seconds, (double)pub->bytes / 1e6 / seconds,
		      text_rate((double)pub->sent / seconds).text);
	if (pub->dropped)
		(void)fprintf(stderr, ", dropped %llu", (unsigned long long)pub->dropped);
	if (pub->empty)
		(void)fprintf(stderr, ", left out %llu empty line%s",
			      (unsigned long long)pub->empty, pub->empty == 1 ? "" : "s");
	(void)fputc('\n', stderr);
}

static int check_wish(const struct frame *frame)
{
	if (wish.message && wish.frame_size)
		return frame_usage(frame, "--message and --frame-size exclude each other");
	if (wish.message && !*wish.message)
		return frame_usage(frame, "--message is empty: a message has at least one byte");
	if (wish.drop && wish.reliable_wait)
		return frame_usage(frame, "--drop and --reliable-wait exclude each other");
	if (wish.payload_max && wish.frame_size > wish.payload_max)
		return frame_usage(frame, "--frame-size is larger than --payload-max");
	if (wish.payload_max && wish.message && strlen(wish.message) > wish.payload_max)
		return frame_usage(frame, "--message is longer than --payload-max");
	return FRAME_DONE;
}

static int publish(struct pub *pub)
{
	int status;

	wait_begin(false);
	pub->payload_max = choose_payload_max();
	status = open_publisher(pub);
	if (status != FRAME_DONE)
		return status;

	if (!wish.message && !wish.frame_size)
		lines_open(&pub->lines, STDIN_FILENO, pub->payload_max);
	(void)fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
	wait_for_subscribers(pub);
	status = send_all(pub);
	print_summary(pub);
	(void)fflush(stdout);
	if (!wait_is_stopped())
		(void)wait_until(wait_now_ns() + wish.keep_alive_ns);
	floe_publisher_close(pub->publisher);
	lines_close(&pub->lines);
	return status;
}

static int pub_run(struct frame *frame)
{
	struct pub pub = {.frame = frame, .topic = frame->operands[0]};
	int status = check_wish(frame);

	if (status == FRAME_DONE)
		status = offer_read(&pub.offer, frame, wish.header, wish.header_type,
				    &wish.attributes);
	if (status == FRAME_DONE)
		status = frame_view(frame) ? publish(&pub) : FRAME_FAILED;
	offer_close(&pub.offer);
	return status;
}

const struct command pub_command = {
	.name = "pub",
	.summary = "publish lines, frames or a text",
	.operands = "TOPIC",
	.operands_min = 1,
	.operands_max = 1,
	.options = options,
	.text = "Without --message every line of standard input is one message, without its\n"
		"new line; empty lines are left out. With --frame-size the input is cut into\n"
		"messages of that size, which are read from the pipe straight into shared\n"
		"memory.\n"
		"\n"
		"Only subscribers that ask for it are waited for; 'floe echo' is none, it\n"
		"looks on from outside. Without a subscriber a topic ends with its publisher,\n"
		"and its messages with it. The summary goes to standard error.\n",
	.examples = "  floe pub chat                            type lines, end with Ctrl-D\n"
		    "  floe pub chat -m 'hello'                 one message\n"
		    "  floe pub clock -m tick --rate 10         ten times a second, until Ctrl-C\n"
		    "  floe pub pose -m x -a frame=map --header 01000000   as programs want it\n"
		    "  ffmpeg -i a.mp4 -f rawvideo -pix_fmt gray -s 640x480 - |\n"
		    "      floe pub camera --frame-size 307200 --rate 30 --timestamps\n",
	.run = pub_run,
};
