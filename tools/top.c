/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <jansson.h>
#include <locale.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "look.h"
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

enum top_sort {
	TOP_BY_NAME,
	TOP_BY_RATE,
	TOP_BY_LOST,
	TOP_BY_BEHIND,
	TOP_BY_MEMORY,
	TOP_SORTS,
};

static const char *const sort_names[TOP_SORTS] = {
	[TOP_BY_NAME] = "name",     [TOP_BY_RATE] = "rate",     [TOP_BY_LOST] = "lost",
	[TOP_BY_BEHIND] = "behind", [TOP_BY_MEMORY] = "memory",
};

/* A topic and the sums that it is sorted by. */
struct top_row {
	const struct look_topic *topic;
	const struct look_topic *before; /* one look ago, NULL: it was not there */
	double rate;
	uint64_t lost;
	uint64_t held;
	uint64_t behind;
};

struct top {
	struct frame *frame;
	struct look_topics now;
	struct look_topics before;
	size_t nodes_count;
	struct look_space space;
	int64_t now_ns;
	int64_t before_ns;

	struct top_row *rows;
	enum top_sort sort;
	bool is_paused;
	size_t scrolled; /* rows of the table above the screen */
};

/*
 * Looking
 */

/* What went on between two looks; a counter that is smaller now belongs to somebody new. */
static double rate_of(const struct top *top, uint64_t now, uint64_t before)
{
	double seconds = (double)(top->now_ns - top->before_ns) / 1e9;

	return now > before && top->before_ns ? (double)(now - before) / seconds : 0;
}

static struct top_row make_row(const struct top *top, const struct look_topic *topic)
{
	struct top_row row = {
		.topic = topic,
		.before = look_find(&top->before, topic->info.name),
	};

	if (row.before)
		row.rate = rate_of(top, topic->info.published, row.before->info.published);
	for (size_t i = 0; i < topic->subscribers_count; i++) {
		const struct floe_subscriber_info *subscriber = &topic->subscribers[i];

		row.lost += subscriber->lost;
		row.held += subscriber->held;
		if (subscriber->behind > row.behind)
			row.behind = subscriber->behind;
	}
	return row;
}

static enum top_sort sort_order;

/* Largest first, except names. */
static int compare_rows(const void *a, const void *b)
{
	const struct top_row *left = a;
	const struct top_row *right = b;
	double l = 0;
	double r = 0;

	switch (sort_order) {
	case TOP_BY_RATE:
		l = left->rate;
		r = right->rate;
		break;
	case TOP_BY_LOST:
		l = (double)left->lost;
		r = (double)right->lost;
		break;
	case TOP_BY_BEHIND:
		l = (double)left->behind;
		r = (double)right->behind;
		break;
	case TOP_BY_MEMORY:
		l = (double)left->topic->info.memory;
		r = (double)right->topic->info.memory;
		break;
	case TOP_BY_NAME:
	case TOP_SORTS:
		break;
	}
	if (l != r)
		return l > r ? -1 : 1;
	return strcmp(left->topic->info.name, right->topic->info.name);
}

static void sort_rows(struct top *top)
{
	sort_order = top->sort;
	qsort(top->rows, top->now.count, sizeof(*top->rows), compare_rows);
}

static void make_rows(struct top *top)
{
	free(top->rows);
	top->rows = frame_alloc(top->now.count, sizeof(*top->rows));
	for (size_t i = 0; i < top->now.count; i++)
		top->rows[i] = make_row(top, &top->now.topics[i]);
	sort_rows(top);
}

static int look(struct top *top)
{
	struct floe_view *view = top->frame->view;
	int r;

	look_topics_end(&top->before);
	top->before = top->now;
	top->before_ns = top->now_ns;
	top->now = (struct look_topics){0};
	top->now_ns = wait_now_ns();

	r = look_topics(&top->now, view);
	for (size_t i = 0; r >= 0 && i < top->now.count; i++)
		r = look_inside(&top->now.topics[i], view);
	if (r >= 0)
		r = floe_view_nodes(view, NULL, sizeof(struct floe_node_info), 0);
	if (r < 0)
		return r;
	top->nodes_count = (size_t)r;
	make_rows(top);
	return look_space(&top->space, floe_view_path(view));
}

/*
 * Text
 */

static void add_text(struct table *table, bool is_known, struct text text)
{
	table_add(table, "%s", is_known ? text.text : "");
}

static void add_topic(const struct top_row *row, struct table *table)
{
	const struct floe_topic_info *info = &row->topic->info;

	table_add(table, "%s", text_name(info->name).text);
	table_add_number(table, info->publishers);
	table_add_number(table, info->subscribers);
	table_add(table, "%s", "");
	table_add(table, "%s", text_state(info->state));
	add_text(table, row->before, text_rate(row->rate));
	table_add_number(table, row->lost);
	table_add_number(table, row->held);
	table_add_number(table, row->behind);
	table_add(table, "%s", text_bytes(info->memory).text);
}

static void add_publisher(const struct top *top, const struct top_row *row, size_t index,
			  struct table *table)
{
	const struct floe_publisher_info *publisher = &row->topic->publishers[index];
	const struct floe_publisher_info *before = NULL;

	for (size_t i = 0; row->before && i < row->before->publishers_count; i++)
		if (row->before->publishers[i].index == publisher->index)
			before = &row->before->publishers[i];

	table_add(table, "  > %s", text_name(publisher->process).text);
	table_add(table, "%s", "");
	table_add(table, "%s", "");
	table_add(table, "%d", publisher->pid);
	table_add(table, "%s", text_state(publisher->state));
	add_text(table, before,
		 text_rate(before ? rate_of(top, publisher->sequence, before->sequence) : 0));
	table_add(table, "%s", "");
	table_add_number(table, publisher->loans);
	table_add(table, "%s", "");
	table_add(table, "%s", text_bytes(publisher->memory).text);
}

static void add_subscriber(const struct top *top, const struct top_row *row, size_t index,
			   struct table *table)
{
	const struct floe_subscriber_info *subscriber = &row->topic->subscribers[index];
	const struct floe_subscriber_info *before = NULL;

	for (size_t i = 0; row->before && i < row->before->subscribers_count; i++)
		if (row->before->subscribers[i].index == subscriber->index)
			before = &row->before->subscribers[i];

	table_add(table, "  < %s", text_name(subscriber->process).text);
	table_add(table, "%s", "");
	table_add(table, "%s", "");
	table_add(table, "%d", subscriber->pid);
	table_add(table, "%s", text_state(subscriber->state));
	add_text(table, before,
		 text_rate(before ? rate_of(top, subscriber->received, before->received) : 0));
	table_add_number(table, subscriber->lost);
	table_add_number(table, subscriber->held);
	table_add_number(table, subscriber->behind);
	table_add(table, "%s", "");
}

static void fill_table(const struct top *top, struct table *table)
{
	static const struct table_column columns[] = {
		{"TOPIC", false}, {"PUB", true},    {"SUB", true},  {"PID", true},
		{"STATE", false}, {"RATE", true},   {"LOST", true}, {"HELD", true},
		{"BEHIND", true}, {"MEMORY", true},
	};

	table_init(table, columns, FRAME_COUNT_OF(columns));
	for (size_t i = 0; i < top->now.count; i++) {
		const struct top_row *row = &top->rows[i];

		add_topic(row, table);
		for (size_t k = 0; k < row->topic->publishers_count; k++)
			add_publisher(top, row, k, table);
		for (size_t k = 0; k < row->topic->subscribers_count; k++)
			add_subscriber(top, row, k, table);
	}
}

static void print_status(const struct top *top, FILE *file)
{
	(void)fprintf(file, "floe top  topics %zu  nodes %zu  free %s of %s  %s\n", top->now.count,
		      top->nodes_count, text_bytes(top->space.free).text,
		      text_bytes(top->space.size).text,
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

	for (size_t i = 0; i < top->now.count; i++) {
		const struct top_row *row = &top->rows[i];
		json_t *topic = object_inside(row->topic);

		(void)json_object_set_new(topic, "rate", json_real(row->rate));
		(void)json_object_set_new(topic, "lost", object_number(row->lost));
		(void)json_object_set_new(topic, "held", object_number(row->held));
		(void)json_object_set_new(topic, "behind", object_number(row->behind));
		(void)json_array_append_new(list, topic);
	}
	(void)json_object_set_new(object, "folder", object_text(floe_view_path(top->frame->view)));
	(void)json_object_set_new(object, "seconds",
				  json_real((double)(top->now_ns - top->before_ns) / 1e9));
	(void)json_object_set_new(object, "nodes", object_number(top->nodes_count));
	(void)json_object_set_new(object, "tmpfs_free", object_number(top->space.free));
	(void)json_object_set_new(object, "topic_list", list);
	object_print(object);
}

/* Both ways to show it run until the end, and return 0 or -errno. */
static int run_plain(struct top *top, uint64_t count)
{
	int r = look(top); /* only starts the rates */

	while (r >= 0 && count-- > 0 && wait_until(top->now_ns + wish.interval_ns)) {
		r = look(top);
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
		       top->is_paused ? "go on" : "pause", sort_names[top->sort]);
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
			top->sort = (top->sort + 1) % TOP_SORTS;
			sort_rows(top);
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
			r = look(top);
			if (r < 0)
				return r;
			look_ns = top->now_ns + wish.interval_ns;
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

	wait_begin();
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
	look_topics_end(&top.now);
	look_topics_end(&top.before);
	free(top.rows);
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
