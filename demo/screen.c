/* SPDX-License-Identifier: Apache-2.0 */
#include "screen.h"

#include <stdlib.h>
#include <unistd.h>

#include "process.h"
#include "table.h"

#define DRAW_PERIOD_NS 100000000
#define LINES_PERIOD_NS 1000000000

#define ENTER "\x1b[?1049h\x1b[?25l" /* the other screen, no cursor */
#define LEAVE "\x1b[?25h\x1b[?1049l"
#define HOME "\x1b[H"
#define LINE_END "\x1b[K\r\n" /* nothing of the last drawing stays behind it */
#define CLEAR_BELOW "\x1b[J"

#define HEADER_LINES 4
#define EVENTS_SHOWN 4
#define EVENT_LINES 6 /* an empty one before and after */
#define PICTURE_LINES_MIN 8

static void write_all(const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDOUT_FILENO, text, size);

		if (n < 0)
			return;
		text += n;
		size -= (size_t)n;
	}
}

void screen_open(struct screen *s, bool is_plain)
{
	*s = (struct screen){0};
	terminal_init(&s->terminal);
	s->is_plain = is_plain || s->terminal.colours == COLOURS_NONE;
	if (!s->is_plain)
		write_all(ENTER, sizeof(ENTER) - 1);
}

void screen_close(struct screen *s)
{
	picture_close(&s->picture);
	if (!s->is_plain)
		write_all(LEAVE, sizeof(LEAVE) - 1);
	s->is_plain = true;
}

static void write_trail(FILE *out, const struct board *b, const struct terminal *t)
{
	static const char *const block[] = {" ",
					    "\xe2\x96\x81",
					    "\xe2\x96\x82",
					    "\xe2\x96\x83",
					    "\xe2\x96\x84",
					    "\xe2\x96\x85",
					    "\xe2\x96\x86",
					    "\xe2\x96\x87",
					    "\xe2\x96\x88"};
	static const char *const ascii[] = {" ", ".", ".", ":", "-", "=", "+", "*", "#"};
	unsigned highest = 1;

	for (unsigned i = 0; i < BOARD_TRAIL; i++)
		if (b->trail[i] > highest)
			highest = b->trail[i];
	fputs(terminal_colour(t, TERMINAL_GREEN), out);
	for (unsigned i = 0; i < BOARD_TRAIL; i++) {
		unsigned level = (8 * b->trail[i] + highest - 1) / highest;

		fputs(t->is_utf8 ? block[level] : ascii[level], out);
	}
	fputs(terminal_colour(t, TERMINAL_RESET), out);
}

static void write_progress(FILE *out, const struct board *b)
{
	fprintf(out, "frame %ju", (uintmax_t)b->post[ROLE_CAMERA].report.frames);
	if (b->frames_expected > 0)
		fprintf(out, " of %ju", (uintmax_t)b->frames_expected);
}

static void write_header(FILE *out, const struct board *b, const struct terminal *t)
{
	const char *domain = getenv("FLOE_DOMAIN");

	fprintf(out, "%s%s floe demo %s  %ux%u, 3 bytes a pixel   ",
		terminal_colour(t, TERMINAL_BOLD), terminal_colour(t, TERMINAL_REVERSE),
		terminal_colour(t, TERMINAL_RESET), b->width, b->height);
	write_progress(out, b);
	fprintf(out, "   domain %s" LINE_END, domain ? domain : "default");

	fprintf(out, " %s%.0f MB/s%s read in shared memory, %s%ju bytes copied%s" LINE_END,
		terminal_colour(t, TERMINAL_BOLD), board_bytes_per_second(b) / 1e6,
		terminal_colour(t, TERMINAL_RESET), terminal_colour(t, TERMINAL_BOLD),
		(uintmax_t)board_count_copied(b), terminal_colour(t, TERMINAL_RESET));

	fprintf(out, " motion %4.1f %% ", b->motion.permille / 10.0);
	write_trail(out, b, t);
	fputs(LINE_END LINE_END, out);
}

static void write_events(FILE *out, const struct board *b, const struct terminal *t)
{
	unsigned first = b->event_count > EVENTS_SHOWN ? b->event_count - EVENTS_SHOWN : 0;

	fputs(LINE_END, out);
	for (unsigned i = first; i < first + EVENTS_SHOWN; i++) {
		if (i < b->event_count)
			fprintf(out, " %s%5.1f s%s  %s", terminal_colour(t, TERMINAL_DIM),
				(double)b->event[i].time_ns / 1e9,
				terminal_colour(t, TERMINAL_RESET), b->event[i].text);
		fputs(LINE_END, out);
	}
	fputs(LINE_END, out);
}

static void write_picture(FILE *out, struct screen *s, const struct board *b, bool may_watch)
{
	unsigned used = HEADER_LINES + TABLE_LINES + EVENT_LINES + 1;
	unsigned lines = s->terminal.rows > used ? s->terminal.rows - used : 0;

	if (s->terminal.colours < COLOURS_256 || lines < PICTURE_LINES_MIN) {
		picture_close(&s->picture);
		return;
	}
	if (may_watch) {
		picture_update(&s->picture, s->terminal.columns - 2, lines);
		picture_draw_boxes(&s->picture, &b->motion, b->width, b->height);
	} else {
		picture_close(&s->picture);
	}
	picture_write(out, &s->picture, &s->terminal, LINE_END);
}

/* Written at once, so that no half drawing is seen. */
static void draw(struct screen *s, const struct board *b, bool may_watch)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	terminal_measure(&s->terminal);
	fputs(HOME, out);
	write_header(out, b, &s->terminal);
	table_write(out, b, &s->terminal, LINE_END);
	write_events(out, b, &s->terminal);
	write_picture(out, s, b, may_watch);
	fputs(CLEAR_BELOW, out);

	if (fclose(out) == 0)
		write_all(text, size);
	free(text);
}

static void write_new_events(struct screen *s, const struct board *b)
{
	for (; s->events_written < b->event_count; s->events_written++)
		printf("%5.1f s  %s\n", (double)b->event[s->events_written].time_ns / 1e9,
		       b->event[s->events_written].text);
}

void screen_update(struct screen *s, struct board *b, bool may_watch)
{
	int64_t now = now_ns();

	if (s->is_plain)
		write_new_events(s, b);
	if (now >= s->next_ns) {
		s->next_ns = now + (s->is_plain ? LINES_PERIOD_NS : DRAW_PERIOD_NS);
		board_tick(b);
		if (s->is_plain)
			table_write_lines(stdout, b, (double)(now - b->start_ns) / 1e9);
		else
			draw(s, b, may_watch);
	}
	fflush(stdout);
}
