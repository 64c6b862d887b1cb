/* SPDX-License-Identifier: Apache-2.0 */
#include "scene.h"

#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "frame/frame.h"

#define BAR 20

static char folder[64], stage_folder[80], store[80];
static void (*end_all)(void);

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	(void)place;
	(void)remove(path);
	return 0;
}

void scene_end(void)
{
	end_all();
	if (folder[0])
		(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	folder[0] = 0;
}

static void end_early(int number)
{
	scene_end();
	_exit(128 + number);
}

void scene_begin(void (*end)(void))
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

	end_all = end;
	strcpy(folder, "/dev/shm/floe-crash-XXXXXX");
	if (!mkdtemp(folder)) {
		strcpy(folder, "/tmp/floe-crash-XXXXXX");
		expect(mkdtemp(folder));
	}
	(void)snprintf(stage_folder, sizeof(stage_folder), "%s/stage", folder);
	(void)snprintf(store, sizeof(store), "%s/store", folder);
	expect(mkdir(stage_folder, 0700) == 0 && mkdir(store, 0700) == 0);
	expect(setenv("FLOE_DIR", stage_folder, 1) == 0);
	expect(setenv("FLOE_DOMAIN", "test", 1) == 0);
	for (size_t i = 0; i < TEST_COUNT(signals); i++)
		(void)signal(signals[i], end_early);
}

const char *scene_store(void)
{
	return store;
}

void scene_stay_on(int first, unsigned n)
{
	cpu_set_t allowed, one;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return;
	n %= (unsigned)CPU_COUNT(&allowed);
	CPU_ZERO(&one);
	for (size_t cpu = first < 0 ? 0 : (size_t)first;; cpu = (cpu + 1) % CPU_SETSIZE)
		if (CPU_ISSET(cpu, &allowed) && n-- == 0) {
			CPU_SET(cpu, &one);
			break;
		}
	(void)sched_setaffinity(0, sizeof(one), &one);
}

double scene_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double scene_patience(void)
{
	const char *slow = getenv("FLOE_TEST_SLOW");
	int factor = slow ? atoi(slow) : 1;

	return 60.0 * (factor > 0 ? factor : 1);
}

void progress_begin(struct progress *progress, const char *build, const char *name,
		    const char *what, size_t all)
{
	*progress = (struct progress){
		.build = build,
		.name = name,
		.what = what,
		.all = all,
		.begin = scene_now(),
		.silent = !isatty(STDERR_FILENO),
	};
}

void progress_show(struct progress *progress, size_t done, size_t failed)
{
	static const char full[] = "####################", empty[] = "....................";
	double t = scene_now();
	size_t bar = progress->all ? BAR * done / progress->all : BAR;

	if (progress->silent || t - progress->shown < 0.1)
		return;
	progress->shown = t;
	(void)fprintf(stderr, "\r%-10s %s %s [%.*s%.*s] %7zu of %zu, %5.0f/s, %zu failed ",
		      progress->build, progress->name, progress->what, (int)bar, full,
		      (int)(BAR - bar), empty, done, progress->all,
		      (double)done / (t - progress->begin + 1e-9), failed);
}

void progress_end(struct progress *progress)
{
	if (!progress->silent)
		(void)fprintf(stderr, "\r\033[K");
}
