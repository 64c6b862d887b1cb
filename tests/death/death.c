/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who waits notices a death: before the memory of the dead is torn down, and not when its own next
 * look would have come. A thread that ends, and a process that is stopped, are no death.
 *
 * What comes first is asked, not how long it takes; the time is printed. A busy machine may bring
 * one order or the other, so a test has some attempts; without an omen none of them succeeds.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <floe/floe.h>

#include "api/asleep.h"
#include "api/peer.h"
#include "api/steps.h"
#include "os/os.h"

#define CHUNK 1000
#define FOREVER (-1)
#define ATTEMPTS 40
#define SLEEPERS 3
#define MILLISECONDS ((int64_t)1000000)

/* MiB that a victim has touched: tearing them down takes some tens of milliseconds. */
#define WEIGHT_DEFAULT 512
/* Some milliseconds, where it is done often. */
#define WEIGHT_LIGHT 128

#define RELIABLE SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE, .spin_ns = 1)

/* When who waits has waited enough; who notices a death does not wait for that. */
static int64_t until_ns = FOREVER;

/* FLOE_TEST_WEIGHT: another number of MiB */
static void grow_by(size_t usual)
{
	const char *given = getenv("FLOE_TEST_WEIGHT");
	size_t size = (given ? strtoul(given, NULL, 10) : usual) << 20;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	expect(memory != MAP_FAILED);
	(void)madvise(memory, size, MADV_NOHUGEPAGE);
	expect_equal(madvise(memory, size, 23 /* MADV_POPULATE_WRITE */), 0);
}

static void grow_heavy(void)
{
	grow_by(WEIGHT_DEFAULT);
}

/* 'R', 'S', 'Z'; 0: it is gone */
static char state_of(pid_t pid)
{
	char path[64], text[256];
	const char *end;
	ssize_t size;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[size > 0 ? size : 0] = 0;
	end = strrchr(text, ')');
	return end ? end[2] : '\0';
}

/*
 * Those who die
 */

static void *open_reliable(void *ret)
{
	*(struct floe_subscriber **)ret = subscriber("t", RELIABLE);
	return NULL;
}

static void subscribe_and_stay(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber("t", RELIABLE);

	(void)argument;
	grow_heavy();
	tell(wire, 1);
	(void)hear(wire);
	floe_subscriber_close(sub);
}

/* The thread that opened is gone; who sleeps later watches in its place. */
static void subscribe_in_a_thread_that_ends(int wire, void *argument)
{
	struct floe_subscriber *sub;
	pthread_t thread;

	(void)argument;
	expect_equal(pthread_create(&thread, NULL, open_reliable, &sub), 0);
	expect_equal(pthread_join(thread, NULL), 0);
	expect_equal(floe_wait(sub, now_ns() + MILLISECONDS), 0);
	grow_heavy();
	tell(wire, 1);
	(void)hear(wire);
	floe_subscriber_close(sub);
}

/* Robust mutexes of the program use the place where the kernel looks. */
static void subscribe_and_hold_a_mutex(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber("t", RELIABLE);

	expect_equal(pthread_mutex_lock(argument), 0);
	expect_equal(floe_wait(sub, now_ns() + MILLISECONDS), 0);
	grow_heavy();
	tell(wire, 1);
	(void)hear(wire);
	floe_subscriber_close(sub);
}

/*
 * A blocked publisher
 */

/* Fills the ring, waits, and tells whether the victim was still there when the wait ended. */
static void publish_until_somebody_dies(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 2));
	pid_t victim = *(const pid_t *)argument;

	while (try_publish(pub, CHUNK, 1) == 1)
		;
	tell(wire, 1);
	expect_equal(floe_publisher_wait(pub, until_ns), 1);
	tell(wire, state_of(victim) != 'Z' && state_of(victim) != 0);
	expect_equal(try_publish(pub, CHUNK, 1), 1);
	floe_publisher_close(pub);
}

/* True: the publisher went on before the victim was gone. */
static bool dies_in_time(void (*life)(int wire, void *argument), void *argument)
{
	struct peer victim = peer_start(life, argument);
	struct peer waiter;
	int64_t begin;
	bool in_time;

	(void)hear(victim.wire);
	waiter = peer_start(publish_until_somebody_dies, &victim.pid);
	(void)hear(waiter.wire);
	until_asleep(waiter.pid);
	begin = now_ns();
	(void)kill(victim.pid, SIGKILL);
	in_time = hear(waiter.wire);
	printf("# noticed after %.2f ms", (double)(now_ns() - begin) / 1e6);
	peer_kill(&victim);
	printf(", the process was gone after %.2f ms\n", (double)(now_ns() - begin) / 1e6);
	peer_end(&waiter);
	return in_time;
}

static void expect_in_time(void (*life)(int wire, void *argument), void *argument)
{
	for (int i = 0; i < ATTEMPTS; i++)
		if (dies_in_time(life, argument))
			return;
	expect(false && "noticed before the memory of the dead is torn down");
}

static void a_blocked_publisher_notices_before_the_dead_is_torn_down(void)
{
	expect_in_time(subscribe_and_stay, NULL);
}

static void who_sleeps_watches_for_a_thread_that_ended(void)
{
	expect_in_time(subscribe_in_a_thread_that_ends, NULL);
}

static void mutexes_of_the_program_are_told_of_too(void)
{
	pthread_mutex_t *mutex = mmap(NULL, sizeof(*mutex), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attributes;

	expect(mutex != MAP_FAILED);
	expect_equal(pthread_mutexattr_init(&attributes), 0);
	expect_equal(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
	expect_equal(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), 0);
	for (int i = 0; i < ATTEMPTS; i++) {
		bool in_time;

		expect_equal(pthread_mutex_init(mutex, &attributes), 0);
		in_time = dies_in_time(subscribe_and_hold_a_mutex, mutex);
		expect_equal(pthread_mutex_lock(mutex), EOWNERDEAD);
		if (in_time)
			break;
		expect(i + 1 < ATTEMPTS);
	}
	expect_equal(munmap(mutex, sizeof(*mutex)), 0);
}

/*
 * How long it takes, beside what the kernel takes to tell a bare futex: the same process dies, and
 * somebody sleeps on the word in which the kernel says so.
 */

#define PAIRS 3
#define TIMES_THE_FLOOR 20
#define BYSTANDERS 4

static void *stay(void *nothing)
{
	(void)nothing;
	for (;;)
		(void)pause();
	return NULL;
}

/* As a process of some threads is, and with its memory touched. */
static void be_large(void)
{
	for (int i = 0; i < BYSTANDERS; i++) {
		pthread_t thread;

		expect_equal(pthread_create(&thread, NULL, stay, NULL), 0);
	}
	grow_by(WEIGHT_LIGHT);
}

static void subscribe_and_be_large(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber("t", RELIABLE);

	(void)argument;
	be_large();
	tell(wire, 1);
	(void)hear(wire);
	floe_subscriber_close(sub);
}

static void publish_until_told(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 2));

	(void)argument;
	while (try_publish(pub, CHUNK, 1) == 1)
		;
	tell(wire, 1);
	expect_equal(floe_publisher_wait(pub, FOREVER), 1);
	tell(wire, (uint64_t)now_ns());
	floe_publisher_close(pub);
}

/* The word, where the kernel finds it when this thread ends. */
static void watch_and_be_large(int wire, void *word)
{
	struct robust_list_head *list = os_real.get_robust_list();

	expect(list);
	atomic_store((_Atomic uint32_t *)word, (uint32_t)os_real.get_tid() | FUTEX_WAITERS);
	list->list_op_pending = (void *)((char *)word - list->futex_offset);
	be_large();
	tell(wire, 1);
	(void)hear(wire);
}

static void sleep_until_told(int wire, void *word)
{
	_Atomic uint32_t *futex = word;
	uint32_t value = atomic_load(futex);

	tell(wire, 1);
	while (atomic_load(futex) == value)
		(void)os_real.wait_any(&(struct os_wait){word, value}, 1, -1);
	tell(wire, (uint64_t)now_ns());
}

/* From the kill until the other one is awake and knows, in nanoseconds. */
static int64_t time_notice(void (*die)(int wire, void *word), void (*wait)(int wire, void *word),
			   void *word)
{
	struct peer victim = peer_start(die, word);
	struct peer waiter;
	int64_t begin, end;

	(void)hear(victim.wire);
	waiter = peer_start(wait, word);
	(void)hear(waiter.wire);
	until_asleep(waiter.pid);
	begin = now_ns();
	(void)kill(victim.pid, SIGKILL);
	end = (int64_t)hear(waiter.wire);
	peer_kill(&victim);
	peer_end(&waiter);
	return end - begin;
}

static int compare_times(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Their medians, of pairs that were measured in turn. */
static bool is_near(void *word)
{
	int64_t floors[PAIRS], notices[PAIRS];

	for (int i = 0; i < PAIRS; i++) {
		floors[i] = time_notice(watch_and_be_large, sleep_until_told, word);
		notices[i] = time_notice(subscribe_and_be_large, publish_until_told, NULL);
	}
	qsort(floors, PAIRS, sizeof(floors[0]), compare_times);
	qsort(notices, PAIRS, sizeof(notices[0]), compare_times);
	printf("# a bare futex after %.2f ms, at least %.2f, at most %.2f; a publisher after %.2f "
	       "ms, "
	       "at least %.2f, at most %.2f\n",
	       (double)floors[PAIRS / 2] / 1e6, (double)floors[0] / 1e6,
	       (double)floors[PAIRS - 1] / 1e6, (double)notices[PAIRS / 2] / 1e6,
	       (double)notices[0] / 1e6, (double)notices[PAIRS - 1] / 1e6);
	return notices[PAIRS / 2] < TIMES_THE_FLOOR * floors[PAIRS / 2];
}

static void noticing_takes_not_much_longer_than_a_bare_futex(void)
{
	void *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool near = false;

	expect(word != MAP_FAILED);
	for (int i = 0; i < ATTEMPTS && !near; i++)
		near = is_near(word);
	expect(near);
	expect_equal(munmap(word, 4096), 0);
}

/*
 * No deaths
 */

static void subscribe_in_a_thread_and_take(int wire, void *argument)
{
	struct floe_subscriber *sub;
	pthread_t thread;

	(void)argument;
	expect_equal(pthread_create(&thread, NULL, open_reliable, &sub), 0);
	expect_equal(pthread_join(thread, NULL), 0);
	tell(wire, 1);
	(void)hear(wire);
	for (uint64_t i = 1; i <= 2; i++)
		expect_equal(receive(sub, CHUNK, 1), i);
	tell(wire, 1);
	(void)hear(wire);
	expect_equal(receive(sub, CHUNK, 1), 3);
	floe_subscriber_close(sub);
}

/* The kernel tells that the thread is gone, and it is: the subscriber lives, and loses nothing. */
static void a_thread_that_ends_is_no_death(void)
{
	struct peer peer = peer_start(subscribe_in_a_thread_and_take, NULL);
	struct floe_publisher *pub;

	(void)hear(peer.wire);
	pub = publisher("t", PUBLISHER(.depth = 2));
	publish(pub, CHUNK, 1);
	publish(pub, CHUNK, 1);
	expect_equal(floe_publisher_wait(pub, now_ns() + 20 * MILLISECONDS), 0);
	expect_equal(try_publish(pub, CHUNK, 1), 0);
	expect_equal(ask(peer.wire, 1), 1);
	publish(pub, CHUNK, 1);
	tell(peer.wire, 1);
	peer_end(&peer);
	floe_publisher_close(pub);
}

static int64_t wanted, longest, shortest;

static int measure_sleeps(const struct os_wait *words, unsigned count, int64_t deadline_ns)
{
	int64_t span = deadline_ns - os_real.now_ns();

	if (span > longest)
		longest = span;
	/* The last one only goes to the end of the wait. */
	if (span > 0 && span < shortest && deadline_ns != wanted)
		shortest = span;
	return os_real.wait_any(words, count, deadline_ns);
}

/* Opens, and ends a while after it was told to; the process goes on. */
static void *open_and_leave(void *wire)
{
	struct floe_subscriber *sub = subscriber("t", RELIABLE);

	tell(*(int *)wire, 1);
	(void)hear(*(int *)wire);
	os_real.sleep_ns(5 * MILLISECONDS);
	return sub;
}

static void subscribe_in_a_thread_and_stay(int wire, void *argument)
{
	pthread_t thread;
	void *sub;

	(void)argument;
	expect_equal(pthread_create(&thread, NULL, open_and_leave, &wire), 0);
	expect_equal(pthread_join(thread, &sub), 0);
	(void)hear(wire);
	floe_subscriber_close(sub);
}

/* True: one of its sleeps was much shorter than the usual ones. */
static bool looks_soon_after_an_omen(void)
{
	static struct os table;
	struct peer peer = peer_start(subscribe_in_a_thread_and_stay, NULL);
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 2));

	longest = 0;
	shortest = INT64_MAX;
	(void)hear(peer.wire);
	while (try_publish(pub, CHUNK, 1) == 1)
		;
	table = os_real;
	table.wait_any = measure_sleeps;
	os = &table;
	tell(peer.wire, 1);
	wanted = now_ns() + 40 * MILLISECONDS;
	expect_equal(floe_publisher_wait(pub, wanted), 0);
	os = &os_real;
	tell(peer.wire, 1);
	peer_end(&peer);
	floe_publisher_close(pub);
	return shortest < longest / 10;
}

/* The others of a process may take a while to end, too. */
static void an_omen_that_is_not_true_yet_is_asked_for_again_soon(void)
{
	for (int i = 0; i < ATTEMPTS; i++)
		if (looks_soon_after_an_omen())
			return;
	expect(false && "looked again soon");
}

static void a_stopped_subscriber_is_waited_for(void)
{
	struct peer peer = peer_start(subscribe_in_a_thread_and_take, NULL);
	struct floe_publisher *pub;
	int status;

	(void)hear(peer.wire);
	expect_equal(kill(peer.pid, SIGSTOP), 0);
	expect_equal(waitpid(peer.pid, &status, WUNTRACED), peer.pid);
	pub = publisher("t", PUBLISHER(.depth = 2));
	publish(pub, CHUNK, 1);
	publish(pub, CHUNK, 1);
	expect_equal(floe_publisher_wait(pub, now_ns() + 50 * MILLISECONDS), 0);
	expect_equal(kill(peer.pid, SIGCONT), 0);
	expect_equal(ask(peer.wire, 1), 1);
	publish(pub, CHUNK, 1);
	tell(peer.wire, 1);
	peer_end(&peer);
	floe_publisher_close(pub);
}

/* The thread that opened lives, another one closes; what the first still points to is never anybody
 * else's memory, and the next node has an omen again. */
static void *open_and_linger(void *wires)
{
	int wire = ((int *)wires)[1];
	struct floe_subscriber *sub = subscriber("t", NULL);

	tell(wire, (uintptr_t)sub);
	(void)hear(wire);
	return NULL;
}

static void who_opens_need_not_be_who_closes(void)
{
	for (int i = 0; i < 20; i++) {
		struct floe_subscriber *sub;
		pthread_t thread;
		int wires[2];

		expect_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wires), 0);
		expect_equal(pthread_create(&thread, NULL, open_and_linger, wires), 0);
		floe_subscriber_close((struct floe_subscriber *)(uintptr_t)hear(wires[0]));
		sub = subscriber("t", NULL);
		expect_equal(floe_wait(sub, now_ns() + MILLISECONDS / 10), 0);
		tell(wires[0], 1);
		expect_equal(pthread_join(thread, NULL), 0);
		expect_equal(floe_wait(sub, now_ns() + MILLISECONDS / 10), 0);
		floe_subscriber_close(sub);
		close(wires[0]);
		close(wires[1]);
	}
}

/*
 * Subscribers that sleep
 */

static uint64_t timed_out;

static int count_time_outs(const struct os_wait *words, unsigned count, int64_t deadline_ns)
{
	int r = os_real.wait_any(words, count, deadline_ns);

	timed_out += r == -ETIMEDOUT;
	return r;
}

static int die_instead(const uint32_t *word, int count)
{
	(void)word;
	(void)count;
	return raise(SIGKILL);
}

/* Dies between the message and the wake. */
static void publish_and_die(int wire, void *argument)
{
	static struct os table;
	struct floe_publisher *pub = publisher("t", NULL);

	(void)argument;
	table = os_real;
	table.wake = die_instead;
	tell(wire, 1);
	(void)hear(wire);
	os = &table;
	publish(pub, CHUNK, 7);
}

/* Tells how often it looked because its own time had come. */
static void sleep_until_a_message(int wire, void *argument)
{
	static struct os table;
	struct floe_subscriber *sub = subscriber("t", SUBSCRIBER(.spin_ns = 1));

	(void)argument;
	table = os_real;
	table.wait_any = count_time_outs;
	os = &table;
	tell(wire, 1);
	expect_equal(floe_wait(sub, FOREVER), 1);
	tell(wire, timed_out);
	receive(sub, CHUNK, 7);
	floe_subscriber_close(sub);
}

/* The same with its memory touched, which takes a while to tear down. */
static void publish_and_die_slowly(int wire, void *argument)
{
	grow_heavy();
	publish_and_die(wire, argument);
}

/* Tells when it was awake, and whether the victim was still there and it had not looked for itself. */
static void sleep_until_somebody_dies(int wire, void *argument)
{
	static struct os table;
	struct floe_subscriber *sub = subscriber("t", SUBSCRIBER(.spin_ns = 1));
	pid_t victim = *(const pid_t *)argument;

	table = os_real;
	table.wait_any = count_time_outs;
	os = &table;
	tell(wire, 1);
	expect_equal(floe_wait(sub, until_ns), 1);
	tell(wire, (uint64_t)now_ns());
	tell(wire, !timed_out && state_of(victim) != 'Z' && state_of(victim) != 0);
	receive(sub, CHUNK, 7);
	floe_subscriber_close(sub);
}

/* By the descriptor, which nothing else makes readable here. */
static void poll_until_a_message(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct pollfd entry = {.fd = floe_subscriber_fd(sub), .events = POLLIN};

	struct floe_sample sample;

	(void)argument;
	tell(wire, 1);
	do
		expect_equal(poll(&entry, 1, -1), 1);
	while (floe_take(sub, &sample) == 0);
	expect(is_filled(sample.data, CHUNK, 7));
	tell(wire, 0);
	floe_subscriber_close(sub);
}

/* True: nobody had to look for himself. */
static bool all_are_woken(bool some_poll)
{
	struct peer victim = peer_start(publish_and_die, NULL);
	struct peer sleeper[SLEEPERS];
	uint64_t looked = 0;
	int64_t begin;

	(void)hear(victim.wire);
	for (int i = 0; i < SLEEPERS; i++) {
		sleeper[i] = peer_start(
			some_poll && i % 2 ? poll_until_a_message : sleep_until_a_message, NULL);
		(void)hear(sleeper[i].wire);
		until_asleep(sleeper[i].pid);
	}
	begin = now_ns();
	tell(victim.wire, 1);
	for (int i = 0; i < SLEEPERS; i++) {
		looked += hear(sleeper[i].wire);
		peer_end(&sleeper[i]);
	}
	printf("# %d sleepers had the message after %.2f ms\n", SLEEPERS,
	       (double)(now_ns() - begin) / 1e6);
	peer_kill(&victim);
	return looked == 0;
}

static void all_who_sleep_find_what_was_sent_without_a_wake(void)
{
	for (int i = 0; i < ATTEMPTS; i++)
		if (all_are_woken(false))
			return;
	expect(false && "woken by the death of the publisher");
}

/* True: it had the message before the publisher was gone. */
static bool sleeper_is_in_time(void)
{
	struct peer victim = peer_start(publish_and_die_slowly, NULL);
	struct peer sleeper;
	int64_t begin, awake;
	bool in_time;

	(void)hear(victim.wire);
	sleeper = peer_start(sleep_until_somebody_dies, &victim.pid);
	(void)hear(sleeper.wire);
	until_asleep(sleeper.pid);
	begin = now_ns();
	tell(victim.wire, 1);
	awake = (int64_t)hear(sleeper.wire);
	in_time = hear(sleeper.wire);
	peer_kill(&victim);
	printf("# a sleeper had the message after %.2f ms, the publisher was gone after %.2f ms\n",
	       (double)(awake - begin) / 1e6, (double)(now_ns() - begin) / 1e6);
	peer_end(&sleeper);
	return in_time;
}

static void who_sleeps_notices_before_the_dead_is_torn_down(void)
{
	for (int i = 0; i < ATTEMPTS; i++)
		if (sleeper_is_in_time())
			return;
	expect(false && "woken before the memory of the dead is torn down");
}

static void who_has_a_deadline_notices_as_soon(void)
{
	until_ns = now_ns() + 600000 * MILLISECONDS;
	a_blocked_publisher_notices_before_the_dead_is_torn_down();
	who_sleeps_notices_before_the_dead_is_torn_down();
}

static void who_polls_finds_what_was_sent_without_a_wake_too(void)
{
	for (int i = 0; i < ATTEMPTS; i++)
		if (all_are_woken(true))
			return;
	expect(false && "woken by the death of the publisher");
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_blocked_publisher_notices_before_the_dead_is_torn_down),
		TEST(who_sleeps_watches_for_a_thread_that_ended),
		TEST(mutexes_of_the_program_are_told_of_too),
		TEST(noticing_takes_not_much_longer_than_a_bare_futex),
		TEST(a_thread_that_ends_is_no_death),
		TEST(an_omen_that_is_not_true_yet_is_asked_for_again_soon),
		TEST(a_stopped_subscriber_is_waited_for),
		TEST(who_opens_need_not_be_who_closes),
		TEST(all_who_sleep_find_what_was_sent_without_a_wake),
		TEST(who_sleeps_notices_before_the_dead_is_torn_down),
		TEST(who_has_a_deadline_notices_as_soon),
		TEST(who_polls_finds_what_was_sent_without_a_wake_too),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
