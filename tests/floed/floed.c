/* SPDX-License-Identifier: Apache-2.0 */

/* floed comes, goes and is killed at any time, in any order with programs: they go on and new ones
 * start, the dead are cleaned away, and nothing is left. Each way in which other coordinators are
 * known to take their programs down with them is one of these tests. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <floe/board.h>
#include <floe/event.h>
#include <floe/inspect.h>

#include "asleep.h"
#include "folder.h"
#include "frame/frame.h"
#include "keeper.h"
#include "peer.h"
#include "steps.h"

#define LONG_NS 60000000000

static const char *const *no_linger(void)
{
	return keeper_configure("[floed]\nlinger = 0\n");
}

static const char *const *no_monitoring(void)
{
	static const char *const arguments[] = {"--monitoring", "off", NULL};

	return arguments;
}

static int64_t deadline(void)
{
	return now_ns() + LONG_NS;
}

/* Asks again until it is so, or the test has failed. */
#define expect_soon(condition) \
	do { \
		int64_t expect_until_ns = deadline(); \
		while (!(condition)) { \
			expect(now_ns() < expect_until_ns); \
			usleep(500); \
		} \
	} while (0)

static int count_publishers(const char *topic, uint32_t state)
{
	struct floe_publisher_info info[FLOE_PUBLISHERS_MAX];
	struct floe_view *view;
	int count;
	int found = 0;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	count = floe_view_publishers(view, topic, info, sizeof(info[0]), COUNT(info));
	floe_view_close(view);
	for (int i = 0; i < count; i++)
		found += info[i].state == state;
	return found;
}

static int count_subscribers(const char *topic)
{
	struct floe_view *view;
	int count;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	count = floe_view_subscribers(view, topic, NULL, 0, 0);
	floe_view_close(view);
	return count;
}

static int count_nodes(void)
{
	struct floe_view *view;
	int count;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	count = floe_view_nodes(view, NULL, 0, 0);
	floe_view_close(view);
	return count;
}

static void expect_end(struct keeper *keeper)
{
	int status = keeper_end(keeper, SIGTERM);

	expect(WIFEXITED(status));
	expect_equal(WEXITSTATUS(status), 0);
	keeper_forget(keeper);
	keeper_unconfigure();
}

static void expect_nothing_left(void)
{
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect(floe_view_clean(view, 0, NULL, NULL) >= 0);
	floe_view_close(view);
	expect_folder_empty();
}

/*
 * Lives of others
 */

static void publish_when_asked(int wire, void *argument)
{
	struct floe_publisher *pub = publisher(argument, NULL);

	tell(wire, 1);
	for (uint64_t seed; (seed = hear(wire)) != 0;) {
		publish(pub, 64, seed);
		tell(wire, seed);
	}
	floe_publisher_close(pub);
	tell(wire, 0);
}

static void hold_until_killed(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber(argument, SUBSCRIBER(.holds_max = 100));
	struct floe_sample sample;

	tell(wire, 1);
	for (uint64_t i = 0; i < 100; i++) {
		while (floe_take(sub, &sample) != 1)
			expect(floe_wait(sub, -1) == 1);
		tell(wire, i);
	}
	pause();
}

static void be_reliable_and_take_nothing(int wire, void *argument)
{
	(void)subscriber(argument, SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE));
	tell(wire, 1);
	pause();
}

static void publish_for_ever(int wire, void *argument)
{
	struct floe_publisher *pub = publisher(argument, NULL);

	tell(wire, 1);
	for (uint64_t i = 1;; i++)
		(void)try_publish(pub, 64, i);
}

static void take_for_ever(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber(argument,
						 SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE));
	struct floe_sample sample;

	tell(wire, 1);
	for (;;) {
		if (floe_take(sub, &sample) == 1)
			floe_release(sub, &sample);
		else
			(void)floe_wait(sub, -1);
	}
}

static void take_when_asked(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber(argument, NULL);

	tell(wire, 1);
	for (uint64_t seed; (seed = hear(wire)) != 0;) {
		expect(floe_wait(sub, now_ns() + LONG_NS) == 1);
		(void)receive(sub, 64, seed);
		tell(wire, seed);
	}
	floe_subscriber_close(sub);
	tell(wire, 0);
}

static struct peer start(void (*life)(int wire, void *argument), const char *topic)
{
	struct peer peer = peer_start(life, (void *)(uintptr_t)topic);

	expect_equal(hear(peer.wire), 1);
	return peer;
}

/* A program that begins, exchanges a message with itself and leaves. */
static void live_once(int wire, void *argument)
{
	struct floe_publisher *pub = publisher(argument, NULL);
	struct floe_subscriber *sub = subscriber(argument, NULL);

	publish(pub, 64, 5);
	expect(receive(sub, 64, 5) > 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	tell(wire, 1);
}

/*
 * What it says of itself
 */

static void it_tells_when_it_is_ready_and_when_it_ends(void)
{
	struct keeper keeper = keeper_start(no_linger());
	char told[256];

	keeper_hear(&keeper, told, sizeof(told));
	expect(!strncmp(told, "READY=1\nSTATUS='/", 17));
	expect(strstr(told, "', 0 topics, monitoring on") != NULL);
	keeper_configure("[topic small]\n");
	kill(keeper.pid, SIGHUP);
	keeper_hear(&keeper, told, sizeof(told));
	expect(!strncmp(told, "RELOADING=1\nMONOTONIC_USEC=", 27));
	keeper_hear(&keeper, told, sizeof(told));
	expect(!strncmp(told, "READY=1\nSTATUS='/", 17));
	expect(strstr(told, "', 1 topics, monitoring on") != NULL);
	kill(keeper.pid, SIGTERM);
	keeper_hear(&keeper, told, sizeof(told));
	expect(!strcmp(told, "STOPPING=1"));
	expect_end(&keeper);
	expect_folder_empty();
}

/* Whatever else there is to wait for. */
static void it_tells_that_it_is_alive_if_somebody_asks(void)
{
	struct keeper keeper;
	char told[256];

	setenv("WATCHDOG_USEC", "20000", 1);
	keeper = keeper_start_ready(NULL);
	for (int i = 0; i < 5; i++) {
		keeper_hear(&keeper, told, sizeof(told));
		expect(!strcmp(told, "WATCHDOG=1"));
	}
	(void)keeper_end(&keeper, SIGKILL);
	keeper_forget(&keeper);
	/* Another process was asked. */
	setenv("WATCHDOG_PID", "1", 1);
	keeper = keeper_start_ready(NULL);
	usleep(50000);
	kill(keeper.pid, SIGTERM);
	keeper_hear(&keeper, told, sizeof(told));
	expect(!strcmp(told, "STOPPING=1"));
	expect_end(&keeper);
	expect_folder_empty();
}

static void a_second_one_is_told_of_the_first(void)
{
	static const char *const arguments[] = {"--wait", "0", NULL};
	struct keeper first = keeper_start_ready(NULL);
	struct keeper second = keeper_start(arguments);
	char said[4096];
	char expected[64];
	int status = keeper_wait(&second);

	expect(WIFEXITED(status));
	expect_equal(WEXITSTATUS(status), 1);
	keeper_read(&second, said, sizeof(said));
	snprintf(expected, sizeof(expected), "another floed (process %d) coordinates", first.pid);
	expect(strstr(said, expected) != NULL);
	keeper_forget(&second);
	expect_end(&first);
	expect_folder_empty();
}

/* With everybody quiet it sleeps without a time, and a death is what wakes it. */
static void it_looks_at_nothing_until_something_happens(void)
{
	struct keeper keeper = keeper_start_ready(no_linger());
	struct peer peer = start(hold_until_killed, "quiet");

	/* What there was to do is done at some time, on a busy machine late. */
	expect_soon(stays_asleep(keeper.pid));
	expect_equal(count_nodes(), 2);
	peer_kill(&peer);
	expect_soon(count_nodes() == 1);
	expect_soon(folder_count_files() == 1);
	expect_end(&keeper);
	expect_folder_empty();
}

static void with_monitoring_off_the_dead_are_left_alone(void)
{
	struct keeper keeper = keeper_start_ready(no_monitoring());
	struct peer peer = start(hold_until_killed, "quiet");

	peer_kill(&peer);
	usleep(100000);
	expect_equal(count_nodes(), 2);
	expect_end(&keeper);
	expect_nothing_left();
}

/* All at once; 50 lines, and 10 a second, however slow this machine is just now. */
static void it_says_little_when_much_happens(void)
{
	static const char all_told[] = "[floed]\nlinger = 0\nlog-level = verbose\n";
	struct keeper keeper = keeper_start_ready(keeper_configure(all_told));
	static struct peer peers[150];
	int64_t start_ns;

	for (size_t i = 0; i < COUNT(peers); i++)
		peers[i] = start(hold_until_killed, "many");
	start_ns = now_ns();
	for (size_t i = 0; i < COUNT(peers); i++)
		kill(peers[i].pid, SIGKILL);
	for (size_t i = 0; i < COUNT(peers); i++)
		peer_kill(&peers[i]);
	expect_soon(count_nodes() == 1);
	expect_soon(folder_count_files() == 1);
	expect((int64_t)keeper_count_lines(&keeper) < 60 + (now_ns() - start_ns) / 80000000);
	expect_end(&keeper);
	expect_folder_empty();
}

/*
 * Programs die
 */

static void a_publisher_that_is_killed_and_started_again_is_heard(void)
{
	struct keeper keeper = keeper_start_ready(NULL);
	struct floe_subscriber *sub;

	for (uint64_t i = 0; i < 3; i++) {
		struct peer peer = start(publish_when_asked, "again");

		/* Opened by the test after its fork: nothing of it is inherited. */
		if (i == 0)
			sub = subscriber("again", NULL);
		expect_equal(ask(peer.wire, i + 7), i + 7);
		expect_equal(floe_wait(sub, deadline()), 1);
		expect_equal(receive(sub, 64, i + 7), i + 1);
		peer_kill(&peer);
	}
	floe_subscriber_close(sub);
	expect_end(&keeper);
	expect_nothing_left();
}

/* Before its ring is swept, and after. */
static void a_publisher_that_comes_back_later_is_heard(void)
{
	static const useconds_t pauses[] = {0, 1000, 20000, 200000};
	struct keeper keeper = keeper_start_ready(no_linger());
	struct floe_subscriber *sub = NULL;

	for (uint64_t i = 0; i < COUNT(pauses); i++) {
		struct peer peer;

		usleep(pauses[i]);
		peer = start(publish_when_asked, "later");
		if (!sub)
			sub = subscriber("later", NULL);
		expect_equal(ask(peer.wire, i + 7), i + 7);
		expect_equal(floe_wait(sub, deadline()), 1);
		(void)receive(sub, 64, i + 7);
		peer_kill(&peer);
	}
	floe_subscriber_close(sub);
	expect_soon(folder_count_files() == 1);
	expect_end(&keeper);
	expect_folder_empty();
}

/* A hundred chunks are held by a subscriber that is dead. */
static struct floe_publisher *publish_to_the_dead(const char *topic)
{
	struct peer peer = start(hold_until_killed, topic);
	struct floe_publisher *pub = publisher(topic, NULL);

	for (uint64_t i = 0; i < 100; i++) {
		publish(pub, 64, i + 1);
		expect_equal(hear(peer.wire), i);
	}
	expect_equal(count_subscribers(topic), 1);
	peer_kill(&peer);
	return pub;
}

static void what_a_killed_subscriber_held_is_free_at_once(void)
{
	struct keeper keeper = keeper_start_ready(NULL);
	struct floe_publisher *pub = publish_to_the_dead("held");

	/* Nobody opens, publishes or cleans here but floed. */
	expect_soon(count_subscribers("held") == 0);
	floe_publisher_close(pub);
	expect_end(&keeper);
	expect_folder_empty();
}

static void without_monitoring_a_killed_subscriber_keeps_what_it_held_and_no_more(void)
{
	struct keeper keeper = keeper_start_ready(no_monitoring());
	struct floe_publisher *pub = publish_to_the_dead("held");
	struct floe_subscriber *sub;

	for (uint64_t i = 0; i < 1000; i++)
		publish(pub, 64, i);
	expect_equal(count_subscribers("held"), 1);
	/* Whoever comes takes its place. */
	sub = subscriber("held", NULL);
	expect_equal(count_subscribers("held"), 1);
	publish(pub, 64, 7);
	(void)receive(sub, 64, 7);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_end(&keeper);
	expect_nothing_left();
}

static void expect_to_go_on_when_who_blocks_is_killed(const char *const *arguments)
{
	struct keeper keeper = keeper_start_ready(arguments);
	struct peer peer = start(be_reliable_and_take_nothing, "blocked");
	struct floe_publisher *pub = publisher("blocked", PUBLISHER(.depth = 2));
	int r = 1;

	for (uint64_t i = 1; r == 1; i++)
		r = try_publish(pub, 64, i);
	expect_equal(r, 0);
	peer_kill(&peer);
	expect_equal(floe_publisher_wait(pub, deadline()), 1);
	publish(pub, 64, 99);
	floe_publisher_close(pub);
	expect_end(&keeper);
	expect_nothing_left();
}

static void who_was_blocked_by_a_killed_subscriber_goes_on(void)
{
	expect_to_go_on_when_who_blocks_is_killed(NULL);
}

static void without_monitoring_he_goes_on_too(void)
{
	expect_to_go_on_when_who_blocks_is_killed(no_monitoring());
}

static void a_busy_publisher_is_killed_often(void)
{
	struct keeper keeper = keeper_start_ready(NULL);
	struct floe_subscriber *sub = NULL;
	struct floe_sample sample;
	uint64_t lost;

	for (int i = 0; i < 40; i++) {
		struct peer peer = start(publish_for_ever, "busy");

		if (!sub)
			sub = subscriber("busy", NULL);
		expect_equal(floe_wait(sub, deadline()), 1);
		expect_equal(floe_take(sub, &sample), 1);
		floe_release(sub, &sample);
		peer_kill(&peer);
		(void)drain(sub, &lost);
	}
	floe_subscriber_close(sub);
	expect(kill(keeper.pid, 0) == 0);
	expect_end(&keeper);
	expect_nothing_left();
}

static void busy_publishers_are_killed_and_do_not_come_back(void)
{
	struct keeper keeper = keeper_start_ready(no_linger());

	for (int i = 0; i < 20; i++) {
		char topic[32];
		struct peer peer;

		snprintf(topic, sizeof(topic), "gone.%d", i);
		peer = start(publish_for_ever, topic);
		peer_kill(&peer);
	}
	expect_soon(count_nodes() == 1);
	expect_soon(folder_count_files() == 1);
	expect(kill(keeper.pid, 0) == 0);
	expect_end(&keeper);
	expect_folder_empty();
}

static void a_busy_subscriber_is_killed_often(void)
{
	struct keeper keeper = keeper_start_ready(NULL);
	struct floe_publisher *pub = NULL;

	for (uint64_t i = 0; i < 60; i++) {
		struct peer peer = start(take_for_ever, "busy");

		if (!pub)
			pub = publisher("busy", PUBLISHER(.depth = 4));
		for (uint64_t k = 1; k < 50; k++)
			if (try_publish(pub, 64, k) == 0)
				expect_equal(floe_publisher_wait(pub, deadline()), 1);
		peer_kill(&peer);
	}
	for (uint64_t k = 1; k < 10; k++) {
		expect_equal(floe_publisher_wait(pub, deadline()), 1);
		publish(pub, 64, k);
	}
	floe_publisher_close(pub);
	expect_end(&keeper);
	expect_folder_empty();
}

#define SMALL_POOL \
	PUBLISHER(.depth = 4, .loans_max = 16, \
		  .pools = &(struct floe_pool){.chunk_size = 64, .chunk_count = 20}, \
		  .pools_count = 1)

static void loan_for_ever(int wire, void *argument)
{
	struct floe_publisher *pub = publisher(argument, SMALL_POOL);
	struct floe_loan loan;

	tell(wire, 1);
	for (;;)
		if (floe_loan(pub, 64, &loan) == 1)
			floe_discard(pub, &loan);
}

static void a_small_pool_survives_all_deaths_in_it(void)
{
	struct keeper keeper = keeper_start_ready(NULL);
	struct floe_publisher *pub;
	struct floe_loan loan[16];

	for (int i = 0; i < 40; i++) {
		struct peer peer = start(loan_for_ever, "pool");

		peer_kill(&peer);
	}
	pub = publisher("pool", SMALL_POOL);
	for (size_t i = 0; i < COUNT(loan); i++)
		expect_equal(floe_loan(pub, 64, &loan[i]), 1);
	floe_publisher_close(pub);
	expect_end(&keeper);
	expect_folder_empty();
}

static void crash(int wire, void *argument)
{
	char topic[64];

	snprintf(topic, sizeof(topic), "crash.%d", getpid() % 10);
	(void)argument;
	(void)publisher(topic, PUBLISHER(.depth = 1, .payload_max = 64));
	tell(wire, 1);
	kill(getpid(), SIGKILL);
}

static void three_hundred_crash(void)
{
	for (int i = 0; i < 300; i++) {
		struct peer peer = start(crash, NULL);

		peer_kill(&peer);
	}
}

static void three_hundred_crash_and_nothing_is_left(void)
{
	struct keeper keeper = keeper_start_ready(no_linger());

	three_hundred_crash();
	expect_soon(count_nodes() == 1);
	expect_soon(folder_count_files() == 1);
	expect_end(&keeper);
	expect_folder_empty();
}

static void without_monitoring_three_hundred_crash_and_newcomers_work(void)
{
	struct keeper keeper = keeper_start_ready(no_monitoring());
	struct peer peer;

	three_hundred_crash();
	peer = start(live_once, "crash.1");
	peer_end(&peer);
	expect_end(&keeper);
	expect_nothing_left();
}

static void nobody_gets_the_history_of_the_dead_when_the_linger_is_over(void)
{
	struct keeper keeper = keeper_start_ready(no_linger());
	struct peer peer = start(publish_when_asked, "ghost");
	struct floe_subscriber *sub;

	expect_equal(ask(peer.wire, 3), 3);
	peer_kill(&peer);
	expect_soon(count_publishers("ghost", FLOE_STATE_DEAD) == 0);
	sub = subscriber("ghost", SUBSCRIBER(.history = 16));
	expect_nothing(sub);
	floe_subscriber_close(sub);
	expect_end(&keeper);
	expect_folder_empty();
}

static void until_then_everybody_does(void)
{
	struct keeper keeper = keeper_start_ready(NULL);
	struct peer peer = start(publish_when_asked, "ghost");
	struct floe_subscriber *sub;

	expect_equal(ask(peer.wire, 3), 3);
	peer_kill(&peer);
	/* floed has seen the death. */
	expect_soon(count_nodes() == 1);
	sub = subscriber("ghost", SUBSCRIBER(.history = 16));
	expect_equal(receive(sub, 64, 3), 1);
	floe_subscriber_close(sub);
	expect_end(&keeper);
	expect_folder_empty();
}

static void a_stopped_program_is_left_alone(void)
{
	struct keeper keeper = keeper_start_ready(no_linger());
	struct peer peer = start(publish_when_asked, "stopped");
	struct peer other = start(hold_until_killed, "stopped");
	struct floe_subscriber *sub = subscriber("stopped", NULL);

	kill(peer.pid, SIGSTOP);
	/* Somebody else dies meanwhile, so that floed looks at all of them. */
	peer_kill(&other);
	expect_soon(count_nodes() == 3);
	usleep(100000);
	expect_equal(count_publishers("stopped", FLOE_STATE_ALIVE), 1);
	kill(peer.pid, SIGCONT);
	expect_equal(ask(peer.wire, 3), 3);
	expect_equal(receive(sub, 64, 3), 1);
	floe_subscriber_close(sub);
	expect_equal(ask(peer.wire, 0), 0);
	peer_end(&peer);
	expect_end(&keeper);
	expect_folder_empty();
}

static void a_stopped_subscriber_hears_what_came_meanwhile(void)
{
	struct keeper keeper = keeper_start_ready(no_linger());
	struct peer peer = start(take_when_asked, "stopped");
	struct peer other = start(hold_until_killed, "stopped");
	struct floe_publisher *pub = publisher("stopped", NULL);

	kill(peer.pid, SIGSTOP);
	peer_kill(&other);
	expect_soon(count_nodes() == 3);
	usleep(100000);
	expect_equal(count_subscribers("stopped"), 1);
	publish(pub, 64, 3);
	kill(peer.pid, SIGCONT);
	expect_equal(ask(peer.wire, 3), 3);
	expect_equal(ask(peer.wire, 0), 0);
	peer_end(&peer);
	floe_publisher_close(pub);
	expect_end(&keeper);
	expect_folder_empty();
}

/*
 * floed dies
 */

static void programs_go_on_without_it_and_new_ones_start(void)
{
	struct keeper keeper = keeper_start_ready(NULL);
	struct peer peer = start(publish_when_asked, "on");
	struct floe_subscriber *sub = subscriber("on", NULL);
	struct floe_subscriber *late;

	(void)keeper_end(&keeper, SIGKILL);
	keeper_forget(&keeper);
	expect_equal(ask(peer.wire, 3), 3);
	expect_equal(receive(sub, 64, 3), 1);
	late = subscriber("on", NULL);
	expect_equal(ask(peer.wire, 4), 4);
	expect_equal(receive(late, 64, 4), 2);
	floe_subscriber_close(late);
	floe_subscriber_close(sub);
	expect_equal(ask(peer.wire, 0), 0);
	peer_end(&peer);
	expect_folder_empty();
}

/* No split brain: what came before, between and after belongs together. */
static void what_began_under_one_meets_what_begins_under_the_next(void)
{
	struct keeper keeper = keeper_start_ready(no_linger());
	struct peer before = start(publish_when_asked, "same");
	struct peer after;
	struct floe_subscriber *sub = subscriber("same", NULL);
	struct floe_subscriber *late;
	struct floe_publisher *more;

	(void)keeper_end(&keeper, SIGKILL);
	keeper_forget(&keeper);
	keeper = keeper_start_ready(no_linger());
	after = start(publish_when_asked, "same");
	late = subscriber("same", NULL);
	expect_equal(ask(before.wire, 3), 3);
	expect_equal(ask(after.wire, 4), 4);
	for (uint64_t seed = 3; seed < 5; seed++) {
		(void)receive(sub, 64, seed);
		(void)receive(late, 64, seed);
	}
	/* An old program opens another port. */
	more = publisher("same", NULL);
	publish(more, 64, 5);
	(void)receive(late, 64, 5);
	/* A death that the new one sees. */
	peer_kill(&before);
	expect_soon(count_publishers("same", FLOE_STATE_ALIVE) == 2);
	expect_soon(count_nodes() == 3);
	floe_publisher_close(more);
	floe_subscriber_close(late);
	floe_subscriber_close(sub);
	peer_kill(&after);
	expect_soon(folder_count_files() == 1);
	expect_end(&keeper);
	expect_folder_empty();
}

static void all_are_killed_and_come_back_in_any_order(void)
{
	for (int round = 0; round < 20; round++) {
		struct keeper keeper = {0};
		struct peer peer;
		struct floe_subscriber *sub;

		if (round % 2 == 0)
			keeper = keeper_start_ready(NULL);
		if (round % 5 == 4)
			usleep(20000);
		peer = start(publish_when_asked, "all");
		if (round % 2 == 1)
			keeper = keeper_start_ready(NULL);
		sub = subscriber("all", NULL);
		expect_equal(ask(peer.wire, 3), 3);
		(void)receive(sub, 64, 3);
		floe_subscriber_close(sub);
		kill(peer.pid, SIGKILL);
		(void)keeper_end(&keeper, SIGKILL);
		keeper_forget(&keeper);
		peer_kill(&peer);
	}
	expect_nothing_left();
}

/* The next one starts before the last one is gone, as service managers do. */
static void it_is_killed_and_started_again_without_a_wait(void)
{
	struct keeper keeper = keeper_start_ready(no_linger());
	struct peer peer = start(publish_when_asked, "rounds");
	struct floe_subscriber *sub = subscriber("rounds", NULL);

	for (uint64_t i = 1; i <= 30; i++) {
		struct keeper next;

		kill(keeper.pid, i % 3 ? SIGKILL : SIGTERM);
		next = keeper_start(i % 2 ? NULL : no_linger());
		expect_equal(ask(peer.wire, i), i);
		expect_equal(receive(sub, 64, i), i);
		(void)keeper_wait(&keeper);
		keeper_forget(&keeper);
		expect(keeper_is_ready(&next));
		expect(keeper_count_lines(&next) < 5);
		keeper = next;
	}
	floe_subscriber_close(sub);
	expect_equal(ask(peer.wire, 0), 0);
	peer_end(&peer);
	expect_end(&keeper);
	expect_folder_empty();
}

static void programs_start_while_it_starts_and_ends(void)
{
	uint64_t state = random_seed();

	for (int i = 0; i < 30; i++) {
		struct keeper keeper = keeper_start(NULL);
		struct peer peer;

		usleep((useconds_t)(random_next(&state) % 6000));
		kill(keeper.pid, i % 2 ? SIGKILL : SIGTERM);
		peer = start(live_once, "while");
		peer_end(&peer);
		(void)keeper_wait(&keeper);
		keeper_forget(&keeper);
	}
	expect_nothing_left();
}

static void programs_start_while_it_is_killed_and_the_next_one_comes(void)
{
	uint64_t state = random_seed();
	struct keeper keeper = keeper_start_ready(NULL);

	for (int i = 0; i < 30; i++) {
		struct peer peer = peer_start(live_once, (void *)(uintptr_t) "at once");
		struct keeper next;

		usleep((useconds_t)(random_next(&state) % 3000));
		kill(keeper.pid, SIGKILL);
		next = keeper_start(NULL);
		expect_equal(hear(peer.wire), 1);
		peer_end(&peer);
		(void)keeper_wait(&keeper);
		keeper_forget(&keeper);
		expect(keeper_is_ready(&next));
		expect(keeper_count_lines(&next) < 5);
		keeper = next;
	}
	expect_end(&keeper);
	expect_nothing_left();
}

/* One after the other, and each begins its next life while its last one is perhaps not over. */
static void whoever_is_killed_comes_back_at_once_in_any_order(void)
{
	void (*const lives[])(int wire, void *argument) = {publish_for_ever, take_for_ever};
	char topic[] = "any";
	uint64_t state = random_seed();
	struct keeper keeper = keeper_start(no_linger());
	struct peer peers[] = {start(lives[0], topic), start(lives[1], topic)};

	for (int i = 0; i < 60; i++) {
		uint64_t who = random_next(&state) % 4;
		struct keeper next_keeper;
		struct peer next;

		usleep((useconds_t)(random_next(&state) % 3000));
		if (who < 2) {
			kill(peers[who].pid, SIGKILL);
			next = peer_start(lives[who], topic);
			peer_kill(&peers[who]);
			peers[who] = next;
		} else {
			kill(keeper.pid, who == 2 ? SIGKILL : SIGTERM);
			next_keeper = keeper_start(no_linger());
			(void)keeper_wait(&keeper);
			expect(keeper_count_lines(&keeper) < 10);
			keeper_forget(&keeper);
			keeper = next_keeper;
		}
		if (i % 6 == 5) {
			next = start(live_once, "new");
			peer_end(&next);
		}
	}
	for (int i = 0; i < 2; i++)
		peer_kill(&peers[i]);
	expect(keeper_is_ready(&keeper));
	expect_soon(count_nodes() == 1);
	expect_soon(folder_count_files() == 1);
	expect(keeper_count_lines(&keeper) < 10);
	expect_end(&keeper);
	expect_folder_empty();
}

static void its_end_is_no_end_for_others(void)
{
	struct keeper keeper = keeper_start_ready(NULL);
	struct peer peer = start(publish_when_asked, "end");

	expect_end(&keeper);
	expect_equal(ask(peer.wire, 3), 3);
	expect_equal(count_publishers("end", FLOE_STATE_ALIVE), 1);
	expect_equal(ask(peer.wire, 0), 0);
	peer_end(&peer);
	expect_folder_empty();
}

/*
 * What it lays down
 */

static const char small_topic[] = "[floed]\nlinger = 0\n"
				  "[topic small]\npublishers = 1\nsubscribers = 1\ndepth = 3\n"
				  "payload = 100\nmemory = 64K\nreserve = 1\n";

static void what_it_laid_down_outlives_it(void)
{
	struct keeper keeper = keeper_start_ready(keeper_configure(small_topic));
	struct peer peer = start(publish_when_asked, "small");

	expect_equal(try_publisher("small", NULL, "1 publishers already"), -EDQUOT);
	(void)keeper_end(&keeper, SIGKILL);
	keeper_forget(&keeper);
	expect_equal(try_publisher("small", NULL, "1 publishers already"), -EDQUOT);
	expect_equal(try_publisher("small", PUBLISHER(.payload_max = 1 << 20), "floed.conf"),
		     -EDQUOT);
	/* The last one takes it away. */
	expect_equal(ask(peer.wire, 0), 0);
	peer_end(&peer);
	keeper_unconfigure();
	expect_folder_empty();
}

static void what_a_killed_one_laid_down_can_be_cleaned_away(void)
{
	struct keeper keeper = keeper_start_ready(keeper_configure(small_topic));

	(void)keeper_end(&keeper, SIGKILL);
	keeper_forget(&keeper);
	expect(folder_count_files() > 2);
	expect_nothing_left();
	keeper_unconfigure();
}

static void a_topic_that_it_keeps_outlives_its_users(void)
{
	struct keeper keeper = keeper_start_ready(keeper_configure(small_topic));
	struct peer peer = start(publish_when_asked, "small");
	struct floe_subscriber *sub;

	expect_equal(ask(peer.wire, 3), 3);
	peer_kill(&peer);
	/* The dead ring is swept, and another one lies ready. */
	expect_soon(count_publishers("small", FLOE_STATE_DEAD) == 0 &&
		    count_publishers("small", FLOE_STATE_CLOSED) == 1);
	expect_soon(count_nodes() == 1);
	sub = subscriber("small", SUBSCRIBER(.history = 3));
	expect_nothing(sub);
	expect_equal(try_subscriber("small", NULL, "1 subscribers already"), -EDQUOT);
	floe_subscriber_close(sub);
	expect_soon(count_publishers("small", FLOE_STATE_CLOSED) == 1);
	expect_end(&keeper);
	expect_folder_empty();
}

static void a_ring_that_lies_ready_is_taken(void)
{
	struct keeper keeper = keeper_start_ready(keeper_configure(small_topic));
	struct floe_publisher *pub;
	struct floe_publisher_info info;
	struct floe_view *view;

	expect_equal(count_publishers("small", FLOE_STATE_CLOSED), 1);
	pub = publisher("small", NULL);
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_view_publishers(view, "small", &info, sizeof(info), 1), 1);
	floe_view_close(view);
	expect_equal(info.state, FLOE_STATE_ALIVE);
	expect_equal(info.generation, 2);
	expect_equal(info.depth, 3);
	expect_equal(info.payload_max, 100);
	floe_publisher_close(pub);
	expect_soon(count_publishers("small", FLOE_STATE_CLOSED) == 1);
	expect_end(&keeper);
	expect_folder_empty();
}

/* What an elastic one may have is said by its quota, however many loans may come. */
static void an_elastic_publisher_may_have_more_loans_later(void)
{
	struct keeper keeper = keeper_start_ready(keeper_configure(small_topic));

	floe_publisher_close(
		publisher("small", PUBLISHER(.flags = FLOE_ELASTIC, .depth = 1, .payload_max = 64,
					     .loans_max = 1, .loans_ceiling = 200, .holds_max = 1,
					     .quota_ceiling = (size_t)3 * 4096)));
	expect_soon(count_publishers("small", FLOE_STATE_CLOSED) == 1);
	expect_end(&keeper);
	expect_folder_empty();
}

/* Its quota counts as memory, and so does what that may be raised to. */
static void the_memory_of_a_topic_holds_for_elastic_publishers(void)
{
	struct keeper keeper = keeper_start_ready(keeper_configure(small_topic));

	expect_equal(try_publisher("small",
				   PUBLISHER(.flags = FLOE_ELASTIC, .depth = 1, .payload_max = 64,
					     .loans_max = 1, .holds_max = 1, .quota = 1 << 20),
				   "floed.conf"),
		     -EDQUOT);
	expect_equal(try_publisher("small",
				   PUBLISHER(.flags = FLOE_ELASTIC, .depth = 1, .payload_max = 64,
					     .loans_max = 1, .holds_max = 1,
					     .quota = (size_t)3 * 4096, .quota_ceiling = 1 << 20),
				   "floed.conf"),
		     -EDQUOT);
	expect_equal(count_publishers("small", FLOE_STATE_CLOSED), 1);
	expect_end(&keeper);
	expect_folder_empty();
}

static struct {
	int count;
	char text[512];
} notices;

static void note(void *user, const char *sentence)
{
	(void)user;
	notices.count++;
	(void)snprintf(notices.text, sizeof(notices.text), "%s", sentence);
}

static int try_board(struct floe_board_writer **ret, const char *name, struct floe_error *error)
{
	const struct floe_board_key key = {.name = "map", .size = 50 << 10};
	const struct floe_board_writer_options options = {
		.size = sizeof(options), .keys = &key, .keys_count = 1, .error = error};

	return floe_board_writer_open(ret, name, &options);
}

/* Rings, loans that are allowed later, boards and events: all of it is memory of the user's. */
static void the_memory_of_a_user_is_counted_in_all_that_he_opens(void)
{
	static const char quota[] = "[domain]\nuser-memory = 300K\n";
	const struct floe_notifier_options many = {.size = sizeof(many), .ids = 65536};
	struct keeper keeper = keeper_start_ready(keeper_configure(quota));
	struct floe_board_writer *boards[2], *more;
	struct floe_error error = {0};
	struct floe_notifier *notifier;
	struct floe_publisher *pub;

	expect_equal(try_publisher("much", NULL, "the quota is 307200"), -EDQUOT);
	pub = publisher("some", PUBLISHER(.depth = 1, .payload_max = 4096, .loans_max = 1,
					  .loans_ceiling = 200, .holds_max = 1, .notice = note));
	expect_equal(floe_publisher_limit_loans(pub, 200), -EDQUOT);
	expect_equal(notices.count, 1);
	expect(strstr(notices.text, "200 loans") && strstr(notices.text, "the quota is 307200"));
	expect_equal(floe_publisher_limit_loans(pub, 8), 0);
	expect_equal(try_board(&boards[0], "one", NULL), 0);
	expect_equal(try_board(&boards[1], "two", NULL), 0);
	/* 100 KiB each. */
	expect_equal(try_board(&more, "three", &error), -EDQUOT);
	expect(strstr(error.text, "the quota is 307200"));
	expect_equal(floe_notifier_open(&notifier, "bell", &many), -EDQUOT);
	expect_equal(floe_notifier_open(&notifier, "bell", NULL), 0);
	publish(pub, 4096, 1);
	floe_notifier_close(notifier);
	floe_board_writer_close(boards[1]);
	floe_board_writer_close(boards[0]);
	floe_publisher_close(pub);
	expect_end(&keeper);
	expect_folder_empty();
}

/* There are more than the quota that came after them. */
static void who_does_not_publish_is_not_refused_for_publishers(void)
{
	struct floe_publisher *pubs[] = {publisher("one", PUBLISHER(.loans_ceiling = 8)),
					 publisher("two", NULL)};
	struct keeper keeper = keeper_start_ready(
		keeper_configure("[domain]\nuser-publishers = 1\n"));
	struct floe_board_writer *board;
	struct floe_notifier *notifier;

	expect_equal(try_publisher("three", NULL, "1 publishers already"), -EDQUOT);
	floe_subscriber_close(subscriber("one", NULL));
	expect_equal(try_board(&board, "map", NULL), 0);
	expect_equal(floe_notifier_open(&notifier, "bell", NULL), 0);
	expect_equal(floe_publisher_limit_loans(pubs[0], 8), 0);
	floe_notifier_close(notifier);
	floe_board_writer_close(board);
	floe_publisher_close(pubs[1]);
	floe_publisher_close(pubs[0]);
	expect_end(&keeper);
	expect_folder_empty();
}

static void what_does_not_fit_ends_it_and_leaves_nothing(void)
{
	struct keeper keeper;
	char said[4096];
	int status;

	folder_mount("size=1m");
	keeper = keeper_start(keeper_configure("[topic small]\npayload = 100\nreserve = 2\n"
					       "[topic large]\npayload = 1M\nreserve = 1\n"));
	status = keeper_wait(&keeper);
	expect(WIFEXITED(status));
	expect_equal(WEXITSTATUS(status), 1);
	keeper_read(&keeper, said, sizeof(said));
	expect(strstr(said, "the file system of") && strstr(said, "is full"));
	keeper_forget(&keeper);
	keeper_unconfigure();
	expect_folder_empty();
}

/* A bad one changes nothing. */
static void reading_it_again_changes_what_is_laid_down(void)
{
	struct keeper keeper = keeper_start_ready(keeper_configure(small_topic));
	struct floe_publisher *pub = publisher("small", NULL);
	char told[256];

	keeper_configure("[topic small]\nsize = 7\n");
	kill(keeper.pid, SIGHUP);
	keeper_hear(&keeper, told, sizeof(told));
	keeper_hear(&keeper, told, sizeof(told));
	expect_equal(try_publisher("small", NULL, "1 publishers already"), -EDQUOT);
	keeper_configure("[floed]\nlinger = 0\n[topic other]\n");
	kill(keeper.pid, SIGHUP);
	keeper_hear(&keeper, told, sizeof(told));
	keeper_hear(&keeper, told, sizeof(told));
	floe_publisher_close(publisher("small", NULL));
	floe_publisher_close(pub);
	expect_end(&keeper);
	expect_folder_empty();
}

/* It has nothing to coordinate then: whoever starts it again finds a new folder. */
static void it_ends_when_its_folder_is_taken_away(void)
{
	struct keeper keeper = keeper_start_ready(keeper_configure(small_topic));
	int status;

	folder_wipe();
	status = keeper_wait(&keeper);
	expect(WIFEXITED(status));
	expect_equal(WEXITSTATUS(status), 1);
	keeper_forget(&keeper);
	keeper_unconfigure();
	expect_nothing_left();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(it_tells_when_it_is_ready_and_when_it_ends),
		TEST(it_tells_that_it_is_alive_if_somebody_asks),
		TEST(a_second_one_is_told_of_the_first),
		TEST(it_looks_at_nothing_until_something_happens),
		TEST(with_monitoring_off_the_dead_are_left_alone),
		TEST(it_says_little_when_much_happens),
		TEST(a_publisher_that_is_killed_and_started_again_is_heard),
		TEST(a_publisher_that_comes_back_later_is_heard),
		TEST(what_a_killed_subscriber_held_is_free_at_once),
		TEST(without_monitoring_a_killed_subscriber_keeps_what_it_held_and_no_more),
		TEST(who_was_blocked_by_a_killed_subscriber_goes_on),
		TEST(without_monitoring_he_goes_on_too),
		TEST(a_busy_publisher_is_killed_often),
		TEST(busy_publishers_are_killed_and_do_not_come_back),
		TEST(a_busy_subscriber_is_killed_often),
		TEST(a_small_pool_survives_all_deaths_in_it),
		TEST(three_hundred_crash_and_nothing_is_left),
		TEST(without_monitoring_three_hundred_crash_and_newcomers_work),
		TEST(nobody_gets_the_history_of_the_dead_when_the_linger_is_over),
		TEST(until_then_everybody_does),
		TEST(a_stopped_program_is_left_alone),
		TEST(a_stopped_subscriber_hears_what_came_meanwhile),
		TEST(programs_go_on_without_it_and_new_ones_start),
		TEST(what_began_under_one_meets_what_begins_under_the_next),
		TEST(all_are_killed_and_come_back_in_any_order),
		TEST(it_is_killed_and_started_again_without_a_wait),
		TEST(programs_start_while_it_starts_and_ends),
		TEST(programs_start_while_it_is_killed_and_the_next_one_comes),
		TEST(whoever_is_killed_comes_back_at_once_in_any_order),
		TEST(its_end_is_no_end_for_others),
		TEST(what_it_laid_down_outlives_it),
		TEST(what_a_killed_one_laid_down_can_be_cleaned_away),
		TEST(a_topic_that_it_keeps_outlives_its_users),
		TEST(a_ring_that_lies_ready_is_taken),
		TEST(an_elastic_publisher_may_have_more_loans_later),
		TEST(the_memory_of_a_topic_holds_for_elastic_publishers),
		TEST(the_memory_of_a_user_is_counted_in_all_that_he_opens),
		TEST(who_does_not_publish_is_not_refused_for_publishers),
		TEST(what_does_not_fit_ends_it_and_leaves_nothing),
		TEST(reading_it_again_changes_what_is_laid_down),
		TEST(it_ends_when_its_folder_is_taken_away),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
