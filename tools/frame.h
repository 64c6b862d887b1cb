/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_FRAME_H
#define TOOLS_FRAME_H

/*
 * What all sub-commands share: the way in (options, operands, help), the domain they look at and
 * the way out (messages, exit codes). A sub-command is a `struct command`; its own file fills it
 * and keeps what its options say in a static struct, for a process runs one command once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <floe/inspect.h>

#define FRAME_DONE 0
#define FRAME_FAILED 1 /* also: the answer is no */
#define FRAME_USAGE 2

#define FRAME_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum frame_kind {
	FRAME_FLAG,
	FRAME_COUNT,
	FRAME_NUMBER,
	FRAME_SIZE,
	FRAME_SECONDS,
	FRAME_RATE,
	FRAME_TEXT,
	FRAME_LIST,
};

/* What an option that may be given again and again has said. */
struct frame_list {
	char **texts; /* kept until the process ends */
	size_t count;
};

struct frame_option {
	const char *name;
	char letter; /* 0: none */
	enum frame_kind kind;
	union {
		bool *flag;
		uint64_t *number;
		int64_t *ns;
		double *rate;
		char **text; /* owned by who reads it; kept until the process ends */
		struct frame_list *list;
	};
	const char *value; /* its name in the help; NULL for flags */
	const char *help;
};

/* clang-format off */
#define OPTION_FLAG(name, letter, target, help) \
	{name, letter, FRAME_FLAG, {.flag = (target)}, NULL, help}
/* 1 and more */
#define OPTION_COUNT(name, letter, target, value, help) \
	{name, letter, FRAME_COUNT, {.number = (target)}, value, help}
/* 0 and more */
#define OPTION_NUMBER(name, letter, target, value, help) \
	{name, letter, FRAME_NUMBER, {.number = (target)}, value, help}
/* bytes, 1 and more; K, M, G may stand behind */
#define OPTION_SIZE(name, letter, target, value, help) \
	{name, letter, FRAME_SIZE, {.number = (target)}, value, help}
/* seconds with decimals, stored as ns */
#define OPTION_SECONDS(name, letter, target, value, help) \
	{name, letter, FRAME_SECONDS, {.ns = (target)}, value, help}
/* times a second, 1e-6 to 1e9 */
#define OPTION_RATE(name, letter, target, value, help) \
	{name, letter, FRAME_RATE, {.rate = (target)}, value, help}
#define OPTION_TEXT(name, letter, target, value, help) \
	{name, letter, FRAME_TEXT, {.text = (target)}, value, help}
#define OPTION_LIST(name, letter, target, value, help) \
	{name, letter, FRAME_LIST, {.list = (target)}, value, help}
/* clang-format on */

struct frame;

struct command {
	const char *name;
	const char *summary;  /* one line of `floe help` */
	const char *operands; /* as the usage line shows them */
	size_t operands_min;
	size_t operands_max;
	const char *text;                   /* of --help, after the options */
	const char *examples;               /* lines of --help */
	const struct frame_option *options; /* ends with an empty one */
	int (*run)(struct frame *frame);    /* returns the exit code */
};

struct frame {
	const struct command *command;
	char *dir;    /* NULL: the library's default */
	char *domain; /* NULL: the library's default */
	bool json;
	const char *const *operands; /* valid until frame_end */
	size_t operands_count;
	struct floe_view *view; /* NULL until frame_view */
	void *parser;           /* popt's, and the tables that it reads */
	void *tables;
};

/* argv: the command's name, then what it is given. True: run the command; false: all is said and
 * done, *ret_status is the exit code. frame_end is due in both cases. */
bool frame_begin(struct frame *ret_frame, const struct command *command, int argc,
		 const char **argv, int *ret_status);

/* The domain; NULL after a message on stderr. */
struct floe_view *frame_view(struct frame *frame);

/* Each prints "floe NAME: ..." as one line on stderr; fail returns FRAME_FAILED, usage returns
 * FRAME_USAGE. */
int frame_fail(const struct frame *frame, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int frame_usage(const struct frame *frame, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void frame_say(const struct frame *frame, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What the library answers when a call has no sentence of its own; code: -errno. */
const char *frame_reason(int code);

/* Zeroed memory; a process that gets none ends here, with a message and FRAME_FAILED. */
void *frame_alloc(size_t count, size_t size);

/* Writes out what is still buffered and releases everything; the final exit code. A reader who
 * closed the pipe early has all it wanted: that is no failure. */
int frame_end(struct frame *frame, int status);

#endif
