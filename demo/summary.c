/* SPDX-License-Identifier: Apache-2.0 */

#include "summary.h"

#include <stdarg.h>
#include <stdio.h>

#include "frame.h"
#include "table.h"

enum verdict {
	VERDICT_OK,
	VERDICT_FAILED,
	VERDICT_NOT_REACHED, /* the show ended before */
};

struct summary {
	const struct show *show;
	const struct terminal *terminal;
	unsigned count[3]; /* of each verdict */
	char reason[300];  /* the first that failed, or else that was not reached */
};

static const struct report *report_of(const struct summary *s, enum role role)
{
	return &s->show->board.post[role].report;
}

static void note_reason(struct summary *s, enum verdict verdict, const char *name,
			const char *detail)
{
	bool is_first_failure = verdict == VERDICT_FAILED && s->count[VERDICT_FAILED] == 1;

	if (!s->reason[0] || is_first_failure)
		snprintf(s->reason, sizeof(s->reason), "%s: %s", name, detail);
}

__attribute__((format(printf, 4, 5))) static void check(struct summary *s, const char *name,
							enum verdict verdict, const char *format,
							...)
{
	static const char *const words[] = {"ok", "FAILED", "not reached"};
	static const char *const colours[] = {TERMINAL_GREEN, TERMINAL_RED, TERMINAL_YELLOW};
	char detail[200];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(detail, sizeof(detail), format, arguments);
	va_end(arguments);

	s->count[verdict]++;
	if (verdict != VERDICT_OK)
		note_reason(s, verdict, name, detail);
	printf(" %s%-11s%s  %-38s %s\n", terminal_colour(s->terminal, colours[verdict]),
	       words[verdict], terminal_colour(s->terminal, TERMINAL_RESET), name, detail);
}

static enum verdict verdict_of(bool holds)
{
	return holds ? VERDICT_OK : VERDICT_FAILED;
}

/* For what does not happen when the show ends early. */
static enum verdict missing(const struct summary *s)
{
	return s->show->is_cut_short ? VERDICT_NOT_REACHED : VERDICT_FAILED;
}

/* For what holds only when everybody came to the end mark: an interrupt lets them. */
static enum verdict verdict_at_end(const struct summary *s, bool holds)
{
	if (!holds && s->show->is_broken_off)
		return VERDICT_NOT_REACHED;
	return verdict_of(holds);
}

static void check_published(struct summary *s)
{
	const struct report *camera = report_of(s, ROLE_CAMERA);
	const struct board *b = &s->show->board;
	uint64_t read = camera->bytes_read /
			(frame_size(b->width, b->height) - sizeof(struct frame_head));

	if (s->show->is_cut_short || b->frames_expected == 0)
		check(s, "every frame read was published",
		      verdict_at_end(s, camera->frames == read), "%ju read, %ju published",
		      (uintmax_t)read, (uintmax_t)camera->frames);
	else
		check(s, "every frame of the video was published",
		      verdict_of(camera->frames == b->frames_expected && camera->frames == read),
		      "%ju in the video, %ju read, %ju published", (uintmax_t)b->frames_expected,
		      (uintmax_t)read, (uintmax_t)camera->frames);
}

static void check_verified(struct summary *s)
{
	const struct report *camera = report_of(s, ROLE_CAMERA);
	const struct report *verify = report_of(s, ROLE_VERIFY);

	check(s, "verify got every frame",
	      verdict_at_end(s, verify->frames == camera->frames && verify->lost == 0),
	      "%ju of %ju, lost %ju; the camera waited %ju times", (uintmax_t)verify->frames,
	      (uintmax_t)camera->frames, (uintmax_t)verify->lost, (uintmax_t)camera->waits);
	check(s, "every number and checksum is right", verdict_of(verify->wrong == 0),
	      "%ju right, %ju wrong", (uintmax_t)(verify->frames - verify->wrong),
	      (uintmax_t)verify->wrong);
}

static void check_account(struct summary *s, const char *name, const struct report *r, bool saw_end)
{
	uint64_t sent = r->messages ? r->last - r->first + 1 : 0;
	enum verdict verdict;
	char title[64];

	snprintf(title, sizeof(title), "%s: sent = received + lost", name);
	if (r->messages == 0) {
		check(s, title, missing(s), "nothing received");
		return;
	}
	if (sent != r->messages + r->lost)
		verdict = VERDICT_FAILED;
	else
		verdict = verdict_at_end(s, !saw_end || r->last == report_of(s, ROLE_CAMERA)->last);
	check(s, title, verdict, "%ju = %ju + %ju, messages %ju to %ju of %ju", (uintmax_t)sent,
	      (uintmax_t)r->messages, (uintmax_t)r->lost, (uintmax_t)r->first, (uintmax_t)r->last,
	      (uintmax_t)report_of(s, ROLE_CAMERA)->last);
}

static void check_accounts(struct summary *s)
{
	if (s->show->is_killed)
		check_account(s, "motion, killed", &s->show->board.killed, false);
	for (unsigned i = ROLE_VERIFY; i < ROLE_COUNT; i++)
		check_account(s, role_names[i], report_of(s, i), true);
}

static void check_copied(struct summary *s)
{
	uint64_t copied = board_count_copied(&s->show->board);

	check(s, "no byte of the video was copied", verdict_of(copied == 0), "%ju bytes",
	      (uintmax_t)copied);
}

/* It joined between two looks at the newest frame, so the start lies between two bounds. If it did
 * not run for so long that its history was overwritten, the first it took is later, and the rest
 * is in its account of lost messages. */
static void check_history(struct summary *s)
{
	const struct report *late = report_of(s, ROLE_LATE);
	uint64_t back = VIDEO_HISTORY - 1;

	if (late->messages == 0 || late->newest_before <= back) {
		check(s, "late started from history", missing(s), "late did not start in time");
		return;
	}
	check(s, "late started from history",
	      verdict_of(late->first >= late->newest_before - back &&
			 late->first <= late->newest_after - back),
	      "the newest was %ju when it joined, it began with %ju", (uintmax_t)late->newest_after,
	      (uintmax_t)late->started);
}

static void check_replaced(struct summary *s)
{
	const struct board *b = &s->show->board;
	const struct report *fresh = report_of(s, ROLE_MOTION);

	if (!s->show->is_killed) {
		check(s, "motion was killed and replaced", missing(s), "it was not killed");
		return;
	}
	check(s, "motion was killed and replaced",
	      verdict_of(b->killed_held > 0 && fresh->pid != b->killed.pid && fresh->frames > 0),
	      "%d held %ju frames; %d got %ju frames", b->killed.pid, (uintmax_t)b->killed_held,
	      fresh->pid, (uintmax_t)fresh->frames);
}

/* The replacement goes on in the ring of the dead: its reader sees one sequence. */
static void check_motion(struct summary *s)
{
	const struct board *b = &s->show->board;

	check(s, "demo.motion: sent = received + lost",
	      verdict_of(b->motion_received > 0 &&
			 b->motion_last == b->motion_received + b->motion_lost),
	      "%ju = %ju + %ju, one sequence from both", (uintmax_t)b->motion_last,
	      (uintmax_t)b->motion_received, (uintmax_t)b->motion_lost);
}

static void check_held(struct summary *s)
{
	if (!s->show->has_looked) {
		check(s, "nothing stays held", missing(s),
		      "the viewers were not all gone in order");
		return;
	}
	check(s, "nothing stays held", verdict_of(s->show->held_after == 0),
	      "%jd frames held when all viewers had left", (intmax_t)s->show->held_after);
}

static void check_descriptors(struct summary *s)
{
	unsigned leaks = 0;
	unsigned looked = 0;

	for (unsigned i = 0; i < ROLE_COUNT; i++) {
		const struct report *r = report_of(s, i);

		if (r->state != REPORT_DONE)
			continue;
		looked++;
		leaks += r->fds_after != r->fds_before;
	}
	check(s, "no descriptor leaked", looked ? verdict_of(leaks == 0) : missing(s),
	      "camera %u before, %u after; %u of %u processes leak",
	      report_of(s, ROLE_CAMERA)->fds_before, report_of(s, ROLE_CAMERA)->fds_after, leaks,
	      looked);
}

static void check_exits(struct summary *s)
{
	unsigned failed = 0;

	for (unsigned i = 0; i < ROLE_COUNT; i++)
		failed += child_has_failed(&s->show->child[i]);
	if (!s->show->is_cut_short)
		failed += child_has_failed(&s->show->decoder);
	check(s, "every process ended well", verdict_of(failed == 0 && !s->show->failure[0]),
	      "%u failed%s%s", failed, s->show->failure[0] ? "; " : "", s->show->failure);
}

static void check_domain(struct summary *s)
{
	const struct show *show = s->show;

	check(s, "nothing is left in the domain",
	      verdict_of(show->leftovers.files == 0 && show->cleaned >= 0),
	      "%u files%s%s; the clean-up found %d things", show->leftovers.files,
	      show->leftovers.files ? ", the first: " : "", show->leftovers.first, show->cleaned);
}

static void print_table(const struct summary *s)
{
	const struct board *b = &s->show->board;

	putchar('\n');
	table_write(stdout, b, s->terminal, "\n");
	if (s->show->is_killed)
		printf(" motion was process %d before, which received %ju frames and lost %ju\n",
		       b->killed.pid, (uintmax_t)b->killed.frames, (uintmax_t)b->killed.lost);
	putchar('\n');
}

static bool print_result(const struct summary *s)
{
	if (s->count[VERDICT_FAILED] + s->count[VERDICT_NOT_REACHED] == 0) {
		printf("\n%sAll %u checks hold.%s\n", terminal_colour(s->terminal, TERMINAL_BOLD),
		       s->count[VERDICT_OK], terminal_colour(s->terminal, TERMINAL_RESET));
		return true;
	}
	printf("\n%u checks hold, %u failed, %u were not reached%s.\n%s\n", s->count[VERDICT_OK],
	       s->count[VERDICT_FAILED], s->count[VERDICT_NOT_REACHED],
	       s->show->is_interrupted ? " because the demo was interrupted" : "",
	       s->show->failure[0] ? s->show->failure : s->reason);
	return false;
}

bool summary_print(const struct show *show)
{
	struct summary s = {.show = show, .terminal = &show->screen.terminal};

	print_table(&s);
	check_published(&s);
	check_verified(&s);
	check_accounts(&s);
	check_copied(&s);
	check_history(&s);
	check_replaced(&s);
	check_motion(&s);
	check_held(&s);
	check_descriptors(&s);
	check_exits(&s);
	check_domain(&s);
	return print_result(&s);
}
