/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <popt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* popt reports an option by a number of our choice: its place in one of these lists, plus the
 * list's base. */
#define OWN_BASE 1
#define COMMON_BASE 1000

/* Once in eleven days, and once a nanosecond: what a clock in nanoseconds can do. */
#define RATE_MIN 1e-6
#define RATE_MAX 1e9

static bool help_wanted;

static struct frame_option common_options(struct frame *frame, size_t index)
{
	const struct frame_option options[] = {
		OPTION_FLAG("json", 0, &frame->json, "one JSON object per line, with stable keys"),
		OPTION_TEXT("dir", 0, &frame->dir, "FOLDER",
			    "folder of the domains (default: $FLOE_DIR, else /dev/shm/floe-<uid>)"),
		OPTION_TEXT("domain", 0, &frame->domain, "NAME",
			    "domain (default: $FLOE_DOMAIN, else \"default\")"),
		OPTION_FLAG("help", 'h', &help_wanted, "this text"),
		{0},
	};

	return options[index];
}

static struct poptOption to_popt(const struct frame_option *option, int number)
{
	return (struct poptOption){
		.longName = option->name,
		.shortName = option->letter,
		.argInfo = option->kind == FRAME_FLAG ? POPT_ARG_NONE : POPT_ARG_STRING,
		.val = number,
		.descrip = option->help,
		.argDescrip = option->value,
	};
}

/*
 * Values
 */

/* Digits only: strtoull alone would take " -1" for a large number. */
static bool parse_number(const char *text, const char **ret_end, uint64_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	*ret_end = end;
	return errno == 0;
}

static bool parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const char *end;
	const char *unit;
	unsigned shift;

	if (!parse_number(text, &end, ret))
		return false;
	if (!*end)
		return *ret > 0;

	unit = strchr(units, *end == 'k' ? 'K' : *end);
	if (!unit || (strcmp(end + 1, "") != 0 && strcmp(end + 1, "iB") != 0))
		return false;
	shift = 10 * (unsigned)(unit - units + 1);
	if (*ret > UINT64_MAX >> shift)
		return false;
	*ret <<= shift;
	return *ret > 0;
}

static bool parse_real(const char *text, double *ret)
{
	char *end;

	*ret = strtod(text, &end);
	return end != text && !*end && isfinite(*ret);
}

/* Up to a hundred years: what fits into 63 bits of nanoseconds with room for a clock. */
static bool parse_seconds(const char *text, int64_t *ret_ns)
{
	double seconds;

	if (!parse_real(text, &seconds) || seconds < 0 || seconds > 3e9)
		return false;
	*ret_ns = (int64_t)(seconds * 1e9);
	return true;
}

/* What a text option said before is given up: the last one counts. */
static void keep_text(const struct frame_option *option, char *text)
{
	free(*option->text);
	*option->text = text;
}

static void add_text(struct frame_list *list, char *text)
{
	char **larger = realloc(list->texts, (list->count + 1) * sizeof(*larger));

	if (!larger) {
		(void)fputs("floe: out of memory\n", stderr);
		exit(FRAME_FAILED);
	}
	list->texts = larger;
	larger[list->count++] = text;
}

static bool parse_value(const struct frame_option *option, const char *text)
{
	const char *end = "";

	switch (option->kind) {
	case FRAME_FLAG:
		*option->flag = true;
		return true;
	case FRAME_COUNT:
		return parse_number(text, &end, option->number) && !*end && *option->number > 0;
	case FRAME_NUMBER:
		return parse_number(text, &end, option->number) && !*end;
	case FRAME_SIZE:
		return parse_size(text, option->number);
	case FRAME_SECONDS:
		return parse_seconds(text, option->ns);
	case FRAME_RATE:
		return parse_real(text, option->rate) && *option->rate >= RATE_MIN &&
		       *option->rate <= RATE_MAX;
	case FRAME_TEXT:
	case FRAME_LIST:
		return true;
	}
	return false;
}

static const char *describe_kind(enum frame_kind kind)
{
	switch (kind) {
	case FRAME_COUNT:
		return "a whole number from 1";
	case FRAME_NUMBER:
		return "a whole number from 0";
	case FRAME_SIZE:
		return "bytes, such as 512, 64K or 8M";
	case FRAME_SECONDS:
		return "seconds, such as 2 or 0.5";
	case FRAME_RATE:
		return "times a second, such as 30 or 0.5";
	case FRAME_FLAG:
	case FRAME_TEXT:
	case FRAME_LIST:
		break;
	}
	return "text";
}

/*
 * Options
 */

static size_t count_options(const struct frame_option *options)
{
	size_t count = 0;

	while (options[count].name)
		count++;
	return count;
}

/* Three tables, one behind the other: how the two groups are shown, our own options, those of
 * every command. popt keeps pointers into them. */
static struct poptOption *make_tables(struct frame *frame)
{
	const struct frame_option *own = frame->command->options;
	size_t own_count = count_options(own);
	size_t common_count = 0;
	struct poptOption *tables;
	struct poptOption *to;

	while (common_options(frame, common_count).name)
		common_count++;
	tables = frame_alloc(3 + own_count + 1 + common_count + 1, sizeof(*tables));

	to = tables + 3;
	for (size_t i = 0; i < own_count; i++)
		to[i] = to_popt(&own[i], OWN_BASE + (int)i);
	if (own_count)
		tables[0] = (struct poptOption){NULL,       0,   POPT_ARG_INCLUDE_TABLE, to, 0,
						"Options:", NULL};
	to += own_count + 1;
	for (size_t i = 0; i < common_count; i++) {
		const struct frame_option option = common_options(frame, i);

		to[i] = to_popt(&option, COMMON_BASE + (int)i);
	}
	tables[own_count ? 1 : 0] = (struct poptOption){
		NULL, 0, POPT_ARG_INCLUDE_TABLE, to, 0, "Everywhere:", NULL};
	return tables;
}

static void print_help(const struct frame *frame)
{
	const struct command *command = frame->command;

	printf("floe %s: %s\n\n", command->name, command->summary);
	poptPrintHelp(frame->parser, stdout, 0);
	if (command->text)
		printf("\n%s", command->text);
	if (command->examples)
		printf("\nExamples:\n%s", command->examples);
}

static bool take_option(struct frame *frame, int number, int *ret_status)
{
	struct frame_option option = number >= COMMON_BASE
					     ? common_options(frame, (size_t)(number - COMMON_BASE))
					     : frame->command->options[number - OWN_BASE];
	char *text = poptGetOptArg(frame->parser);
	bool is_good = parse_value(&option, text);

	if (!is_good)
		*ret_status = frame_usage(frame, "--%s wants %s, not '%s'", option.name,
					  describe_kind(option.kind), text);
	if (option.kind == FRAME_TEXT)
		keep_text(&option, text);
	else if (option.kind == FRAME_LIST)
		add_text(option.list, text);
	else
		free(text);
	return is_good;
}

static bool take_options(struct frame *frame, int *ret_status)
{
	int number;

	while ((number = poptGetNextOpt(frame->parser)) > 0)
		if (!take_option(frame, number, ret_status))
			return false;
	if (number == -1)
		return true;
	*ret_status = frame_usage(frame, "%s: %s",
				  poptBadOption(frame->parser, POPT_BADOPTION_NOALIAS),
				  poptStrerror(number));
	return false;
}

static bool take_operands(struct frame *frame, int *ret_status)
{
	static const char *const none[] = {NULL};
	const struct command *command = frame->command;
	const char **operands = poptGetArgs(frame->parser);

	frame->operands = operands ? operands : none;
	while (frame->operands[frame->operands_count])
		frame->operands_count++;

	if (frame->operands_count < command->operands_min)
		*ret_status = frame_usage(frame, "%s is missing", command->operands);
	else if (frame->operands_count > command->operands_max)
		*ret_status = frame_usage(frame, "'%s' is too much",
					  frame->operands[command->operands_max]);
	else
		return true;
	return false;
}

bool frame_begin(struct frame *ret_frame, const struct command *command, int argc,
		 const char **argv, int *ret_status)
{
	struct frame *frame = ret_frame;
	static char name[32]; /* popt does not copy argv */
	char usage[80];

	*frame = (struct frame){.command = command};
	(void)snprintf(name, sizeof(name), "floe %s", command->name);
	(void)snprintf(usage, sizeof(usage), "[OPTION...] %s", command->operands);
	argv[0] = name;
	frame->tables = make_tables(frame);
	frame->parser = poptGetContext("floe", argc, argv, frame->tables, 0);
	poptSetOtherOptionHelp(frame->parser, usage);

	if (!take_options(frame, ret_status))
		return false;
	if (help_wanted) {
		print_help(frame);
		*ret_status = FRAME_DONE;
		return false;
	}
	return take_operands(frame, ret_status);
}

struct floe_view *frame_view(struct frame *frame)
{
	struct floe_error error = {0};

	if (!frame->view) {
		int r = floe_view_open(&frame->view, frame->dir, frame->domain, &error);

		if (r < 0)
			frame_fail(frame, "%s", *error.text ? error.text : frame_reason(r));
	}
	return frame->view;
}

/*
 * Messages
 */

static void print_message(const struct frame *frame, const char *format, va_list arguments,
			  const char *tail)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "floe %s: ", frame->command->name);
	(void)vfprintf(stderr, format, arguments);
	if (tail)
		(void)fprintf(stderr, "%s'floe %s --help'", tail, frame->command->name);
	(void)fputc('\n', stderr);
}

int frame_fail(const struct frame *frame, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_message(frame, format, arguments, NULL);
	va_end(arguments);
	return FRAME_FAILED;
}

int frame_usage(const struct frame *frame, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_message(frame, format, arguments, "; see ");
	va_end(arguments);
	return FRAME_USAGE;
}

void frame_say(const struct frame *frame, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_message(frame, format, arguments, NULL);
	va_end(arguments);
}

const char *frame_reason(int code)
{
	switch (-code) {
	case EPROTO:
		return "what lies there is not of floe, or damaged";
	case EACCES:
		return "permission denied: its owner did not allow this user to read it";
	case ENOENT:
		return "there is no such topic";
	default:
		return strerror(-code);
	}
}

void *frame_alloc(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);

	if (!memory) {
		(void)fputs("floe: out of memory\n", stderr);
		exit(FRAME_FAILED);
	}
	return memory;
}

/* Asked of the pipe, because the error may be of a write long ago. */
static bool has_reader_left(void)
{
	struct pollfd fd = {.fd = STDOUT_FILENO, .events = 0};

	return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLERR | POLLHUP));
}

int frame_end(struct frame *frame, int status)
{
	errno = 0;
	if ((fflush(stdout) != 0 || ferror(stdout)) && !has_reader_left())
		status = frame_fail(frame, "cannot write the output: %s",
				    errno ? strerror(errno) : "an earlier write failed");
	floe_view_close(frame->view);
	poptFreeContext(frame->parser);
	free(frame->tables);
	free(frame->dir);
	free(frame->domain);
	*frame = (struct frame){0};
	return status;
}
