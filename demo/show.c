/* SPDX-License-Identifier: Apache-2.0 */
#include "show.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "decoder.h"
#include "process.h"

#define TICK_MS 50
#define PATIENCE_NS 15000000000

/* The motion process keeps two frames between its calculations. */
#define HELD_WHEN_KILLED 2

/* Without a known end the killing happens after this many seconds of video. */
#define KILL_AFTER_S 6
#define LATE_AFTER_S 3

static void enter(struct show *s, enum phase phase)
{
	s->phase = phase;
	s->patience_ns = now_ns() + PATIENCE_NS;
}

static void signal_all(struct show *s, int number)
{
	for (unsigned i = 0; i < ROLE_COUNT; i++)
		child_signal(&s->child[i], number);
	child_signal(&s->decoder, SIGKILL);
}

/* Nobody waits for the end mark any more. */
static void send_away(struct show *s)
{
	s->is_broken_off = true;
	s->is_cut_short = true;
	signal_all(s, SIGTERM);
	enter(s, PHASE_CLOSE);
}

/* The show cannot go on. The first reason is kept. */
__attribute__((format(printf, 2, 3))) static void break_off(struct show *s, const char *format, ...)
{
	va_list arguments;

	if (!s->failure[0]) {
		va_start(arguments, format);
		vsnprintf(s->failure, sizeof(s->failure), format, arguments);
		va_end(arguments);
		board_tell(&s->board, "%s", s->failure);
	}
	send_away(s);
}

/*
 * Starting
 */

static void start(struct show *s, enum role role, const char *const *arguments, int input)
{
	const char *argv[8] = {NULL};
	char path[4096];
	int stdio[3] = {input, -1, s->messages_fd};
	int r;

	snprintf(path, sizeof(path), "%s/%s", s->options.programs, role_names[role]);
	argv[0] = path;
	for (unsigned i = 1; i < 7 && arguments && arguments[i - 1]; i++)
		argv[i] = arguments[i - 1];
	r = child_start(&s->child[role], argv, stdio);
	if (r < 0)
		break_off(s, "%s could not be started: %s", role_names[role], strerror(-r));
}

static void start_camera(struct show *s)
{
	const struct decoder_options decoder = {
		.video = s->options.video,
		.loop = s->options.loop,
		.frames = s->board.frames_expected,
	};
	int stdio[3] = {-1, -1, s->messages_fd};
	char width[16], height[16], fps[16];
	const char *const arguments[] = {width, height, fps, NULL};
	int ends[2];
	int r;

	snprintf(width, sizeof(width), "%u", s->options.width);
	snprintf(height, sizeof(height), "%u", s->options.height);
	snprintf(fps, sizeof(fps), "%u", s->options.fps);

	if (pipe2(ends, O_CLOEXEC) < 0) {
		break_off(s, "no pipe: %s", strerror(errno));
		return;
	}
	stdio[1] = ends[1];
	r = decoder_start(&s->decoder, &decoder, stdio);
	if (r < 0)
		break_off(s, "ffmpeg could not be started: %s", strerror(-r));
	else
		start(s, ROLE_CAMERA, arguments, ends[0]);
	close(ends[0]);
	close(ends[1]);
}

/*
 * Listening
 */

static int join(struct floe_subscriber **ret, const char *topic)
{
	struct floe_error error = {""};
	struct floe_subscriber_options options = {.size = sizeof(options), .error = &error};
	int r = floe_subscriber_open(ret, topic, &options);

	return r < 0 ? process_fail(topic, r, &error) : 0;
}

static void drain(struct show *s, struct floe_subscriber *subscriber,
		  void (*hear)(struct board *, const struct floe_sample *))
{
	struct floe_sample sample;
	int r;

	while ((r = floe_take(subscriber, &sample)) > 0) {
		hear(&s->board, &sample);
		floe_release(subscriber, &sample);
	}
	if (r < 0)
		break_off(s, "the supervisor cannot read: %s", strerror(-r));
}

static void catch_up(struct show *s)
{
	drain(s, s->stats, board_hear);
	drain(s, s->motion, board_hear_motion);
}

/*
 * The cues
 */

static bool is_ready(const struct show *s, enum role role)
{
	return s->board.post[role].heard;
}

static uint64_t frames_now(const struct show *s)
{
	return s->board.post[ROLE_CAMERA].report.frames;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t late_at(const struct show *s)
{
	uint64_t frame = (uint64_t)LATE_AFTER_S * s->options.fps;

	return s->board.frames_expected ? earlier(frame, s->board.frames_expected / 5) : frame;
}

static uint64_t kill_at(const struct show *s)
{
	uint64_t frame = (uint64_t)KILL_AFTER_S * s->options.fps;

	return s->board.frames_expected ? s->board.frames_expected / 2 : frame;
}

static void cue_camera(struct show *s)
{
	if (!is_ready(s, ROLE_VERIFY) || !is_ready(s, ROLE_MOTION) || !is_ready(s, ROLE_SLOW))
		return;
	board_tell(&s->board, "verify, motion and slow have joined, the camera starts");
	enter(s, PHASE_PLAY);
	start_camera(s);
}

static void cue_late(struct show *s)
{
	if (s->child[ROLE_LATE].pid || is_ready(s, ROLE_LATE) || frames_now(s) < late_at(s))
		return;
	board_tell(&s->board, "late joins and asks for %d frames of history", VIDEO_HISTORY);
	start(s, ROLE_LATE, NULL, -1);
}

/* The killed one leaves the board to its successor. */
static void replace_motion(struct show *s)
{
	struct board *b = &s->board;

	catch_up(s);
	b->killed = b->post[ROLE_MOTION].report;
	start(s, ROLE_MOTION, NULL, -1);
	board_tell(b, "motion was started again as process %d", s->child[ROLE_MOTION].pid);
}

/* It is frozen first, so that what it holds is known when it is killed. */
static void cue_kill(struct show *s)
{
	struct child *motion = &s->child[ROLE_MOTION];
	pid_t pid = motion->pid;
	int64_t held;

	if (s->is_killed || pid == 0 || frames_now(s) < kill_at(s))
		return;
	if (!child_freeze(motion)) {
		break_off(s, "motion ended with %s %d", child_ending(motion), child_code(motion));
		return;
	}
	held = board_count_held(s->view, pid);
	if (held < HELD_WHEN_KILLED) {
		child_signal(motion, SIGCONT);
		return;
	}
	child_kill(motion);
	s->is_killed = true;
	s->board.killed_held = (uint64_t)held;
	board_tell(&s->board, "motion, process %d, was killed: it held %jd frames", pid,
		   (intmax_t)held);
	replace_motion(s);
}

static void cue_end(struct show *s)
{
	if (s->board.post[ROLE_CAMERA].report.state != REPORT_ENDED)
		return;
	board_tell(&s->board, "the camera has sent the end mark after frame %ju",
		   (uintmax_t)frames_now(s));
	/* It may wait for somebody to read what nobody wants any more. */
	if (s->is_cut_short)
		child_signal(&s->decoder, SIGKILL);
	enter(s, PHASE_LEAVE);
}

/* The camera is still there: its memory must be free of holds while it lives. */
static void cue_close(struct show *s)
{
	for (unsigned i = ROLE_VERIFY; i < ROLE_COUNT; i++)
		if (s->child[i].pid)
			return;
	picture_close(&s->screen.picture);
	s->held_after = board_count_held(s->view, 0);
	s->has_looked = true;
	child_signal(&s->child[ROLE_CAMERA], SIGTERM);
	enter(s, PHASE_CLOSE);
}

static void cue_over(struct show *s)
{
	if (s->decoder.pid)
		return;
	for (unsigned i = 0; i < ROLE_COUNT; i++)
		if (s->child[i].pid)
			return;
	enter(s, PHASE_OVER);
}

static void go_on(struct show *s)
{
	switch (s->phase) {
	case PHASE_GATHER:
		cue_camera(s);
		break;
	case PHASE_PLAY:
		cue_late(s);
		cue_kill(s);
		cue_end(s);
		break;
	case PHASE_LEAVE:
		cue_close(s);
		break;
	case PHASE_CLOSE:
		cue_over(s);
		break;
	case PHASE_OVER:
		break;
	}
}

/*
 * What may go wrong
 */

static void reap(struct show *s)
{
	for (unsigned i = 0; i < ROLE_COUNT; i++) {
		struct child *child = &s->child[i];

		if (!child_reap(child) || s->phase == PHASE_CLOSE)
			continue;
		if (child_has_failed(child))
			break_off(s, "%s ended with %s %d", role_names[i], child_ending(child),
				  child_code(child));
		else if (i == ROLE_CAMERA)
			break_off(s, "the camera has left too early");
	}
	if (child_reap(&s->decoder) && child_has_failed(&s->decoder) && !s->is_cut_short)
		break_off(s, "ffmpeg ended with %s %d", child_ending(&s->decoder),
			  child_code(&s->decoder));
}

/* The first interrupt ends the video, the second everything. */
static void heed_interrupts(struct show *s, int interrupts)
{
	if (interrupts == 0 || s->phase >= PHASE_CLOSE)
		return;
	if (!s->is_interrupted)
		board_tell(&s->board, "interrupted: the video ends here");
	s->is_interrupted = true;
	s->is_cut_short = true;
	if (interrupts > 1 || s->phase == PHASE_GATHER) {
		send_away(s);
	} else if (s->phase == PHASE_PLAY) {
		child_signal(&s->child[ROLE_CAMERA], SIGUSR1);
	}
}

/* While frames flow there is patience: it ends when nobody has reported for as long. */
static void heed_silence(struct show *s)
{
	int64_t patience_ns = s->patience_ns;

	if (s->phase == PHASE_PLAY && s->board.heard_ns + PATIENCE_NS > patience_ns)
		patience_ns = s->board.heard_ns + PATIENCE_NS;
	if (now_ns() < patience_ns)
		return;
	break_off(s, "nothing happened for %d seconds", (int)(PATIENCE_NS / 1000000000));
	signal_all(s, SIGKILL);
}

/*
 * The course
 */

static uint64_t count_expected(const struct show_options *o)
{
	uint64_t wanted = (uint64_t)o->seconds * o->fps;

	if (o->loop)
		return wanted;
	return wanted > 0 && wanted < o->frames ? wanted : o->frames;
}

/* A domain of our own, that all children inherit. */
static int open_domain(struct show *s)
{
	struct floe_error error = {""};
	char domain[32];
	int r;

	snprintf(domain, sizeof(domain), "demo-%d", getpid());
	setenv("FLOE_DOMAIN", domain, 1);
	r = floe_view_open(&s->view, NULL, NULL, &error);
	if (r < 0)
		return process_fail("cannot look at the domain", r, &error);
	r = join(&s->stats, TOPIC_STATS);
	return r < 0 ? r : join(&s->motion, TOPIC_MOTION);
}

int show_open(struct show *s, const struct show_options *options)
{
	int r;

	*s = (struct show){.options = *options, .messages_fd = -1};
	r = open_domain(s);
	if (r < 0)
		return r;

	s->board.width = options->width;
	s->board.height = options->height;
	s->board.frames_expected = count_expected(options);
	s->board.start_ns = now_ns();
	screen_open(&s->screen, options->plain);
	if (!s->screen.is_plain)
		s->messages_fd = memfd_create("messages", MFD_CLOEXEC);
	return 0;
}

void show_run(struct show *s, const volatile sig_atomic_t *interrupts)
{
	/* -EMFILE and the like: poll ignores it, and the time-out serves. */
	struct pollfd readable = {.fd = floe_subscriber_fd(s->stats), .events = POLLIN};

	enter(s, PHASE_GATHER);
	start(s, ROLE_VERIFY, NULL, -1);
	start(s, ROLE_MOTION, NULL, -1);
	start(s, ROLE_SLOW, NULL, -1);

	while (s->phase != PHASE_OVER) {
		poll(&readable, 1, TICK_MS);
		catch_up(s);
		reap(s);
		heed_interrupts(s, *interrupts);
		heed_silence(s);
		go_on(s);
		board_look(&s->board, s->view);
		screen_update(&s->screen, &s->board, s->phase == PHASE_PLAY);
	}
	/* The last reports were sent before their processes ended. */
	catch_up(s);
	board_look(&s->board, s->view);
}

static void copy_messages(int fd)
{
	char text[4096];
	ssize_t n;

	for (off_t at = 0; (n = pread(fd, text, sizeof(text), at)) > 0; at += n)
		fwrite(text, 1, (size_t)n, stderr);
	close(fd);
}

void show_close(struct show *s)
{
	screen_close(&s->screen);
	floe_subscriber_close(s->motion);
	floe_subscriber_close(s->stats);
	if (s->view) {
		s->cleaned = floe_view_clean(s->view, 0, NULL, NULL);
		leftovers_find(&s->leftovers, floe_view_path(s->view));
	}
	floe_view_close(s->view);
	if (s->messages_fd >= 0)
		copy_messages(s->messages_fd);
	s->messages_fd = -1;
}
