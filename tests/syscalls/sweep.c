/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A process is killed at a system call, once on its way into the kernel and once on its way back,
 * and then at the next one, through its whole life. After each kill
 *
 *   - a fresh publisher and a fresh subscriber of the same names exchange messages at once,
 *     without waiting for anything; so do those who come to a board, an event or a service;
 *   - who lived beside the dead one goes on;
 *   - one clean-up leaves nothing of him: no name, no file without a name, no byte.
 *
 * By turns newcomers come first and who cleans comes first. `floe doctor` looks, and somebody cleans,
 * while the victim stands at its point; and it is `floe doctor` and `floe clean` that look and clean
 * after the kill. FLOE_SWEEP_EVERY=1 kills at each point, and both ways, and does all of this;
 * without it some fifteen points of each life are tried, with one of it. FLOE and FLOED, if they are
 * set, are the command line and the coordinator.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <floe/inspect.h>

#include "api/folder.h"
#include "api/peer.h"
#include "frame/frame.h"
#include "ground.h"
#include "os/os.h"
#include "patterns.h"
#include "victim.h"

#define TOPIC "life"
#define OTHER "other"
#define CHUNK 1000
#define SHORT_NS 500000
#define KILLS_DEFAULT 16 /* in each life */

struct life {
	const char *name;
	void (*live)(void);                       /* the victim */
	void (*set_scene)(void);                  /* what it finds, made anew for each; or NULL */
	void (*beside)(int wire, void *argument); /* lives on the topic all the while, or NULL */
	const char *(*newcome)(void);             /* comes afterwards; NULL: open_and_talk */
	bool told; /* the neighbour takes away what is left when he is told of the next newcomer */
};

static struct {
	const struct life *life;
	struct ground before; /* what is there when nobody has died */
	struct peer neighbour;
	uint64_t passed; /* points of the whole life */
	uint64_t kills;
	uint64_t unusable;
	uint64_t left;
	uint64_t at;
	uint64_t every;
	int64_t slowest_ns; /* of the newcomers */
	uint64_t slept;
} sweep;

/* Both open: an ordinary user may not find them. */
static int tool = -1;        /* the command line */
static int coordinator = -1; /* floed */

/* The n-th point is bad: said, and counted by the caller. */
static bool complain(const char *what, int r)
{
	(void)fprintf(stderr, "%s, killed at point %" PRIu64 ": %s (%d %s)\n", sweep.life->name,
		      sweep.at, what, r, strerrorname_np(r < 0 ? -r : 0));
	return false;
}

/*
 * What all of them do
 */

static struct floe_publisher_options plan(size_t depth)
{
	return (struct floe_publisher_options){
		.size = sizeof(struct floe_publisher_options),
		.depth = depth,
		.loans_max = 2,
		.payload_max = CHUNK,
		.holds_max = 2,
	};
}

static int open_publisher(struct floe_publisher **ret, size_t depth)
{
	struct floe_publisher_options o = plan(depth);

	return floe_publisher_open(ret, TOPIC, &o);
}

static int open_subscriber(struct floe_subscriber **ret, uint32_t policy)
{
	struct floe_subscriber_options o = {
		.size = sizeof(o), .policy = policy, .spin_ns = 1, .holds_max = 2};

	return floe_subscriber_open(ret, TOPIC, &o);
}

/* 1, 0 or -errno */
static int say(struct floe_publisher *pub, size_t size, unsigned char byte)
{
	struct floe_loan loan = {0};
	int r = floe_loan(pub, size, &loan);

	if (r <= 0)
		return r;
	memset(loan.data, byte, size);
	r = floe_publish(pub, &loan);
	floe_discard(pub, &loan);
	return r;
}

/* Takes all there is. True: the last message was this one. */
static bool hear_last(struct floe_subscriber *sub, size_t size, unsigned char byte)
{
	struct floe_sample sample;
	bool is_last = false;

	while (floe_take(sub, &sample) == 1) {
		const unsigned char *bytes = sample.data;

		is_last = sample.size == size && bytes[0] == byte && bytes[size - 1] == byte;
		floe_release(sub, &sample);
	}
	return is_last;
}

static int clean(void)
{
	struct floe_view *view;
	int r = floe_view_open(&view, NULL, NULL, NULL);

	if (r < 0)
		return r;
	r = floe_view_clean(view, 0, NULL, NULL);
	floe_view_close(view);
	return r;
}

/*
 * Lives. They are killed somewhere, so they look at no result.
 */

static void live_whole(void)
{
	struct floe_publisher *pub = NULL;
	struct floe_subscriber *sub = NULL;

	(void)open_publisher(&pub, 4);
	(void)open_subscriber(&sub, FLOE_POLICY_RELIABLE);
	for (int i = 0; i < 5; i++)
		(void)say(pub, i % 2 ? CHUNK : 8, 1);
	(void)floe_publisher_wait(pub, os->now_ns() + SHORT_NS);
	(void)hear_last(sub, 8, 1);
	(void)floe_wait(sub, os->now_ns() + SHORT_NS);
	(void)say(pub, CHUNK, 1);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	(void)clean();
}

/* The subscriber goes last here, so that it finds a ring that was closed. */
static void live_publisher_first(void)
{
	struct floe_publisher *pub = NULL;
	struct floe_subscriber *sub = NULL;

	(void)open_subscriber(&sub, FLOE_POLICY_KEEP_LAST);
	(void)open_publisher(&pub, 4);
	(void)say(pub, CHUNK, 2);
	(void)hear_last(sub, CHUNK, 2);
	floe_publisher_close(pub);
	(void)open_publisher(&pub, 8);
	(void)say(pub, CHUNK, 2);
	floe_publisher_close(pub);
	(void)hear_last(sub, CHUNK, 2);
	floe_subscriber_close(sub);
}

static void live_in_a_block(void)
{
	static _Alignas(64) unsigned char block[65536];
	struct floe_publisher_options o = plan(4);
	struct floe_publisher *pub = NULL;

	o.memory = block;
	o.memory_size = sizeof(block);
	(void)floe_publisher_open(&pub, TOPIC, &o);
	(void)say(pub, CHUNK, 3);
	floe_publisher_close(pub);
}

#define RELAYS 6

/* What it reads on another topic it passes on without a copy, and then it leaves in each order. */
static void live_as_relay(void)
{
	struct floe_subscriber_options in_options = {.size = sizeof(in_options),
						     .holds_max = RELAYS + 1};
	struct floe_publisher_options out_options = plan(4);
	struct floe_publisher *source = NULL, *out = NULL;
	struct floe_subscriber *in = NULL, *end = NULL;
	struct floe_sample sample = {0};

	out_options.relays_max = RELAYS;
	(void)floe_publisher_open(&source, OTHER, NULL);
	(void)floe_subscriber_open(&in, OTHER, &in_options);
	(void)open_subscriber(&end, FLOE_POLICY_KEEP_LAST);
	(void)floe_publisher_open(&out, TOPIC, &out_options);
	for (int i = 0; i < 8; i++) {
		(void)say(source, CHUNK, 4);
		(void)floe_take(in, &sample);
		(void)floe_republish(out, in, &sample);
		floe_release(in, &sample);
		(void)hear_last(end, CHUNK, 4);
	}
	floe_subscriber_close(in);
	floe_publisher_close(source);
	floe_publisher_close(out);
	floe_subscriber_close(end);
}

static void live_as_cleaner(void)
{
	(void)clean();
}

static void look_at_all(struct floe_view *view)
{
	struct floe_node_info node[4];
	struct floe_topic_info topic[4];
	struct floe_publisher_info publisher[4];
	struct floe_subscriber_info subscriber[4];
	struct floe_observer *observer = NULL;
	struct floe_sample sample;

	(void)floe_view_nodes(view, node, sizeof(node[0]), 4);
	(void)floe_view_topics(view, topic, sizeof(topic[0]), 4);
	(void)floe_view_publishers(view, TOPIC, publisher, sizeof(publisher[0]), 4);
	(void)floe_view_subscribers(view, TOPIC, subscriber, sizeof(subscriber[0]), 4);
	(void)floe_observer_open(&observer, view, TOPIC, NULL);
	(void)floe_observer_next(observer, 0, &sample);
	floe_observer_close(observer);
	(void)floe_view_clean(view, 1, NULL, NULL);
}

static void live_as_onlooker(void)
{
	struct floe_view *view = NULL;

	(void)floe_view_open(&view, NULL, NULL, NULL);
	look_at_all(view);
	floe_view_close(view);
}

/* A reader of its output there must not be; a sanitizer cannot look for leaks while it is traced. */
static void execute(int program, const char *const *arguments)
{
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)dup2(nowhere, STDOUT_FILENO);
	(void)dup2(nowhere, STDERR_FILENO);
	(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	(void)fexecve(program, (char *const *)arguments, environ);
	_exit(errno);
}

static void execute_tool(const char *command)
{
	execute(tool, (const char *const[]){"floe", command, NULL});
}

/* Its exit status; 128 and more: a signal. */
static int wait_for(pid_t pid)
{
	int status;

	expect(pid >= 0);
	while (waitpid(pid, &status, 0) < 0)
		expect_equal(errno, EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_tool(const char *command)
{
	pid_t pid = fork();

	if (pid == 0)
		execute_tool(command);
	return wait_for(pid);
}

static void live_as_floe_clean(void)
{
	execute_tool("clean");
}

static void live_as_floe_doctor(void)
{
	execute_tool("doctor");
}

static const char laid_down[] = "[floed]\nlinger = 0\n"
				"[topic laid]\ndepth = 3\npayload = 100\nreserve = 1\n";

/* All of its life: it has been told to end before it begins, and reads that when it is ready. */
static void live_as_floed(void)
{
	int file = memfd_create("floed.conf", 0);
	char path[64];
	sigset_t end;

	(void)!write(file, laid_down, sizeof(laid_down) - 1);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	(void)sigemptyset(&end);
	(void)sigaddset(&end, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &end, NULL);
	(void)raise(SIGTERM);
	execute(coordinator, (const char *const[]){"floed", "--config", path, NULL});
}

/*
 * Scenes: what somebody left who was killed
 */

static void publish_subscribe_and_stay(int wire, void *argument)
{
	struct floe_subscriber_options other = {.size = sizeof(other)};
	struct floe_publisher *pub = NULL;
	struct floe_subscriber *sub = NULL;

	(void)argument;
	expect_equal(open_publisher(&pub, 4), 0);
	expect_equal(open_subscriber(&sub, FLOE_POLICY_RELIABLE), 0);
	expect_equal(say(pub, CHUNK, 9), 1);
	expect_equal(floe_subscriber_open(&sub, OTHER, &other), 0);
	tell(wire, 1);
	(void)hear(wire);
}

static void leave_the_dead(void)
{
	struct peer dead = peer_start(publish_subscribe_and_stay, NULL);

	expect_equal(hear(dead.wire), 1);
	peer_kill(&dead);
}

/*
 * The neighbour: publishes and takes what it published, at each question
 */

static void live_beside(int wire, void *argument)
{
	struct floe_publisher *pub = NULL;
	struct floe_subscriber *sub = NULL;
	uint64_t word;

	(void)argument;
	/* Another plan than anybody's here: its ring is adopted by none. */
	expect_equal(open_publisher(&pub, 3), 0);
	expect_equal(open_subscriber(&sub, FLOE_POLICY_KEEP_LAST), 0);
	tell(wire, 1);
	while ((word = hear(wire))) {
		(void)hear_last(sub, 0, 0);
		/* A reliable one that died full holds it up until the kernel says that he did. */
		expect_equal(floe_publisher_wait(pub, -1), 1);
		expect_equal(say(pub, CHUNK, (unsigned char)word), 1);
		tell(wire, hear_last(sub, CHUNK, (unsigned char)word));
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/*
 * What is looked at after each death
 */

static void count_sleep(int64_t ns)
{
	sweep.slept++;
	os_real.sleep_ns(ns);
}

static bool talk(struct floe_publisher *pub, struct floe_subscriber *sub)
{
	int r = say(pub, 8, 5);

	if (r != 1)
		return complain("a newcomer cannot publish", r);
	if (!hear_last(sub, 8, 5))
		return complain("a newcomer does not get what is published", 0);
	r = say(pub, CHUNK, 6);
	if (r != 1 || !hear_last(sub, CHUNK, 6))
		return complain("a newcomer does not get a chunk", r);
	return true;
}

static bool open_and_talk(void)
{
	struct floe_publisher *pub = NULL;
	struct floe_subscriber *sub = NULL;
	int r = open_subscriber(&sub, FLOE_POLICY_KEEP_LAST);
	bool good = true;

	if (r < 0)
		good = complain("a newcomer cannot subscribe", r);
	r = open_publisher(&pub, 4);
	if (r < 0)
		good = complain("a newcomer cannot open a publisher", r);
	good = good && talk(pub, sub);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
	return good;
}

/* The next one takes office at once, and everybody else does without one. */
static const char *floed_newcome(void)
{
	pid_t pid = fork();

	if (pid == 0)
		live_as_floed();
	if (wait_for(pid) != 0)
		return "the next floed does not come to its end";
	return open_and_talk() ? NULL : "a newcomer cannot do without a floed";
}

static bool newcome(void)
{
	const char *wrong = sweep.life->newcome();

	return !wrong || complain(wrong, 0);
}

static void look_whether_usable(void)
{
	int64_t begin = os->now_ns();
	int64_t took;
	bool good;

	sweep.slept = 0;
	good = sweep.life->newcome ? newcome() : open_and_talk();
	took = os->now_ns() - begin;
	if (took > sweep.slowest_ns)
		sweep.slowest_ns = took;
	if (sweep.slept)
		good = complain("a newcomer had to wait", (int)sweep.slept);
	if (sweep.life->beside && ask(sweep.neighbour.wire, 1 + sweep.at % 255) != 1)
		good = complain("the neighbour does not go on", 0);
	sweep.unusable += !good;
}

static void list_names(void)
{
	static struct folder folder;

	folder_list(&folder);
	for (size_t i = 0; i < folder.count; i++)
		(void)fprintf(stderr, "  %s\n", folder.entry[i].path);
}

/* Which of three further looks come at this point. */
static bool is_turn(uint64_t turn)
{
	return sweep.at && (sweep.every == 1 || sweep.at / sweep.every % 3 == turn);
}

/* 1: it has found something. */
static void let_doctor_look(const char *when)
{
	int status = tool < 0 ? 0 : run_tool("doctor");

	sweep.unusable += status > 1 && !complain(when, status);
}

/* It is alive and stays where it is: nobody waits for it without end. */
static void look_meanwhile(void)
{
	int r = clean();

	sweep.unusable += r < 0 && !complain("cleaning fails while it stands there", r);
	let_doctor_look("doctor fails while it stands there");
}

/* What was removed, or 0 where that cannot be told. */
static int clean_once(void)
{
	int status;

	if (tool < 0 || !is_turn(1))
		return clean();
	status = run_tool("clean");
	return status ? -EIO : 0;
}

/* One clean-up, and then nothing is left, so that a second one has nothing to do. */
static void look_whether_clean(void)
{
	struct ground now;
	bool good = true;
	int r;

	if (is_turn(2))
		let_doctor_look("doctor fails");
	r = clean_once();
	if (r < 0)
		good = complain("cleaning fails", r);
	now = ground_count();
	if (now.names != sweep.before.names)
		good = complain("names are left", (int)(now.names - sweep.before.names));
	if (now.files != sweep.before.files)
		good = complain("files are left", (int)(now.files - sweep.before.files));
	if (now.blocks != sweep.before.blocks)
		good = complain("pages are left", (int)(now.blocks - sweep.before.blocks));
	r = clean();
	if (r != 0)
		good = complain("a second clean-up finds something", r);
	if (!good)
		list_names();
	sweep.left += !good;
}

/* False: the victim was through before its point came. */
static bool kill_at(uint64_t at, bool clean_first)
{
	uint64_t passed;

	sweep.at = at;
	if (sweep.life->set_scene)
		sweep.life->set_scene();
	if (!victim_run(sweep.life->live, at, is_turn(0) ? look_meanwhile : NULL, &passed) && at)
		return false;
	if (passed > sweep.passed)
		sweep.passed = passed;
	clean_first &= !sweep.life->told;
	if (clean_first)
		look_whether_clean();
	look_whether_usable();
	if (!clean_first)
		look_whether_clean();
	sweep.kills += at > 0;
	return true;
}

/* Odd, so that calls are met on their way in and on their way back. */
static uint64_t get_every(void)
{
	const char *given = getenv("FLOE_SWEEP_EVERY");
	uint64_t every = given ? strtoull(given, NULL, 10) : sweep.passed / KILLS_DEFAULT | 1;

	return every ? every : 1;
}

static void report(void)
{
	(void)fprintf(stderr,
		      "# %s: %" PRIu64 " kills at %" PRIu64 " points, %" PRIu64
		      " unusable, %" PRIu64
		      " with something left, the slowest newcomer was through in %.1f ms\n",
		      sweep.life->name, sweep.kills, sweep.passed, sweep.unusable, sweep.left,
		      (double)sweep.slowest_ns / 1e6);
}

/* First without a death, after which the memory is what it will be: rings have grown for all who
 * come. */
static void prepare(const struct life *life)
{
	static struct os table;

	table = os_real;
	table.sleep_ns = count_sleep;
	os = &table;
	memset(&sweep, 0, sizeof(sweep));
	sweep.life = life;
	if (life->beside) {
		sweep.neighbour = peer_start(life->beside, NULL);
		expect_equal(hear(sweep.neighbour.wire), 1);
	}
	if (life->set_scene)
		life->set_scene();
	(void)victim_run(life->live, 0, NULL, &sweep.passed);
	expect(life->newcome ? newcome() : open_and_talk());
	if (life->beside)
		expect_equal(ask(sweep.neighbour.wire, 1), 1);
	expect(clean() >= 0);
	sweep.before = ground_count();
}

/* Two runs that leave out most points leave out different ones. */
static void run(const struct life *life, bool as_user)
{
	uint64_t every, from;

	prepare(life);
	every = sweep.every = get_every();
	from = as_user ? every / 2 : 0;
	(void)kill_at(0, true);
	for (int way = 0; way < (every == 1 ? 2 : 1); way++)
		for (uint64_t at = 1 + from; kill_at(at, (at / every + (uint64_t)way) % 2);
		     at += every)
			;
	expect(clean() >= 0); /* of the last scene, in which nobody was killed */
	report();
	if (life->beside) {
		tell(sweep.neighbour.wire, 0);
		peer_end(&sweep.neighbour);
		expect_equal(clean(), 0);
		expect_equal(ground_count().names, 0);
	}
	os = &os_real;
	/* Each point that was chosen was reached. */
	expect(sweep.passed > 10);
	expect(sweep.kills + 1 >= sweep.passed / every);
	expect_equal(sweep.unusable, 0);
	expect_equal(sweep.left, 0);
}

/*
 * Tests
 */

static const struct life lives[] = {
	{"a life alone", live_whole, NULL, NULL, NULL, false},
	{"a life beside others", live_whole, NULL, live_beside, NULL, false},
	{"a publisher that leaves first", live_publisher_first, NULL, NULL, NULL, false},
	{"a successor", live_whole, leave_the_dead, live_beside, NULL, false},
	{"a successor with another plan", live_publisher_first, leave_the_dead, live_beside, NULL,
	 false},
	{"a ring in a block", live_in_a_block, NULL, live_beside, NULL, false},
	{"who cleans", live_as_cleaner, leave_the_dead, NULL, NULL, false},
	{"who cleans beside others", live_as_cleaner, leave_the_dead, live_beside, NULL, false},
	{"who looks", live_as_onlooker, leave_the_dead, live_beside, NULL, false},
	{"floe clean", live_as_floe_clean, leave_the_dead, live_beside, NULL, false},
	{"floe doctor", live_as_floe_doctor, leave_the_dead, live_beside, NULL, false},
	{"a publisher of any size", elastic_live, NULL, NULL, NULL, false},
	{"who lays down terms", terms_live, NULL, NULL, NULL, false},
	{"boards", board_live, board_leave_the_dead, board_live_beside, board_newcome, false},
	{"events", event_live, event_leave_the_dead, event_live_beside, event_newcome, false},
	{"services", service_live, service_leave_the_dead, service_live_beside, service_newcome,
	 true},
	{"a board alone", board_live, NULL, NULL, board_newcome, false},
	{"an event alone", event_live, NULL, NULL, event_newcome, false},
	{"a service alone", service_live, NULL, NULL, service_newcome, false},
	{"a republisher", live_as_relay, NULL, NULL, NULL, false},
	{"floed", live_as_floed, leave_the_dead, live_beside, floed_newcome, false},
};

static int open_program(const char *variable)
{
	const char *path = getenv(variable);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	expect(!path || fd >= 0);
	return fd;
}

static void run_as(size_t i, bool as_user)
{
	tool = open_program("FLOE");
	coordinator = open_program("FLOED");
	ground_lay(as_user);
	run(&lives[i], as_user);
	if (tool >= 0)
		close(tool);
	if (coordinator >= 0)
		close(coordinator);
}

static void run_floed_as(size_t i, bool as_user)
{
	if (!getenv("FLOED"))
		skip("floed was not built");
	run_as(i, as_user);
}

static void run_tool_as(size_t i, bool as_user)
{
	if (!getenv("FLOE"))
		skip("the command line was not built");
	run_as(i, as_user);
}

#define RUN(name, call, i) \
	static void name##_may_die_at_any_system_call(void) \
	{ \
		call(i, false); \
	} \
	static void name##_may_die_at_any_system_call_as_a_user(void) \
	{ \
		call(i, true); \
	}

RUN(a_life_alone, run_as, 0)
RUN(a_life_beside_others, run_as, 1)
RUN(a_publisher_that_leaves_first, run_as, 2)
RUN(a_successor, run_as, 3)
RUN(a_successor_with_another_plan, run_as, 4)
RUN(a_publisher_in_a_block, run_as, 5)
RUN(who_cleans, run_as, 6)
RUN(who_cleans_beside_others, run_as, 7)
RUN(who_looks, run_as, 8)
RUN(floe_clean, run_tool_as, 9)
RUN(floe_doctor, run_tool_as, 10)
RUN(a_publisher_of_any_size, run_as, 11)
RUN(who_lays_down_terms, run_as, 12)
RUN(boards, run_as, 13)
RUN(events, run_as, 14)
RUN(services, run_as, 15)
RUN(a_board_alone, run_as, 16)
RUN(an_event_alone, run_as, 17)
RUN(a_service_alone, run_as, 18)
RUN(a_republisher, run_as, 19)
RUN(floed, run_floed_as, 20)

#define BOTH(name) \
	TEST(name##_may_die_at_any_system_call), TEST(name##_may_die_at_any_system_call_as_a_user)

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		BOTH(a_life_alone),
		BOTH(a_life_beside_others),
		BOTH(a_publisher_that_leaves_first),
		BOTH(a_successor),
		BOTH(a_successor_with_another_plan),
		BOTH(a_publisher_in_a_block),
		BOTH(a_republisher),
		BOTH(who_cleans),
		BOTH(who_cleans_beside_others),
		BOTH(who_looks),
		BOTH(floe_clean),
		BOTH(floe_doctor),
		BOTH(floed),
		BOTH(a_publisher_of_any_size),
		BOTH(who_lays_down_terms),
		BOTH(boards),
		BOTH(events),
		BOTH(services),
		BOTH(a_board_alone),
		BOTH(an_event_alone),
		BOTH(a_service_alone),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
