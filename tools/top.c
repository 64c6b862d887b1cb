/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <jansson.h>
#include <locale.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "census.h"
#include "object.h"
#include "table.h"
#include "text.h"
#include "wait.h"

static struct {
	int64_t interval_ns;
	uint64_t count;
	bool once;
} wish = {.interval_ns = WAIT_SECOND};

static const struct frame_option options[] = {
	OPTION_SECONDS("interval", 'i', &wish.interval_ns, "SECONDS",
		       "time between two looks (default 1)"),
	OPTION_COUNT("count", 'n', &wish.count, "N", "end after this many tables"),
	OPTION_FLAG("once", '1', &wish.once, "the same as --count 1"),
	{0},
};

static const char *const order_names[CENSUS_ORDERS] = {
	[CENSUS_BY_NAME] = "name",     [CENSUS_BY_RATE] = "rate",     [CENSUS_BY_LOST] = "lost",
	[CENSUS_BY_BEHIND] = "behind", [CENSUS_BY_MEMORY] = "memory",
};

struct top {
	struct frame *frame;
	struct census census;
	bool is_paused;
	size_t scrolled; /* rows of the table above the screen */
};

/*
 * Text
 */

static void add_rate(struct table *table, double rate)
{
	if (rate < 0)
		table_add(table, "%s", "");
	else
		table_add(table, "%s", text_rate(rate).text);
}

static void add_topic(const struct census_row *row, struct table *table)
{
	const struct floe_topic_info *info = &row->topic->info;

	table_add(table, "%s", text_name(info->name).text);
	table_add_number(table, info->publishers);
	table_add_number(table, info->subscribers);
	table_add(table, "%s", "");
	table_add(table, "%s", text_state(info->state));
	add_rate(table, row->rate);
	table_add_number(table, row->lost);
	table_add_number(table, row->held);
	table_add_number(table, row->behind);
	table_add(table, "%s", "");
	table_add(table, "%s", text_bytes(info->memory).text);
}

static void add_publisher(const struct floe_publisher_info *publisher, double rate,
			  struct table *table)
{
	table_add(table, "  > %s", text_name(publisher->process).text);
	table_add(table, "%s", "");
	table_add(table, "%s", "");
	table_add(table, "%d", publisher->pid);
	table_add(table, "%s", text_state(publisher->state));
	add_rate(table, rate);
	table_add(table, "%s", "");
	table_add_number(table, publisher->loans);
	table_add(table, "%s", "");
	table_add_number(table, publisher->spilled);
	table_add(table, "%s", text_bytes(publisher->memory).text);
}

static void add_subscriber(const struct floe_subscriber_info *subscriber, double rate,
			   struct table *table)
{
	table_add(table, "  < %s", text_name(subscriber->process).text);
	table_add(table, "%s", "");
	table_add(table, "%s", "");
	table_add(table, "%d", subscriber->pid);
	table_add(table, "%s", text_state(subscriber->state));
	add_rate(table, rate);
	table_add_number(table, subscriber->lost);
	table_add_number(table, subscriber->held);
	table_add_number(table, subscriber->behind);
	table_add(table, "%s", "");
	table_add(table, "%s", "");
}

static void add_loan(const struct look_loan *loan, int64_t now_ns, struct table *table)
{
	table_add(table, "    lent: %s", text_place(loan->info.file, loan->info.line).text);
	for (int i = 0; i < 3; i++)
		table_add(table, "%s", "");
	table_add(table, "%s%s", loan->info.exact ? "" : "> ",
		  text_duration(now_ns - (int64_t)loan->info.since_ns).text);
	for (int i = 0; i < 5; i++)
		table_add(table, "%s", "");
	table_add(table, "%s", text_bytes(loan->info.size).text);
}

static void add_loans(const struct look_topic *topic, uint32_t publisher, int64_t now_ns,
		      struct table *table)
{
	for (size_t i = 0; i < topic->loans_count; i++)
		if (topic->loans[i].publisher == publisher)
			add_loan(&topic->loans[i], now_ns, table);
}

static void add_row(const struct census *census, const struct census_row *row, struct table *table)
{
	const struct look_topic *topic = row->topic;

	add_topic(row, table);
	for (size_t i = 0; i < topic->publishers_count; i++) {
		add_publisher(&topic->publishers[i], census_publisher_rate(census, row, i), table);
		add_loans(topic, topic->publishers[i].index, census->now_ns, table);
	}
	for (size_t i = 0; i < topic->subscribers_count; i++)
		add_subscriber(&topic->subscribers[i], census_subscriber_rate(census, row, i),
			       table);
}

static void fill_table(const struct top *top, struct table *table)
{
	static const struct table_column columns[] = {
		{"TOPIC", false}, {"PUB", true},     {"SUB", true},    {"PID", true},
		{"STATE", false}, {"RATE", true},    {"LOST", true},   {"HELD", true},
		{"BEHIND", true}, {"SPILLED", true}, {"MEMORY", true},
	};

	table_init(table, columns, FRAME_COUNT_OF(columns));
	for (size_t i = 0; i < top->census.now.count; i++)
		add_row(&top->census, &top->census.rows[i], table);
}

static void print_status(const struct top *top, FILE *file)
{
	(void)fprintf(file, "floe top  topics %zu  nodes %zu  free %s of %s  %s\n",
		      top->census.now.count, top->census.nodes_count,
		      text_bytes(top->census.space.free).text,
		      text_bytes(top->census.space.size).text,
		      text_name(floe_view_path(top->frame->view)).text);
}

static void print_text(const struct top *top)
{
	struct table table;

	print_status(top, stdout);
	fill_table(top, &table);
	table_print(&table, stdout);
	table_deinit(&table);
	(void)putchar('\n');
}

static void print_object(const struct top *top)
{
	json_t *object = json_object();
	json_t *list = json_array();

	for (size_t i = 0; i < top->census.now.count; i++) {
		const struct census_row *row = &top->census.rows[i];
		json_t *topic = object_inside(row->topic);

		(void)json_object_set_new(topic, "rate", json_real(row->rate < 0 ? 0 : row->rate));
		(void)json_object_set_new(topic, "lost", object_number(row->lost));
		(void)json_object_set_new(topic, "held", object_number(row->held));
		(void)json_object_set_new(topic, "behind", object_number(row->behind));
		(void)json_array_append_new(list, topic);
	}
	(void)json_object_set_new(object, "folder", object_text(floe_view_path(top->frame->view)));
	(void)json_object_set_new(
		object, "seconds",
		json_real((double)(top->census.now_ns - top->census.before_ns) / 1e9));
	(void)json_object_set_new(object, "nodes", object_number(top->census.nodes_count));
	(void)json_object_set_new(object, "tmpfs_free", object_number(top->census.space.free));
	(void)json_object_set_new(object, "topic_list", list);
	object_print(object);
}

/* Both ways to show it run until the end, and return 0 or -errno. */
static int run_plain(struct top *top, uint64_t count)
{
	int r = census_take(&top->census, top->frame->view); /* only starts the rates */

	while (r >= 0 && count-- > 0 && wait_until(top->census.now_ns + wish.interval_ns)) {
		r = census_take(&top->census, top->frame->view);
		if (r < 0 || ferror(stdout))
			break;
		if (top->frame->json)
			print_object(top);
		else
			print_text(top);
		(void)fflush(stdout);
	}
	return r;
}

/*
 * Screen
 */

static void draw_line(int line, const char *text, int attributes)
{
	(void)move(line, 0);
	(void)clrtoeol();
	(void)attrset(attributes);
	(void)addnstr(text, COLS);
	(void)attrset(A_NORMAL);
}

static void draw_table(struct top *top)
{
	size_t room = LINES > 3 ? (size_t)LINES - 3 : 0;
	struct table table;
	char *line = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&line, &size);

	if (!file)
		return;
	fill_table(top, &table);
	if (top->scrolled + room > table_count_rows(&table))
		top->scrolled = table_count_rows(&table) > room ? table_count_rows(&table) - room
								: 0;
	for (size_t i = 0; i <= room && i + top->scrolled <= table_count_rows(&table); i++) {
		rewind(file);
		table_print_row(&table, i == 0 ? 0 : i + top->scrolled, file);
		(void)fflush(file);
		line[strcspn(line, "\n")] = '\0';
		draw_line((int)i + 2, line, i == 0 ? A_REVERSE : A_NORMAL);
	}
	(void)fclose(file);
	free(line);
	table_deinit(&table);
}

static void draw(struct top *top)
{
	char *line = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&line, &size);

	(void)erase();
	if (file) {
		print_status(top, file);
		(void)fclose(file);
		line[strcspn(line, "\n")] = '\0';
		draw_line(0, line, A_BOLD);
		free(line);
	}
	draw_table(top);
	(void)mvprintw(1, 0, "q quit  p %s  s sorted by %s  arrows scroll",
		       top->is_paused ? "go on" : "pause", order_names[top->census.order]);
	(void)refresh();
}

/* False: quit. */
static bool obey_keys(struct top *top)
{
	for (int key; (key = getch()) != ERR;) {
		switch (key) {
		case 'q':
			return false;
		case 'p':
			top->is_paused = !top->is_paused;
			break;
		case 's':
			census_sort(&top->census, (top->census.order + 1) % CENSUS_ORDERS);
			break;
		case KEY_DOWN:
			top->scrolled++;
			break;
		case KEY_UP:
			top->scrolled -= top->scrolled > 0;
			break;
		default:
			break;
		}
	}
	return true;
}

static int run_screen(struct top *top, uint64_t count)
{
	int64_t look_ns = 0;
	int r;

	while (!wait_is_stopped()) {
		if (!top->is_paused && wait_now_ns() >= look_ns) {
			if (count == 0)
				break;
			r = census_take(&top->census, top->frame->view);
			if (r < 0)
				return r;
			look_ns = top->census.now_ns + wish.interval_ns;
			count--;
		}
		draw(top);
		(void)wait_readable(STDIN_FILENO, top->is_paused ? WAIT_FOREVER : look_ns);
		if (!obey_keys(top))
			break;
	}
	return 0;
}

static SCREEN *open_screen(void)
{
	SCREEN *screen;

	(void)setlocale(LC_CTYPE, "");
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return NULL;
	(void)cbreak();
	(void)noecho();
	(void)curs_set(0);
	(void)nodelay(stdscr, true);
	(void)keypad(stdscr, true);
	return screen;
}

static int top_run(struct frame *frame)
{
	uint64_t count = wish.once ? 1 : wish.count ? wish.count : UINT64_MAX;
	struct top top = {.frame = frame};
	SCREEN *screen = NULL;
	int r;

	if (wish.interval_ns < WAIT_SECOND / 10)
		return frame_usage(frame, "--interval is at least 0.1");
	if (wish.once && wish.count)
		return frame_usage(frame, "--once and --count exclude each other");
	if (!frame_view(frame))
		return FRAME_FAILED;

	wait_begin(true);
	if (!frame->json && !wish.once && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		screen = open_screen();
	r = screen ? run_screen(&top, count) : run_plain(&top, count);
	if (screen) {
		(void)endwin();
		delscreen(screen);
	}
	if (r < 0)
		frame_fail(frame, "cannot look into '%s': %s", floe_view_path(frame->view),
			   frame_reason(r));
	census_end(&top.census);
	return r < 0 ? FRAME_FAILED : FRAME_DONE;
}

const struct command top_command = {
	.name = "top",
	.summary = "watch all topics, publishers and subscribers",
	.operands = "",
	.options = options,
	.text = "A table that is renewed: each topic, below it its publishers (>) and\n"
		"subscribers (<). HELD is samples in the hands of subscribers, loans in those\n"
		"of publishers; BEHIND is what is published and not yet taken, for a topic\n"
		"that of its slowest subscriber.\n"
		"\n"
		"Keys: q quits, p pauses, s sorts by the next column, arrows scroll. When\n"
		"standard output is no terminal, or with --once, the table is printed as\n"
		"text.\n",
	.examples = "  floe top\n"
		    "  floe top --once\n"
		    "  floe top --json --interval 10 >> log\n",
	.run = top_run,
};
