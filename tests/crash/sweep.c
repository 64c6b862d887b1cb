/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sweep: kills a process at the instructions of each step of each script, and looks.
 *
 *	deaths    it is killed there; all that leave the same are looked at once, kin.h
 *	stops     all others live on while it stands there, then it is killed; once between two
 *		  calls of other libraries, as long as a death there would leave the same
 *	meetings  somebody does one thing while it stands there, then it goes on to its end; each
 *		  thing once between two of its touches of shared memory, if it has as many
 *		  instructions there, for nobody can tell before which of them it stands
 *
 * --points chooses how many instructions of a step, evenly spread from an offset that differs from
 * run to run (--seed); without it each one is taken. A step after other deaths is walked for each of
 * some of them; they take turns at its instructions.
 *
 * With --jobs several processes do the same side by side, each in a folder of its own and with its
 * share of the instructions.
 */

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "board.h"
#include "frame/frame.h"
#include "kin.h"
#include "point.h"
#include "scene.h"
#include "symbol.h"

#define WRONG_USAGE 100

static const char *const kind_names[KIND_COUNT] = {"deaths", "stops", "meetings"};

static struct {
	const char *step;   /* part of "script/step" */
	const char *label;  /* of the build, for the report */
	const char *mutant; /* must be found */
	const char *notes;  /* where finished steps are written down, NULL: nowhere */
	size_t points;      /* of a step and kind, 0: all */
	size_t at;          /* this one alone; SIZE_MAX: no */
	unsigned fractions; /* how many deaths of a predecessor */
	unsigned fraction;  /* this one alone, in 1/1000; 1000: no */
	unsigned kinds;     /* bits */
	unsigned meeting;   /* this one alone; MEETING_NONE: no */
	uint64_t seed;
	unsigned jobs;
	bool deep, tap, json, list, everything, plain;
	bool exact; /* `step` is a whole name */
} option = {.label = "",
	    .step = "",
	    .at = SIZE_MAX,
	    .fractions = 8,
	    .fraction = 1000,
	    .kinds = 7,
	    .jobs = 1};

static struct board *board;
static unsigned job; /* which of them this process is */
static int first_processor;
static size_t failed_here;

/* A number that depends on the seed and on what it is for. */
static uint64_t choose(uint64_t what, uint64_t below)
{
	uint64_t x = (option.seed + what * 0x9e3779b97f4a7c15u) ^ 0x5851f42d4c957f2du;

	x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
	return (x >> 16) % below;
}

/*
 * Report
 */

static void name_step(const struct round *round, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s/%s", round->script->name,
		       round->script->steps[round->step].name);
}

static void tell_failure(const struct point *point, enum kind kind, unsigned fraction)
{
	const struct round *round = point->round;
	char name[64], where[128];

	name_step(round, name, sizeof(name));
	symbol_name(round->trace.address[point->k], where, sizeof(where));
	(void)fprintf(stderr,
		      "FAILED %s%s%s, instruction %zu of %zu (%s), %s, meeting %s, way %d\n"
		      "  again: --step %s --kind %s --at %zu --fraction %u --seed %llu%s%s\n",
		      option.label, option.label[0] ? " " : "", name, point->k, round->trace.count,
		      where, kind_names[kind], meeting_names[point->meeting], (int)point->way, name,
		      kind_names[kind], point->k, fraction, (unsigned long long)option.seed,
		      option.everything ? " --everything" : "", option.deep ? " --deep" : "");
}

static void report_tap(const char *name, const struct tally *tally, bool passed)
{
	printf("%s %zu - %s: %zu instructions, %zu deaths, %zu stops, %zu meetings, %zu looks\n",
	       passed ? "ok" : "not ok", ++board->reported, name, tally->instructions,
	       tally->points[KIND_DEATHS], tally->points[KIND_STOPS], tally->points[KIND_MEETINGS],
	       tally->looks);
	(void)fflush(stdout);
}

static void report_json(const char *name, const struct tally *tally, bool passed)
{
	size_t all = tally->points[0] + tally->points[1] + tally->points[2];

	printf("{\"build\": \"%s\", \"step\": \"%s\", \"instructions\": %zu, \"deaths\": %zu, "
	       "\"stops\": %zu, \"meetings\": %zu, \"looks\": %zu, \"another_way\": %zu, "
	       "\"failed\": %zu, "
	       "\"seconds\": %.1f, \"rate\": %.0f, \"passed\": %s}\n",
	       option.label, name, tally->instructions, tally->points[KIND_DEATHS],
	       tally->points[KIND_STOPS], tally->points[KIND_MEETINGS], tally->looks, tally->missed,
	       tally->failed, tally->seconds, (double)all / (tally->seconds + 1e-9),
	       passed ? "true" : "false");
	(void)fflush(stdout);
}

static void report_line(const char *name, const struct tally *tally, bool passed)
{
	size_t all = tally->points[0] + tally->points[1] + tally->points[2];

	printf("%-26s %8zu %8zu %8zu %8zu %8zu %8zu %6.0f/s  %s\n", name, tally->instructions,
	       tally->points[KIND_DEATHS], tally->points[KIND_STOPS], tally->points[KIND_MEETINGS],
	       tally->looks, tally->missed, (double)all / (tally->seconds + 1e-9),
	       passed ? "pass" : "FAIL");
	(void)fflush(stdout);
}

static void report(const char *name, const struct tally *tally, bool passed)
{
	if (option.tap)
		report_tap(name, tally, passed);
	else if (option.json)
		report_json(name, tally, passed);
	else
		report_line(name, tally, passed);
}

/*
 * Points
 */

static unsigned count_meetings(const struct script *script)
{
	enum meeting list[MEETING_COUNT];

	return option.meeting ? 1 : (unsigned)meeting_list(script, list);
}

/* Each way, or each meeting, in turn; with --everything all of them at each instruction. */
static unsigned count_variants(enum kind kind, const struct script *script)
{
	if (!option.everything)
		return 1;
	if (kind == KIND_MEETINGS)
		return count_meetings(script);
	return script->alone ? WAY_ALL_DEAD : WAY_COUNT;
}

/* Eight instructions in a row have all meetings, and so have those that are eight apart: from one of them to
 * the next it is 8 + 3 further in the list, where eleven would be the same again. */
static_assert(MEETING_COUNT - MEETING_PUBLISH <= 8, "as many meetings as choose_meeting deals out");

/* They take turns at the instructions of one place, also where only each eighth of them counts. */
static enum meeting choose_meeting(const struct round *round, size_t k, unsigned variant)
{
	enum meeting list[MEETING_COUNT];
	size_t count = meeting_list(round->script, list), first = k, nth;

	if (option.meeting)
		return (enum meeting)option.meeting;
	if (option.everything)
		return list[variant % count];
	while (first && trace_is_same_place(&round->trace, first - 1, k))
		first--;
	nth = k - first + 3 * ((k - first) / 8);
	return list[(nth + choose(first, count)) % count];
}

static struct point make_point(const struct round *round, enum kind kind, size_t k,
			       unsigned variant)
{
	const struct script *script = round->script;
	unsigned ways = script->alone ? WAY_ALL_DEAD : WAY_COUNT;
	uint64_t turn = option.everything ? variant : k + choose(k / 4, 4);
	struct point point = {.round = round, .k = k, .way = (enum way)(turn % ways)};

	if (kind == KIND_STOPS)
		point.meeting = MEETING_LIFE;
	if (kind != KIND_MEETINGS)
		return point;
	point.goes_on = true;
	point.way = WAY_VISIT;
	point.meeting = choose_meeting(round, k, variant);
	return point;
}

/* Another way at the same instruction is tried again: clocks and other processes may have their
 * part in it. */
static enum point_result run_point(const struct point *point, struct tally *tally)
{
	enum point_result result = POINT_MISSED;

	for (int attempt = 0; attempt < 3 && result == POINT_MISSED; attempt++)
		result = point_run(point);
	tally->looks++;
	tally->missed += result == POINT_MISSED;
	tally->failed += result == POINT_FAILED;
	return result;
}

/* One of several walks of the same step: they take turns. */
struct turn {
	unsigned number;
	unsigned count;
	unsigned fraction;
};

static bool counts(const struct trace *trace, const struct turn *turn, size_t k)
{
	if (option.at != SIZE_MAX)
		return k == option.at;
	if (option.everything)
		return true;
	return !trace_is_repetition(trace, k) && (option.points || k % turn->count == turn->number);
}

/* The instructions that count, in order. */
static size_t list_instructions(const struct trace *trace, const struct turn *turn,
				size_t **ret_list)
{
	size_t count = 0;

	*ret_list = calloc(trace->count + 1, sizeof(**ret_list));
	expect(*ret_list);
	for (size_t k = 0; k < trace->count; k++)
		if (counts(trace, turn, k))
			(*ret_list)[count++] = k;
	return count;
}

/* False: enough is known. */
static bool sweep_instruction(const struct round *round, enum kind kind, size_t k,
			      unsigned fraction, struct tally *tally)
{
	unsigned variants = count_variants(kind, round->script);

	for (unsigned variant = 0; variant < variants; variant++) {
		struct point point = make_point(round, kind, k, variant);

		tally->points[kind]++;
		if (run_point(&point, tally) != POINT_FAILED)
			continue;
		tell_failure(&point, kind, fraction);
		if (option.mutant)
			return false;
	}
	return true;
}

/* As many of each place as there are meetings; of walks that take turns, their part of them. */
static size_t keep_places(const struct round *round, const struct turn *turn, size_t *list,
			  size_t count)
{
	unsigned most = (count_meetings(round->script) + turn->count - 1) / turn->count;
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (kept < most || !trace_is_same_place(&round->trace, list[i], list[kept - most]))
			list[kept++] = list[i];
	return kept;
}

/* This job's part of `count`; neighbours stay together. */
static size_t begin_part(size_t count, unsigned of)
{
	return count * of / option.jobs;
}

static void begin_progress(struct progress *progress, const struct round *round, enum kind kind,
			   size_t count)
{
	static char name[64];

	name_step(round, name, sizeof(name));
	progress_begin(progress, option.label, name, kind_names[kind], count);
	progress->silent |= option.tap || option.mutant || job;
}

/* Some of the instructions that count, or all. */
static size_t choose_instructions(const struct round *round, enum kind kind,
				  const struct turn *turn, size_t points, size_t **ret_list)
{
	size_t count = list_instructions(&round->trace, turn, ret_list), stride = 1, n = 0;

	if (kind == KIND_MEETINGS && !option.everything && option.at == SIZE_MAX)
		count = keep_places(round, turn, *ret_list, count);
	if (points && count > points)
		stride = count / points;
	for (size_t i = choose(kind, stride); i < count; i += stride)
		(*ret_list)[n++] = (*ret_list)[i];
	return n;
}

static bool sweep_kind(const struct round *round, enum kind kind, const struct turn *turn,
		       struct tally *tally)
{
	size_t *list, count = choose_instructions(round, kind, turn, option.points, &list);
	size_t begin = begin_part(count, job), end = begin_part(count, job + 1);
	struct progress progress;
	bool goes_on = true;

	begin_progress(&progress, round, kind, end - begin);
	for (size_t i = begin; i < end && goes_on; i++) {
		goes_on = sweep_instruction(round, kind, list[i], turn->fraction, tally);
		progress_show(&progress, i + 1 - begin, failed_here + tally->failed);
	}
	progress_end(&progress);
	free(list);
	return goes_on;
}

/*
 * Kin
 */

/* With --points, so many more deaths than looks. */
#define DEATHS_A_LOOK 12

struct hunt {
	const struct round *round;
	const struct turn *turn;
	struct tally *tally;
	struct family family;
	size_t *k; /* instructions of this job */
	size_t count;
	struct progress progress;
};

static void show_deaths(void *user, size_t deaths)
{
	struct hunt *hunt = user;

	progress_show(&hunt->progress, deaths, failed_here + hunt->tally->failed);
}

/* SIGKILL at each instruction. */
static bool kill_all(struct hunt *hunt)
{
	bool goes_on;

	begin_progress(&hunt->progress, hunt->round, KIND_DEATHS, hunt->count);
	goes_on = family_kill(&hunt->family, hunt->round, hunt->k, hunt->count, show_deaths, hunt);
	progress_end(&hunt->progress);
	return goes_on;
}

/* In a world of its own. */
static bool look_at(struct hunt *hunt, enum kind kind, size_t k, const struct still *leaves,
		    unsigned variant)
{
	struct point point = make_point(hunt->round, kind, k, variant);

	point.way = (enum way)(variant % (hunt->round->script->alone ? WAY_ALL_DEAD : WAY_COUNT));
	point.leaves = leaves;
	if (run_point(&point, hunt->tally) != POINT_FAILED)
		return true;
	tell_failure(&point, kind, hunt->turn->fraction);
	return !option.mutant;
}

/* In each way there is, or with --points in one. */
static bool look_at_kin(struct hunt *hunt, size_t i)
{
	const struct kin *kin = &hunt->family.kin[i];
	unsigned ways = hunt->round->script->alone ? WAY_ALL_DEAD : WAY_COUNT;
	unsigned first = (unsigned)choose(i, ways),
		 count = option.points && !option.mutant ? 1 : ways;

	hunt->tally->points[KIND_DEATHS] += kin->count;
	for (unsigned n = 0; n < count; n++)
		if (!look_at(hunt, KIND_DEATHS, n % 2 ? kin->last : kin->first, &kin->still,
			     first + n))
			return false;
	return true;
}

/* Those who died otherwise are looked at one by one. */
static bool look_at_strays(struct hunt *hunt)
{
	for (size_t i = 0; i < hunt->count; i++)
		if (hunt->family.of[hunt->k[i]] == KIN_NONE &&
		    !sweep_instruction(hunt->round, KIND_DEATHS, hunt->k[i], hunt->turn->fraction,
				       hunt->tally))
			return false;
	return true;
}

/* With --points, so many kin. The deaths of the others do not count. */
static bool sweep_deaths(struct hunt *hunt)
{
	size_t count = hunt->family.count, stride = 1;

	if (option.points && !option.mutant && count > option.points)
		stride = count / option.points;
	begin_progress(&hunt->progress, hunt->round, KIND_DEATHS, count);
	for (size_t i = choose(count, stride); i < count; i += stride) {
		if (!look_at_kin(hunt, i))
			return false;
		progress_show(&hunt->progress, i + 1, failed_here + hunt->tally->failed);
	}
	progress_end(&hunt->progress);
	return look_at_strays(hunt);
}

/* Whoever stands between the same two calls, and would leave the same, stands at the same place for
 * all others: locks and what is mapped change with calls only. */
static bool is_same_stop(const struct hunt *hunt, size_t i)
{
	const uint32_t *calls = hunt->round->trace.calls, *of = hunt->family.of;
	size_t k = hunt->k[i], before = hunt->k[i ? i - 1 : 0];

	return i && of[k] != KIN_NONE && of[k] == of[before] && calls[k] == calls[before];
}

static bool sweep_stops(struct hunt *hunt)
{
	size_t stride = option.points ? 1 + hunt->count / option.points : 1;

	begin_progress(&hunt->progress, hunt->round, KIND_STOPS, hunt->count);
	for (size_t i = choose(KIND_STOPS, stride); i < hunt->count; i += stride) {
		if (is_same_stop(hunt, i) && !option.points)
			continue;
		hunt->tally->points[KIND_STOPS]++;
		if (!look_at(hunt, KIND_STOPS, hunt->k[i], NULL, (unsigned)choose(i, 64)))
			return false;
		progress_show(&hunt->progress, i + 1, failed_here + hunt->tally->failed);
	}
	progress_end(&hunt->progress);
	return true;
}

static bool sweep_family(struct hunt *hunt)
{
	if (!kill_all(hunt)) {
		hunt->tally->failed++;
		return false;
	}
	return (!(option.kinds & 1u << KIND_DEATHS) || sweep_deaths(hunt)) &&
	       (!(option.kinds & 1u << KIND_STOPS) || sweep_stops(hunt));
}

static bool sweep_kin(const struct round *round, const struct turn *turn, struct tally *tally)
{
	struct hunt hunt = {.round = round, .turn = turn, .tally = tally};
	size_t *list, count = choose_instructions(round, KIND_DEATHS, turn,
						  option.points * DEATHS_A_LOOK, &list);
	size_t begin = begin_part(count, job);
	bool goes_on;

	hunt.k = list + begin;
	hunt.count = begin_part(count, job + 1) - begin;
	goes_on = sweep_family(&hunt);
	family_free(&hunt.family);
	free(list);
	return goes_on;
}

static bool sweep_kinds(const struct round *round, const struct turn *turn, struct tally *tally)
{
	bool in_kin = !option.plain && !option.everything && !option.deep &&
		      option.at == SIZE_MAX && family_is_possible(round->script);
	unsigned left = option.kinds;

	if (in_kin && left & (1u << KIND_DEATHS | 1u << KIND_STOPS)) {
		left &= 1u << KIND_MEETINGS;
		if (!sweep_kin(round, turn, tally))
			return false;
	}
	for (int kind = 0; kind < KIND_COUNT; kind++)
		if (left & 1u << kind && !sweep_kind(round, (enum kind)kind, turn, tally))
			return false;
	return true;
}

static bool sweep_round(const struct script *script, size_t step, const struct turn *turn,
			struct tally *tally)
{
	struct round round;
	bool goes_on = round_prepare(&round, script, step, turn->fraction, option.deep);

	if (!goes_on) {
		(void)fprintf(stderr, "FAILED %s/%s, with nobody dying\n", script->name,
			      script->steps[step].name);
		tally->failed += option.mutant ? 0 : 1;
		round_free(&round);
		return false;
	}
	if (tally->instructions < round.trace.count)
		tally->instructions = round.trace.count;
	goes_on = sweep_kinds(&round, turn, tally);
	round_free(&round);
	return goes_on;
}

/* What was done to a step, in one word. */
static void name_work(const char *name, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s,%u,%u,%zu,%u,%d%d%d", name, option.kinds, option.meeting,
		       option.points, option.fractions, option.everything, option.deep,
		       option.plain);
}

/* The last of those who sweep it reports it. One in which something was wrong is done again. */
static void end_step(const char *name, size_t number, const struct tally *tally)
{
	struct tally sum;
	char work[128];

	failed_here += tally->failed;
	if (!board_add(board, number, tally, option.jobs, &sum))
		return;
	name_work(name, work, sizeof(work));
	if (option.notes && sum.failed == 0)
		board_note(option.notes, work, &sum);
	if (!option.mutant)
		report(name, &sum, sum.failed == 0);
}

/* In a run before this one, by all its jobs. */
static bool was_swept(const char *name, size_t number)
{
	struct tally tally = {0}, none = {0};
	char work[128];

	name_work(name, work, sizeof(work));
	if (!option.notes || !board_recall(option.notes, work, &tally))
		return false;
	if (board_add(board, number, job == 0 ? &tally : &none, option.jobs, &tally))
		report(name, &tally, true);
	return true;
}

static struct turn make_turn(unsigned number, unsigned count)
{
	struct turn turn = {.number = number, .count = count, .fraction = option.fraction};

	if (option.fraction >= 1000)
		turn.fraction = (1000 * number + (unsigned)choose(number, 1000)) / count;
	return turn;
}

static void leave_out(const char *name)
{
	if (job == 0 && option.tap)
		printf("ok %zu - %s # SKIP only root reads memory of another process\n",
		       ++board->reported, name);
	board->left_out = true;
}

/* A step that follows a death, once for each of some deaths. */
static bool sweep_step(const struct script *script, size_t step, size_t number)
{
	struct tally tally = {0};
	unsigned rounds = script->predecessors[0].script ? option.fractions : 1;
	double begin = scene_now();
	bool goes_on = true;
	char name[64];

	if (option.fraction < 1000)
		rounds = 1;
	(void)snprintf(name, sizeof(name), "%s/%s", script->name, script->steps[step].name);
	if (script->needs_root && geteuid() != 0) {
		leave_out(name);
		return true;
	}
	if (was_swept(name, number))
		return true;
	for (unsigned i = 0; i < rounds && goes_on; i++) {
		struct turn turn = make_turn(i, rounds);

		goes_on = sweep_round(script, step, &turn, &tally);
	}
	tally.seconds = scene_now() - begin;
	end_step(name, number, &tally);
	return goes_on || !option.mutant;
}

static bool is_chosen(const struct script *script, const struct step *step)
{
	char name[64];

	if (!step->name)
		return false;
	(void)snprintf(name, sizeof(name), "%s/%s", script->name, step->name);
	if (!strcmp(name, option.step))
		option.exact = true;
	if (option.list)
		printf("%s\n", name);
	return option.exact ? !strcmp(name, option.step) : strstr(name, option.step) != NULL;
}

/* A whole name is that step alone. */
static void look_for_exact(void)
{
	for (size_t i = 0; i < script_count; i++)
		for (size_t j = 0; j < script_count_steps(&scripts[i]); j++)
			(void)is_chosen(&scripts[i], &scripts[i].steps[j]);
}

static void sweep_all(void)
{
	size_t number = 0;

	for (size_t i = 0; i < script_count; i++)
		for (size_t j = 0; j < script_count_steps(&scripts[i]); j++)
			if (is_chosen(&scripts[i], &scripts[i].steps[j]) &&
			    !sweep_step(&scripts[i], j, number++))
				return;
}

/*
 * Jobs
 */

static _Noreturn void work(unsigned number)
{
	job = number;
	scene_stay_on(first_processor, number);
	scene_begin(point_end);
	point_begin();
	sweep_all();
	scene_end();
	(void)fflush(NULL);
	_exit(0);
}

static void start_job(unsigned number)
{
	pid_t parent = getpid(), pid = fork();

	expect(pid >= 0);
	if (pid)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() == parent)
		work(number);
	_exit(1);
}

/* How many ended before they were done. */
static unsigned sweep_with_jobs(void)
{
	unsigned lost = 0;

	(void)fflush(NULL);
	first_processor = sched_getcpu();
	for (unsigned i = 0; i < option.jobs; i++)
		start_job(i);
	for (unsigned i = 0; i < option.jobs; i++) {
		int status;

		while (wait(&status) < 0)
			expect_equal(errno, EINTR);
		lost += status != 0;
	}
	return lost;
}

/*
 * The program
 */

static void print_usage(void)
{
	printf("Usage: crash-sweep [OPTIONS]\n"
	       "\n"
	       "Kills a process at the instructions of each operation, and looks whether the "
	       "others\n"
	       "notice anything, whether every chunk and every message is accounted for, and "
	       "whether\n"
	       "anything is left.\n"
	       "\n"
	       "  --step PART     only steps whose name contains this (publisher/open)\n"
	       "  --kind KIND     only deaths, stops (others live while it stands there, then it\n"
	       "                  dies) or meetings (somebody steps in, then it goes on)\n"
	       "  --meeting NAME  only this one: publish, lap, many (messages of the survivor), "
	       "take,\n"
	       "                  visit, rival (who would adopt the same ring), clean\n"
	       "  --points N      so many instructions of each step and kind; all without it\n"
	       "  --at K          this instruction only\n"
	       "  --everything    each way each meeting and each death before at each "
	       "instruction,\n"
	       "                  not in turn, and each round of long loops, not the first, the\n"
	       "                  last, and those whose number is a power of two\n"
	       "  --deaths N      of predecessors whose ring is adopted or cleaned away (8)\n"
	       "  --fraction F    a predecessor dies at F/1000 of its step\n"
	       "  --deep          the instructions of the C library count as well\n"
	       "  --plain         everything is looked at after each death, not only after one of\n"
	       "                  all that leave the same\n"
	       "  --notes FILE    steps that are finished are written down there, and left out by "
	       "a\n"
	       "                  run that finds them there\n"
	       "  --jobs N        so many at once (1), each on a processor of its own\n"
	       "  --seed N        repeats the choices of a run\n"
	       "  --label TEXT    names the build in the report\n"
	       "  --mutant NAME   succeeds if something is wrong\n"
	       "  --tap, --json   the report for programs; JSON has one object a line\n"
	       "  --list          prints the steps\n"
	       "\n"
	       "Exit status: 0 all is well, 1 something was wrong, 77 processes cannot be traced\n"
	       "here, 100 wrong usage.\n");
}

static uint64_t read_number(const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 10);

	if (*text && !*end)
		return number;
	(void)fprintf(stderr, "crash-sweep: '%s' is not a number\n", text);
	exit(WRONG_USAGE);
}

static unsigned read_kind(const char *text)
{
	for (unsigned i = 0; i < KIND_COUNT; i++)
		if (!strcmp(text, kind_names[i]))
			return 1u << i;
	(void)fprintf(stderr, "crash-sweep: '%s' is not a kind: deaths, stops, meetings\n", text);
	exit(WRONG_USAGE);
}

static unsigned read_meeting(const char *text)
{
	for (unsigned i = MEETING_PUBLISH; i < MEETING_COUNT; i++)
		if (!strcmp(text, meeting_names[i]))
			return i;
	(void)fprintf(stderr, "crash-sweep: '%s' is not a meeting; --help names them\n", text);
	exit(WRONG_USAGE);
}

static void read_option(int letter)
{
	switch (letter) {
	case 'M':
		option.meeting = read_meeting(optarg);
		break;
	case 's':
		option.step = optarg;
		break;
	case 'k':
		option.kinds = read_kind(optarg);
		break;
	case 'p':
		option.points = read_number(optarg);
		break;
	case 'a':
		option.at = read_number(optarg);
		break;
	case 'e':
		option.everything = true;
		break;
	case 'd':
		option.fractions = (unsigned)read_number(optarg);
		break;
	case 'f':
		option.fraction = (unsigned)read_number(optarg);
		break;
	case 'D':
		option.deep = true;
		break;
	case 'n':
		option.notes = optarg;
		break;
	case 'P':
		option.plain = true;
		break;
	case 'J':
		option.jobs = (unsigned)read_number(optarg);
		break;
	case 'S':
		option.seed = read_number(optarg);
		break;
	case 'l':
		option.label = optarg;
		break;
	case 'm':
		option.mutant = optarg;
		break;
	case 't':
		option.tap = true;
		break;
	case 'j':
		option.json = true;
		break;
	case 'L':
		option.list = true;
		break;
	case 'h':
		print_usage();
		exit(0);
	default:
		exit(WRONG_USAGE);
	}
}

static void read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"step", required_argument, NULL, 's'},
		{"kind", required_argument, NULL, 'k'},
		{"points", required_argument, NULL, 'p'},
		{"at", required_argument, NULL, 'a'},
		{"everything", no_argument, NULL, 'e'},
		{"deaths", required_argument, NULL, 'd'},
		{"fraction", required_argument, NULL, 'f'},
		{"deep", no_argument, NULL, 'D'},
		{"notes", required_argument, NULL, 'n'},
		{"plain", no_argument, NULL, 'P'},
		{"jobs", required_argument, NULL, 'J'},
		{"seed", required_argument, NULL, 'S'},
		{"label", required_argument, NULL, 'l'},
		{"mutant", required_argument, NULL, 'm'},
		{"tap", no_argument, NULL, 't'},
		{"json", no_argument, NULL, 'j'},
		{"list", no_argument, NULL, 'L'},
		{"help", no_argument, NULL, 'h'},
		{"meeting", required_argument, NULL, 'M'},
		{0},
	};
	int letter;

	option.seed = (uint64_t)(scene_now() * 1e6) % 1000000;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) >= 0)
		read_option(letter);
	if (option.jobs < 1 || option.jobs > BOARD_JOBS) {
		(void)fprintf(stderr, "crash-sweep: 1 to %d jobs\n", BOARD_JOBS);
		exit(WRONG_USAGE);
	}
	if (optind < argc) {
		(void)fprintf(stderr, "crash-sweep: what is '%s'? --help tells\n", argv[optind]);
		exit(WRONG_USAGE);
	}
}

static int mark_only(void *user)
{
	(void)user;
	trace_mark();
	return 0;
}

/* Not where a sandbox forbids it. */
static bool can_trace(void)
{
	struct traced process;
	bool can = trace_start(&process, mark_only, NULL) == TRACE_MARK;

	if (can)
		trace_kill(&process);
	return can;
}

static int refuse(void)
{
	if (option.tap)
		printf("1..0 # SKIP processes cannot be traced here (ptrace)\n");
	else
		(void)fprintf(stderr, "crash-sweep: processes cannot be traced here (ptrace)\n");
	return option.tap ? 0 : FRAME_SKIPPED;
}

static int end_mutant(void)
{
	struct tally total = board_sum(board);
	bool found = total.failed > 0;

	printf("%s 1 - the mutant %s is found\n1..1\n", found ? "ok" : "not ok", option.mutant);
	return found ? 0 : 1;
}

static int end_report(void)
{
	struct tally total = board_sum(board);

	if (option.mutant)
		return end_mutant();
	if (option.tap)
		printf("# seed %llu\n1..%zu\n", (unsigned long long)option.seed, board->reported);
	else if (!option.json)
		report_line(option.label[0] ? option.label : "all", &total, total.failed == 0);
	if (total.points[0] + total.points[1] + total.points[2] == 0 && !board->left_out) {
		(void)fprintf(stderr,
			      "crash-sweep: nothing is called so; --list prints the names\n");
		return WRONG_USAGE;
	}
	return total.failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	unsigned lost;

	read_options(argc, argv);
	look_for_exact();
	if (option.list)
		return 0;
	if (!can_trace())
		return refuse();
	if (!option.tap && !option.json && !option.mutant)
		printf("%-26s %8s %8s %8s %8s %8s %8s %8s  (seed %llu)\n", "step", "instr.",
		       "deaths", "stops", "meetings", "looks", "another", "rate",
		       (unsigned long long)option.seed);
	board = board_make();
	lost = sweep_with_jobs();
	if (lost)
		(void)fprintf(stderr, "FAILED %u of %u jobs ended too early\n", lost, option.jobs);
	return end_report() || lost;
}
