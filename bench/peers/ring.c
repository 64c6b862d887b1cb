/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rings of io_uring, made in one of several ways: prints what came out as one line of JSON.
 *
 *	ring	so many are set up, then all torn down, again and again; for one of them
 *	hold	what so many of them have in this process
 *	nop	from the request until its completion has been seen, of one that does nothing
 *	all	the three after each other, not to be compared
 */

#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../pair.h"
#include "../series.h"
#include "../session.h"
#include "ring.h"

#define BATCH 256u

struct wish {
	unsigned count;
	int64_t budget_ns;
};

static struct io_uring rings[RINGS_MAX];

static void open_all(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ring_open(&rings[i], i);
}

static void close_all(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ring_close(&rings[i]);
}

static void measure_turns(const struct wish *wish)
{
	static struct series whole, opening, closing;
	int64_t end_ns = now_ns() + wish->budget_ns;
	int64_t start_ns, open_ns, close_ns;

	rings_prepare(wish->count);
	do {
		start_ns = now_ns();
		open_all(wish->count);
		open_ns = now_ns();
		close_all(wish->count);
		close_ns = now_ns();
		series_add(&whole, (double)(close_ns - start_ns) / wish->count);
		series_add(&opening, (double)(open_ns - start_ns) / wish->count);
		series_add(&closing, (double)(close_ns - open_ns) / wish->count);
	} while (close_ns < end_ns);
	printf("{\"value\": %.0f, \"unit\": \"ns\", \"open\": %.0f, \"close\": %.0f}\n",
	       series_median(&whole), series_median(&opening), series_median(&closing));
}

/*
 * What a process has
 */

struct state {
	long pages, resident; /* of its address space, in memory */
	long descriptors, mappings;
};

static long count_entries(const char *path)
{
	DIR *folder = opendir(path);
	long count = 0;

	if (!folder)
		fail("cannot look into %s", path);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static long count_lines(const char *path)
{
	FILE *file = fopen(path, "re");
	long count = 0;
	int c;

	if (!file)
		fail("cannot read %s", path);
	while ((c = getc(file)) != EOF)
		count += c == '\n';
	fclose(file);
	return count;
}

static struct state look(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	struct state state = {0};

	if (!file || fscanf(file, "%ld %ld", &state.pages, &state.resident) != 2)
		fail("cannot read /proc/self/statm");
	fclose(file);
	state.descriptors = count_entries("/proc/self/fd");
	state.mappings = count_lines("/proc/self/maps");
	return state;
}

/* The first look is for what looking itself takes: buffers, code. */
static void measure_memory(const struct wish *wish)
{
	long page = sysconf(_SC_PAGESIZE);
	struct state before, with;

	ring_open((rings_prepare(1), &rings[0]), 0);
	ring_close(&rings[0]);
	look();
	before = look();
	rings_prepare(wish->count);
	open_all(wish->count);
	with = look();
	close_all(wish->count);
	printf("{\"value\": %ld, \"unit\": \"B\", \"resident\": %ld, \"descriptors\": %ld, "
	       "\"mappings\": %ld}\n",
	       (with.pages - before.pages) * page, (with.resident - before.resident) * page,
	       with.descriptors - before.descriptors, with.mappings - before.mappings);
}

static void do_nothing(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;

	io_uring_prep_nop(io_uring_get_sqe(ring));
	if (io_uring_submit_and_wait(ring, 1) != 1 || io_uring_peek_cqe(ring, &cqe) < 0)
		fail("a request that does nothing did not complete");
	io_uring_cqe_seen(ring, cqe);
}

static void measure_nop(const struct wish *wish)
{
	int64_t end_ns = now_ns() + wish->budget_ns;
	static struct series batches;
	int64_t start_ns;

	rings_prepare(1);
	ring_open(&rings[0], 0);
	do {
		start_ns = now_ns();
		for (unsigned i = 0; i < BATCH; i++)
			do_nothing(&rings[0]);
		series_add(&batches, (double)(now_ns() - start_ns) / BATCH);
	} while (start_ns < end_ns);
	ring_close(&rings[0]);
	printf("{\"value\": %.1f, \"unit\": \"ns\"}\n", series_median(&batches));
}

static const struct {
	const char *name;
	void (*run)(const struct wish *wish);
} works[] = {{"ring", measure_turns}, {"hold", measure_memory}, {"nop", measure_nop}};

static _Noreturn void wrong_usage(void)
{
	fputs("usage: RING ring|hold|nop|all [--rings N] [--budget MS] [--cores A,B]\n", stderr);
	exit(100);
}

static void parse_options(int argc, char **argv, struct wish *wish)
{
	static const struct option names[] = {
		{"rings", required_argument, NULL, 'r'},
		{"budget", required_argument, NULL, 'b'},
		{"cores", required_argument, NULL, 'c'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == 'r')
			wish->count = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'b')
			wish->budget_ns = strtol(optarg, NULL, 10) * NS_PER_MS;
		else if (option == 'c')
			pin(atoi(optarg));
		else
			wrong_usage();
	}
	if (optind != argc - 1 || wish->count < 1 || wish->count > RINGS_MAX)
		wrong_usage();
}

int main(int argc, char **argv)
{
	struct wish wish = {.count = 1, .budget_ns = 100 * NS_PER_MS};
	bool done = false;

	session_open("ring");
	parse_options(argc, argv, &wish);
	for (size_t i = 0; i < sizeof(works) / sizeof(*works); i++) {
		if (strcmp(argv[optind], works[i].name) != 0 && strcmp(argv[optind], "all") != 0)
			continue;
		works[i].run(&wish);
		done = true;
	}
	if (!done)
		wrong_usage();
	return 0;
}
