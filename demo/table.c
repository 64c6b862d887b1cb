/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

/* The table alone is narrower; from here on a bar for the latency fits. */
#define COLUMNS_FOR_BARS 92
#define BAR_CELLS 15

struct latency {
	char p50[16], p99[16], p999[16];
};

static void format_us(char *text, size_t size, uint64_t ns)
{
	if (ns == 0)
		snprintf(text, size, "-");
	else
		snprintf(text, size, ns < 100000 ? "%.1f" : "%.0f", (double)ns / 1000);
}

static struct latency format_latency(const struct report *report)
{
	struct latency l;

	format_us(l.p50, sizeof(l.p50), report->p50_ns);
	format_us(l.p99, sizeof(l.p99), report->p99_ns);
	format_us(l.p999, sizeof(l.p999), report->p999_ns);
	return l;
}

/* Cells of a bar, three for each power of ten above one microsecond. */
static unsigned bar_length(uint64_t ns)
{
	double us = (double)ns / 1000;
	unsigned cells = 0;

	/* 10^(1/3) */
	for (; us > 1 && cells < BAR_CELLS; us /= 2.1544347)
		cells++;
	return cells;
}

/* Up to a millisecond, up to ten, above. */
static const char *bar_colour(unsigned cells)
{
	if (cells <= 9)
		return TERMINAL_GREEN;
	return cells <= 12 ? TERMINAL_YELLOW : TERMINAL_RED;
}

static void write_bar(FILE *out, const struct terminal *t, uint64_t ns)
{
	unsigned cells = bar_length(ns);

	fputs(terminal_colour(t, bar_colour(cells)), out);
	for (unsigned i = 0; i < cells; i++)
		fputs(t->is_utf8 ? "\xe2\x96\xac" : "=", out);
	fputs(terminal_colour(t, TERMINAL_RESET), out);
}

static void write_heading(FILE *out, const struct terminal *t, const char *end)
{
	fprintf(out, "%s %-8s %7s %6s %6s %5s %4s %8s %8s %8s %6s%s%s%s",
		terminal_colour(t, TERMINAL_BOLD), "process", "pid", "rate/s", "frames", "lost",
		"held", "p50 us", "p99 us", "p99.9 us", "copied",
		t->columns >= COLUMNS_FOR_BARS ? "  p99" : "", terminal_colour(t, TERMINAL_RESET),
		end);
}

static const char *row_colour(const struct post *post)
{
	if (post->report.state == REPORT_DONE)
		return TERMINAL_DIM;
	return post->report.lost > 0 ? TERMINAL_YELLOW : TERMINAL_CYAN;
}

static void write_row(FILE *out, const struct post *post, const char *name,
		      const struct terminal *t)
{
	const struct report *report = &post->report;
	struct latency l = format_latency(report);
	bool left = report->state == REPORT_DONE;

	fprintf(out, "%s %-8s%s %7d %6.1f %6ju %5ju %4ju %8s %8s %8s %6ju",
		terminal_colour(t, row_colour(post)), name, terminal_colour(t, TERMINAL_RESET),
		report->pid, left ? 0.0 : post->rate, (uintmax_t)report->frames,
		(uintmax_t)report->lost, (uintmax_t)post->held, l.p50, l.p99, l.p999,
		(uintmax_t)report->copied);
	if (t->columns >= COLUMNS_FOR_BARS) {
		fputs("  ", out);
		write_bar(out, t, report->p99_ns);
	}
}

void table_write(FILE *out, const struct board *b, const struct terminal *t, const char *end)
{
	write_heading(out, t, end);
	for (unsigned i = 0; i < ROLE_COUNT; i++) {
		if (b->post[i].heard)
			write_row(out, &b->post[i], role_names[i], t);
		else
			fprintf(out, "%s %-8s       -  %s%s", terminal_colour(t, TERMINAL_DIM),
				role_names[i], "not there yet", terminal_colour(t, TERMINAL_RESET));
		fputs(end, out);
	}
}

void table_write_lines(FILE *out, const struct board *b, double seconds)
{
	for (unsigned i = 0; i < ROLE_COUNT; i++) {
		const struct post *post = &b->post[i];
		const struct report *report = &post->report;
		struct latency l = format_latency(report);

		if (!post->heard)
			continue;
		fprintf(out, "%5.1f s  %-6s  pid %d  rate %.1f/s  frames %ju  lost %ju  held %ju",
			seconds, role_names[i], report->pid, post->rate, (uintmax_t)report->frames,
			(uintmax_t)report->lost, (uintmax_t)post->held);
		fprintf(out, "  p50 %s us  p99 %s us  p99.9 %s us  copied %ju\n", l.p50, l.p99,
			l.p999, (uintmax_t)report->copied);
	}
}
