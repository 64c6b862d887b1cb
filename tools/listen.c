/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <floe/event.h>
#include <jansson.h>
#include <stdio.h>

#include "object.h"
#include "text.h"
#include "wait.h"

static struct {
	uint64_t count;
	bool once;
	int64_t timeout_ns;
	bool all;
} wish = {.timeout_ns = -1};

static const struct frame_option options[] = {
	OPTION_COUNT("count", 'n', &wish.count, "N", "end after this many lines"),
	OPTION_FLAG("once", '1', &wish.once, "the same as --count 1"),
	OPTION_SECONDS("timeout", 't', &wish.timeout_ns, "SECONDS",
		       "end after this time; fewer lines than --count, or none, is then a failure"),
	OPTION_FLAG("all", 'a', &wish.all,
		    "show also who came, left or died, and whose promise was not kept"),
	{0},
};

static const char *name_kind(uint32_t kind)
{
	static const char *const names[] = {
		[FLOE_EVENT_NOTIFIED] = "notified", [FLOE_EVENT_CREATED] = "created",
		[FLOE_EVENT_DROPPED] = "dropped",   [FLOE_EVENT_DIED] = "died",
		[FLOE_EVENT_MISSED] = "missed",
	};

	return kind < FRAME_COUNT_OF(names) && names[kind] ? names[kind] : "unknown";
}

static void print_event(const struct frame *frame, const struct floe_event *event)
{
	bool has_id = event->kind == FLOE_EVENT_NOTIFIED;
	json_t *object;

	if (!frame->json && has_id) {
		printf("%u %llu\n", event->id, (unsigned long long)event->count);
		return;
	}
	if (!frame->json) {
		printf("notifier %d %s\n", event->notifier, name_kind(event->kind));
		return;
	}
	object = json_pack("{s:o, s:s, s:i, s:o}", "event", object_text(frame->operands[0]), "kind",
			   name_kind(event->kind), "notifier", (int)event->notifier, "count",
			   object_number(event->count));
	if (has_id)
		(void)json_object_set_new(object, "id", object_number(event->id));
	object_print(object);
}

static int listen_all(struct frame *frame, struct floe_listener *listener, uint64_t wanted,
		      int64_t deadline_ns)
{
	int fd = floe_listener_fd(listener);
	uint64_t count = 0;

	if (fd < 0)
		return frame_fail(frame, "'%s': %s", frame->operands[0], frame_reason(fd));
	while (count < wanted && !wait_is_stopped() && !ferror(stdout)) {
		struct floe_event event;
		int r = floe_listener_take(listener, &event);

		if (r < 0)
			frame_say(frame, "'%s': %s", frame->operands[0], frame_reason(r));
		if (r == 1 && (wish.all || event.kind == FLOE_EVENT_NOTIFIED)) {
			print_event(frame, &event);
			count++;
		}
		if (r != 0)
			continue;
		(void)fflush(stdout);
		if (!wait_readable(fd, deadline_ns))
			break;
		if (wait_now_ns() >= deadline_ns)
			break;
	}
	if (wait_now_ns() < deadline_ns || wait_is_stopped() ||
	    count >= (wanted == UINT64_MAX ? 1 : wanted))
		return FRAME_DONE;
	return frame_fail(frame, "%s of '%s' after %s",
			  count ? "not all notifications" : "no notification", frame->operands[0],
			  text_duration(wish.timeout_ns).text);
}

static int listen_run(struct frame *frame)
{
	struct floe_error error = {{0}};
	struct floe_listener *listener = NULL;
	uint64_t wanted = wish.once ? 1 : wish.count ? wish.count : UINT64_MAX;
	int64_t deadline_ns;
	int status, r;

	if (wish.once && wish.count)
		return frame_usage(frame, "--once and --count exclude each other");
	wait_begin(true);
	deadline_ns = wish.timeout_ns < 0 ? WAIT_FOREVER : wait_now_ns() + wish.timeout_ns;
	r = floe_listener_open(&listener, frame->operands[0],
			       &(struct floe_listener_options){
				       .size = sizeof(struct floe_listener_options),
				       .dir = frame->dir,
				       .domain = frame->domain,
				       .error = &error,
			       });
	if (r < 0)
		return frame_fail(frame, "%s", *error.text ? error.text : frame_reason(r));
	status = listen_all(frame, listener, wanted, deadline_ns);
	floe_listener_close(listener);
	return status;
}

const struct command listen_command = {
	.name = "listen",
	.summary = "show what an event's notifiers say",
	.operands = "EVENT",
	.operands_min = 1,
	.operands_max = 1,
	.options = options,
	.text = "Each line is an id and how often it was notified since it was last shown;\n"
		"none is lost. It listens from now on, also before there is a notifier.\n",
	.examples = "  floe listen door                until Ctrl-C\n"
		    "  floe listen door --once -t 10   wait for the next one\n"
		    "  floe listen door --all --json\n",
	.run = listen_run,
};
