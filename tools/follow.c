/* SPDX-License-Identifier: Apache-2.0 */
#include "follow.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include <floe/watch.h>

#include "object.h"
#include "text.h"
#include "wait.h"
#include "words.h"

static const char *const kind_names[] = {
	[FLOE_KIND_NODE] = "node",           [FLOE_KIND_TOPIC] = "topic",
	[FLOE_KIND_PUBLISHER] = "publisher", [FLOE_KIND_SUBSCRIBER] = "subscriber",
	[FLOE_KIND_NOTIFIER] = "notifier",   [FLOE_KIND_WRITER] = "writer",
	[FLOE_KIND_SERVER] = "server",       [FLOE_KIND_CLIENT] = "client",
};

static const char *const state_names[] = {
	[FLOE_STATE_ALIVE] = "alive",   [FLOE_STATE_DEAD] = "dead",
	[FLOE_STATE_CLOSED] = "closed", [FLOE_STATE_BROKEN] = "broken",
	[FLOE_STATE_HIDDEN] = "hidden",
};

static const char *const what_names[] = {
	[FLOE_WATCH_THERE] = "there", [FLOE_WATCH_CAME] = "came", [FLOE_WATCH_CHANGED] = "changed",
	[FLOE_WATCH_DIED] = "died",   [FLOE_WATCH_WENT] = "went",
};

/* A name of a table, or "?" for what a newer library says. */
#define NAME_OF(names, number) \
	((number) < FRAME_COUNT_OF(names) && (names)[number] ? (names)[number] : "?")

/* Several patterns are ours to compare, and who is on no topic matches none of them. */
static bool is_wanted(const struct frame *frame, const struct floe_watch_event *event)
{
	for (size_t i = 0; i < frame->operands_count; i++)
		if (event->kind != FLOE_KIND_NODE &&
		    fnmatch(frame->operands[i], event->topic, 0) == 0)
			return true;
	return frame->operands_count == 0;
}

static void print_object(const struct floe_watch_event *event)
{
	json_t *object = json_pack("{s:s, s:s, s:s}", "what", NAME_OF(what_names, event->what),
				   "kind", NAME_OF(kind_names, event->kind), "state",
				   NAME_OF(state_names, event->state));

	if (event->kind != FLOE_KIND_NODE)
		(void)json_object_set_new(object, "topic", object_text(event->topic));
	if (event->kind != FLOE_KIND_NODE && event->kind != FLOE_KIND_TOPIC)
		(void)json_object_set_new(object, "index", object_number(event->index));
	if (event->kind != FLOE_KIND_NODE)
		(void)json_object_set_new(object, "type", object_text(event->type));
	if (event->kind != FLOE_KIND_TOPIC) {
		(void)json_object_set_new(object, "node",
					  json_sprintf("%016llx", (unsigned long long)event->node));
		(void)json_object_set_new(object, "pid", json_integer(event->pid));
		(void)json_object_set_new(object, "process", object_text(event->process));
	}
	if (event->kind == FLOE_KIND_NODE) {
		(void)json_object_set_new(object, "tid", json_integer(event->tid));
		(void)json_object_set_new(object, "thread", object_text(event->thread));
	}
	(void)json_object_set_new(object, "uid", object_number(event->uid));
	object_print(object);
}

static void print_line(const struct floe_watch_event *event)
{
	printf("%-8s %-10s", NAME_OF(what_names, event->what), NAME_OF(kind_names, event->kind));
	if (*event->topic)
		printf(" %s", text_name(event->topic).text);
	if (event->kind != FLOE_KIND_TOPIC)
		printf(" %s(%d)", *event->process ? text_name(event->process).text : "",
		       event->pid);
	if (*event->type)
		printf(" of %s", text_name(event->type).text);
	if (event->what != FLOE_WATCH_WENT && event->state != FLOE_STATE_ALIVE)
		printf(", %s", NAME_OF(state_names, event->state));
	(void)putchar('\n');
}

/* Everything that is to be told now. 0, or -errno */
static int tell_all(const struct frame *frame, struct floe_watch *watch)
{
	struct floe_watch_event event;
	int r;

	while ((r = floe_watch_next(watch, &event, sizeof(event))) == 1) {
		if (!is_wanted(frame, &event))
			continue;
		if (frame->json)
			print_object(&event);
		else
			print_line(&event);
	}
	(void)fflush(stdout);
	return r;
}

int follow_run(struct frame *frame, const struct follow *follow)
{
	struct floe_error error = {""};
	struct floe_watch_options options = {
		.size = sizeof(options),
		.process = follow->process,
		.flags = follow->inside ? FLOE_WATCH_INSIDE : 0,
		.dir = frame->dir,
		.domain = frame->domain,
		.error = &error,
	};
	struct floe_watch *watch;
	int r;

	if (!words_read(frame, "kinds", follow->kinds, kind_names, FRAME_COUNT_OF(kind_names),
			&options.kinds) ||
	    !words_read(frame, "states", follow->states, state_names, FRAME_COUNT_OF(state_names),
			&options.states))
		return FRAME_USAGE;
	if (floe_watch_open(&watch, &options) < 0)
		return frame_fail(frame, "%s", error.text);
	wait_begin(true);
	do {
		r = tell_all(frame, watch);
		if (r < 0)
			frame_say(frame, "something cannot be looked at: %s", frame_reason(r));
	} while (!ferror(stdout) && wait_readable(floe_watch_fd(watch), WAIT_FOREVER));
	floe_watch_close(watch);
	return FRAME_DONE;
}
