/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "object.h"
#include "speaker.h"
#include "text.h"
#include "wait.h"
#include "watch.h"

/* Nothing is lost while the ring holds more than what comes in this time. */
#define NAP_MAX_NS (WAIT_SECOND / 1000)

enum echo_format {
	ECHO_TEXT,
	ECHO_HEX,
	ECHO_JSON,
	ECHO_RAW,
};

static struct {
	char *format;
	uint64_t count;
	uint64_t history;
	bool once;
	int64_t timeout_ns;
	bool no_payload;
	bool verbose;
	bool quiet;
} wish = {.timeout_ns = -1};

static const struct frame_option options[] = {
	OPTION_TEXT(
		"format", 'f', &wish.format, "FORMAT",
		"text (one line each, escaped; the default), hex, json, or raw (the bytes, for pipes)"),
	OPTION_COUNT("count", 'n', &wish.count, "N", "end after this many messages"),
	OPTION_FLAG("once", '1', &wish.once, "the same as --count 1"),
	OPTION_NUMBER("history", 'H', &wish.history, "N",
		      "begin with up to this many messages from before"),
	OPTION_SECONDS(
		"timeout", 't', &wish.timeout_ns, "SECONDS",
		"end after this time; fewer messages than --count, or none, is then a failure"),
	OPTION_FLAG("no-payload", 0, &wish.no_payload,
		    "show only what -v shows, and do not copy the bytes"),
	OPTION_FLAG("verbose", 'v', &wish.verbose,
		    "show sequence, publisher, size, time, loss, headers and attributes"),
	OPTION_FLAG("quiet", 'q', &wish.quiet, "no word about lost messages at the end"),
	{0},
};

struct echo {
	struct frame *frame;
	struct watch watch;
	struct speakers speakers;
	enum echo_format format;
	uint64_t count_max;
	uint64_t count;
	uint64_t lost;
	int64_t deadline_ns;
};

/*
 * One message
 */

/* Of longer headers people see the beginning. */
#define HEADER_SHOWN 64

static void print_header_bytes(const struct echo *echo, const struct floe_sample *sample)
{
	size_t size = 0;
	const unsigned char *header = floe_observer_header(echo->watch.observer, sample, &size);

	if (!header)
		return;
	printf(", header ");
	for (size_t i = 0; i < size && i < HEADER_SHOWN; i++)
		printf("%02x", header[i]);
	if (size > HEADER_SHOWN)
		printf("...");
}

static void print_header(const struct echo *echo, const struct floe_sample *sample)
{
	printf("[%llu from %llu, %zu B", (unsigned long long)sample->sequence,
	       (unsigned long long)sample->ticket, sample->size);
	if (sample->time_ns)
		printf(", at %llu.%09llu s", (unsigned long long)(sample->time_ns / WAIT_SECOND),
		       (unsigned long long)(sample->time_ns % WAIT_SECOND));
	if (sample->lost)
		printf(", lost %llu", (unsigned long long)sample->lost);
	print_header_bytes(echo, sample);
	printf("]");
}

/* Before the first message of a publisher that says something of itself. */
static void print_speaker(struct echo *echo, const struct floe_sample *sample)
{
	bool is_new;
	const struct speaker *speaker = speakers_find(&echo->speakers, echo->frame->view,
						      echo->watch.topic, sample, &is_new);

	if (!is_new || !speaker->count)
		return;
	printf("[publisher %llu:", (unsigned long long)sample->ticket);
	for (size_t i = 0; i < speaker->count; i++)
		printf("%s %s=%s", i ? "," : "", text_name(speaker->attribute[i].key).text,
		       text_name(speaker->attribute[i].value).text);
	puts("]");
}

static void set_attributes(json_t *object, const struct speaker *speaker)
{
	json_t *attributes = json_object();

	for (size_t i = 0; i < speaker->count; i++)
		(void)json_object_set_new(attributes, speaker->attribute[i].key,
					  object_text(speaker->attribute[i].value));
	(void)json_object_set_new(object, "attributes", attributes);
}

static void print_object(struct echo *echo, const struct floe_sample *sample)
{
	json_t *object = json_object();
	const struct speaker *speaker;
	const void *header;
	size_t size = 0;
	bool is_new;

	speaker = speakers_find(&echo->speakers, echo->frame->view, echo->watch.topic, sample,
				&is_new);
	(void)json_object_set_new(object, "topic", object_text(echo->watch.topic));
	(void)json_object_set_new(object, "sequence", object_number(sample->sequence));
	(void)json_object_set_new(object, "publisher", object_number(sample->ticket));
	(void)json_object_set_new(object, "time_ns", object_number(sample->time_ns));
	(void)json_object_set_new(object, "size", object_number(sample->size));
	(void)json_object_set_new(object, "lost", object_number(sample->lost));
	header = floe_observer_header(echo->watch.observer, sample, &size);
	if (header)
		(void)json_object_set_new(object, "header", object_hex(header, size));
	if (speaker->count)
		set_attributes(object, speaker);
	if (!wish.no_payload)
		object_set_payload(object, sample->data, sample->size);
	object_print(object);
}

static void print_text(struct echo *echo, const struct floe_sample *sample)
{
	bool has_header = wish.verbose || wish.no_payload;

	if (has_header) {
		print_speaker(echo, sample);
		print_header(echo, sample);
	}
	if (has_header && (wish.no_payload || echo->format == ECHO_HEX))
		(void)putchar('\n');
	if (wish.no_payload)
		return;

	if (echo->format == ECHO_HEX) {
		text_hex(stdout, sample->data, sample->size);
		return;
	}
	if (has_header)
		(void)putchar(' ');
	text_escape(stdout, sample->data, sample->size);
	(void)putchar('\n');
}

static void print_sample(struct echo *echo, const struct floe_sample *sample)
{
	if (echo->format == ECHO_JSON)
		print_object(echo, sample);
	else if (echo->format == ECHO_RAW)
		(void)fwrite(sample->data, 1, sample->size, stdout);
	else
		print_text(echo, sample);
}

/*
 * All messages
 */

static int echo_all(struct echo *echo)
{
	struct wait_pace pace = {.longest_ns = NAP_MAX_NS};
	struct floe_sample sample;

	while (echo->count < echo->count_max && !wait_is_stopped() && !ferror(stdout)) {
		int r = watch_next(&echo->watch, wish.no_payload, &sample);

		if (r < 0)
			return frame_fail(echo->frame, "'%s': %s", echo->watch.topic,
					  watch_reason(r));
		if (r > 0) {
			print_sample(echo, &sample);
			echo->count++;
			echo->lost += sample.lost;
			wait_pace_reset(&pace);
			continue;
		}
		(void)fflush(stdout);
		if (!wait_pace_nap(&pace, echo->deadline_ns) || wait_now_ns() >= echo->deadline_ns)
			break;
	}
	return FRAME_DONE;
}

/* A time-out answers "no" unless what was asked for had come. */
static int conclude(const struct echo *echo)
{
	uint64_t wanted = echo->count_max == UINT64_MAX ? 1 : echo->count_max;

	if (echo->lost && !wish.quiet)
		frame_say(echo->frame,
			  "%llu message%s overwritten before they could be read: a larger "
			  "--depth of the publisher keeps them longer",
			  (unsigned long long)echo->lost, echo->lost == 1 ? " was" : "s were");
	if (wait_now_ns() < echo->deadline_ns || echo->count >= wanted || wait_is_stopped())
		return FRAME_DONE;
	return frame_fail(echo->frame, "%s of '%s' after %s",
			  echo->count ? "not all messages" : "no message", echo->watch.topic,
			  text_duration(wish.timeout_ns).text);
}

static int choose_format(const struct frame *frame, enum echo_format *ret)
{
	static const char *const names[] = {
		[ECHO_TEXT] = "text",
		[ECHO_HEX] = "hex",
		[ECHO_JSON] = "json",
		[ECHO_RAW] = "raw",
	};
	const char *name = wish.format ? wish.format : frame->json ? "json" : "text";

	if (frame->json && strcmp(name, "json") != 0)
		return frame_usage(frame, "--json and --format %s exclude each other", name);
	for (size_t i = 0; i < FRAME_COUNT_OF(names); i++) {
		if (!strcmp(name, names[i])) {
			*ret = (enum echo_format)i;
			return FRAME_DONE;
		}
	}
	return frame_usage(frame, "--format is text, hex, json or raw, not '%s'", name);
}

static int check_wish(const struct echo *echo)
{
	if (wish.once && wish.count)
		return frame_usage(echo->frame, "--once and --count exclude each other");
	if (wish.no_payload && echo->format == ECHO_RAW)
		return frame_usage(echo->frame,
				   "--no-payload leaves nothing to show in format raw");
	return FRAME_DONE;
}

static int echo_run(struct frame *frame)
{
	struct echo echo = {.frame = frame};
	int status = choose_format(frame, &echo.format);

	if (status == FRAME_DONE)
		status = check_wish(&echo);
	if (status != FRAME_DONE)
		return status;
	if (!frame_view(frame))
		return FRAME_FAILED;

	wait_begin(true);
	echo.count_max = wish.once ? 1 : wish.count ? wish.count : UINT64_MAX;
	echo.deadline_ns = wish.timeout_ns < 0 ? WAIT_FOREVER : wait_now_ns() + wish.timeout_ns;
	watch_init(&echo.watch, frame, frame->operands[0], wish.history);
	status = echo_all(&echo);
	if (status == FRAME_DONE)
		status = conclude(&echo);
	speakers_end(&echo.speakers);
	watch_end(&echo.watch);
	return status;
}

const struct command echo_command = {
	.name = "echo",
	.summary = "show the messages of a topic",
	.operands = "TOPIC",
	.operands_min = 1,
	.operands_max = 1,
	.options = options,
	.text = "It looks on from outside: it takes no subscriber's place, slows nobody down,\n"
		"also reads what a dead publisher left (--history), and waits for a topic\n"
		"that does not exist yet. A publisher does not wait for it; messages that\n"
		"were overwritten too early are counted.\n"
		"\n"
		"In the formats text and hex no byte of a message reaches the terminal as it\n"
		"is if it could change the terminal's state. In JSON a message is \"data\" if\n"
		"it is UTF-8, else \"hex\". Headers and attributes are shown with -v, and in\n"
		"JSON.\n",
	.examples = "  floe echo chat                      until Ctrl-C\n"
		    "  floe echo camera --no-payload       who sent what when, without the bytes\n"
		    "  floe echo chat --history 10 -n 10   the last ten messages\n"
		    "  floe echo camera --once -f raw > frame.gray\n"
		    "  floe echo pose --json | jq .sequence\n",
	.run = echo_run,
};
