/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <floe/service.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lines.h"
#include "object.h"
#include "text.h"
#include "wait.h"

/* Signals are looked at this often. */
#define STEP_NS (WAIT_SECOND / 10)

static struct {
	uint64_t count;
	int64_t timeout_ns;
	uint64_t size_max;
	bool raw;
} wish = {.count = 1, .timeout_ns = 5 * WAIT_SECOND, .size_max = 65536};

static const struct frame_option options[] = {
	OPTION_COUNT("count", 'n', &wish.count, "N", "send each request so often (1)"),
	OPTION_SECONDS("timeout", 't', &wish.timeout_ns, "S",
		       "wait so long for a server, and for each response (5)"),
	OPTION_SIZE("max", 0, &wish.size_max, "BYTES", "largest request (64K)"),
	OPTION_FLAG("raw", 'r', &wish.raw, "print the bytes of responses as they are"),
	{0},
};

struct call {
	struct frame *frame;
	struct floe_client *client;
	const char *service;
	uint64_t number; /* of requests that were sent */
};

static int64_t next_step(int64_t deadline_ns)
{
	int64_t step_ns = wait_now_ns() + STEP_NS;

	return step_ns < deadline_ns ? step_ns : deadline_ns;
}

static void print_object(const struct call *call, const struct floe_response *response)
{
	json_t *object = json_object();

	(void)json_object_set_new(object, "service", object_text(call->service));
	(void)json_object_set_new(object, "request", object_number(call->number));
	(void)json_object_set_new(object, "status", json_integer(response->status));
	(void)json_object_set_new(object, "size", object_number(response->size));
	if (response->data)
		object_set_payload(object, response->data, response->size);
	object_print(object);
}

static void print_response(const struct call *call, const struct floe_response *response)
{
	if (call->frame->json) {
		print_object(call, response);
	} else if (response->data && wish.raw) {
		(void)fwrite(response->data, 1, response->size, stdout);
	} else if (response->data) {
		text_escape(stdout, response->data, response->size);
		(void)putchar('\n');
	}
	(void)fflush(stdout);
}

/* How a request ended, for people; 0: well. */
static int conclude(const struct call *call, int status)
{
	if (status == 0)
		return FRAME_DONE;
	if (status == -EPIPE)
		return frame_fail(call->frame, "the server of '%s' is gone", call->service);
	if (status == -ETIMEDOUT)
		return frame_fail(call->frame, "no response of '%s' after %s", call->service,
				  text_duration(wish.timeout_ns).text);
	return frame_fail(call->frame, "'%s' says: %s", call->service, strerror(-status));
}

/* All responses to the request that is out: the last one's status, or that it is time to stop. */
static int hear(const struct call *call)
{
	struct floe_response response;
	int status = 1;

	while (status == 1 && !wait_is_stopped()) {
		int r = floe_client_take(call->client, &response);

		if (r < 0)
			return r;
		if (r == 0)
			(void)floe_client_wait(call->client, next_step(INT64_MAX));
		if (r == 0)
			continue;
		status = response.status;
		print_response(call, &response);
		floe_client_release(call->client, &response);
	}
	return status == 1 ? -EINTR : status;
}

/* A server may go between the loan and the sending: then another one is asked for. */
static int send(struct call *call, const char *data, size_t size)
{
	struct floe_loan loan;
	int r;

	do {
		r = floe_client_loan(call->client, size, &loan);
		if (r < 1)
			return r == 0 ? -EAGAIN : r;
		memcpy(loan.data, data, size);
		r = floe_client_send(call->client, &loan, wait_now_ns() + wish.timeout_ns, NULL);
		floe_client_discard(call->client, &loan);
	} while (r == -EPIPE);
	call->number++;
	return r;
}

static int find_server(const struct call *call)
{
	int64_t deadline_ns = wait_now_ns() + wish.timeout_ns;

	while (!wait_is_stopped()) {
		if (floe_client_wait_for_server(call->client, next_step(deadline_ns)) == 1)
			return FRAME_DONE;
		if (wait_now_ns() >= deadline_ns)
			return frame_fail(call->frame, "nobody serves '%s'", call->service);
	}
	return FRAME_DONE;
}

static int ask(struct call *call, const char *data, size_t size)
{
	for (uint64_t i = 0; i < wish.count && !wait_is_stopped(); i++) {
		int status = find_server(call);
		int r;

		if (status != FRAME_DONE || wait_is_stopped())
			return status;
		r = send(call, data, size);
		if (r < 0)
			return frame_fail(call->frame, "cannot ask '%s': %s", call->service,
					  frame_reason(r));
		status = conclude(call, hear(call));
		if (status != FRAME_DONE)
			return wait_is_stopped() ? FRAME_DONE : status;
	}
	return FRAME_DONE;
}

static int ask_lines(struct call *call)
{
	int status = FRAME_DONE;
	struct lines lines;
	const char *line;
	size_t size;
	int r = 0;

	lines_open(&lines, STDIN_FILENO, wish.size_max);
	while (status == FRAME_DONE && (r = lines_next(&lines, &line, &size)) == 1)
		if (size)
			status = ask(call, line, size);
	if (r < 0)
		status = frame_fail(call->frame, "cannot read: %s",
				    r == -E2BIG ? "a line is larger than --max" : frame_reason(r));
	lines_close(&lines);
	return status;
}

static int call_run(struct frame *frame)
{
	struct floe_error error = {""};
	struct floe_client_options wanted = {
		.size = sizeof(wanted),
		.payload_max = wish.size_max,
		.dir = frame->dir,
		.domain = frame->domain,
		.error = &error,
	};
	struct call call = {.frame = frame, .service = frame->operands[0]};
	const char *text = frame->operands_count > 1 ? frame->operands[1] : NULL;
	int status;
	int r;

	if (frame->json && wish.raw)
		return frame_usage(frame, "--json and --raw exclude each other");
	if (text && (!*text || strlen(text) > wish.size_max))
		return frame_usage(frame, "a request has 1 to %llu bytes",
				   (unsigned long long)wish.size_max);
	wait_begin(true);
	r = floe_client_open(&call.client, call.service, &wanted);
	if (r < 0)
		return frame_fail(frame, "%s", *error.text ? error.text : frame_reason(r));
	status = text ? ask(&call, text, strlen(text)) : ask_lines(&call);
	floe_client_close(call.client);
	return status;
}

const struct command call_command = {
	.name = "call",
	.summary = "send requests to a service and show the responses",
	.operands = "SERVICE [TEXT]",
	.operands_min = 1,
	.operands_max = 2,
	.options = options,
	.text = "Without TEXT each line of standard input is a request; the next is sent when\n"
		"the one before has ended. It waits for a server to come.\n",
	.examples = "  floe call sum '1 2 3'\n"
		    "  floe call sum --json < numbers\n"
		    "  floe call camera.settings get --timeout 0.5\n",
	.run = call_run,
};
