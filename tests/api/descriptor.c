/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The descriptor of a subscriber: readable when there is a message and not otherwise, whoever
 * polls it and however. What needs io_uring is skipped where it is not to be had; then a timer
 * stands in, and the last tests are about that.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "asleep.h"
#include "forbidden.h"
#include "peer.h"
#include "steps.h"

#define CHUNK 1000
#define FOREVER (-1)
#define ALTERNATIONS 8000
#define MILLISECONDS ((int64_t)1000000)

static int is_event(int fd)
{
	char path[32], name[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	expect(readlink(path, name, sizeof(name) - 1) > 0);
	return !strcmp(name, "anon_inode:[eventfd]");
}

static int descriptor_of(struct floe_subscriber *sub)
{
	int fd = floe_subscriber_fd(sub);

	expect(fd >= 0);
	if (!is_event(fd))
		skip("io_uring cannot wait on futex words here (it can from Linux 6.7 on)");
	return fd;
}

static int readable(int fd, int timeout_ms)
{
	struct pollfd entry = {.fd = fd, .events = POLLIN};
	int r = poll(&entry, 1, timeout_ms);

	expect(r >= 0);
	expect(r == 0 || entry.revents == POLLIN);
	return r;
}

/*
 * Exactly when there is a message
 */

static void the_descriptor_is_readable_while_there_is_a_message(void)
{
	struct floe_publisher *pub = publisher("fd", NULL);
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int fd = descriptor_of(sub);

	expect_equal(readable(fd, 0), 0);
	for (uint64_t i = 0; i < 1000; i++) {
		publish(pub, 8, i);
		publish(pub, CHUNK, i);
		expect_equal(readable(fd, FOREVER), 1);
		receive(sub, 8, i);
		receive(sub, CHUNK, i);
		expect_nothing(sub);
		expect_equal(readable(fd, 0), 0);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void the_descriptor_tells_of_what_came_before_it(void)
{
	struct floe_publisher *pub = publisher("fd", NULL);
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int fd;

	publish(pub, 8, 1);
	fd = descriptor_of(sub);
	expect_equal(readable(fd, FOREVER), 1);
	receive(sub, 8, 1);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void the_descriptor_tells_of_a_new_publisher(void)
{
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int fd = descriptor_of(sub);
	struct floe_publisher *pub;

	expect_equal(readable(fd, 0), 0);
	pub = publisher("fd", NULL);
	publish(pub, 8, 1);
	expect_equal(readable(fd, FOREVER), 1);
	receive(sub, 8, 1);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void it_is_silent_again_when_the_last_message_is_shared(void)
{
	struct floe_publisher *pub = publisher("fd", NULL);
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int fd = descriptor_of(sub);

	for (uint64_t i = 0; i < 300; i++) {
		struct floe_shared_sample *shared;
		struct floe_sample sample;

		publish(pub, i % 2 ? 8 : CHUNK, i);
		expect_equal(readable(fd, FOREVER), 1);
		sample = take(sub, i % 2 ? 8 : CHUNK, i);
		expect_equal(floe_sample_share(sub, &sample, &shared), 0);
		expect_equal(readable(fd, 0), 0);
		expect_equal(floe_shared_sample_unref(shared), 1);
		expect_equal(readable(fd, 0), 0);
	}
	expect_equal(subscriber_counts(sub).held, 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void it_is_silent_again_when_the_last_message_is_taken(void)
{
	struct floe_publisher *pub = publisher("fd", NULL);
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int fd = descriptor_of(sub);

	for (uint64_t i = 0; i < 1000; i++) {
		expect_equal(readable(fd, 0), 0);
		publish(pub, i % 2 ? 8 : CHUNK, i);
		expect_equal(readable(fd, 0), 1);
		expect_equal(readable(fd, FOREVER), 1);
		receive(sub, i % 2 ? 8 : CHUNK, i);
	}
	expect_equal(readable(fd, 0), 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void it_stays_readable_while_messages_remain(void)
{
	struct floe_publisher *pub = publisher("fd", NULL);
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int fd = descriptor_of(sub);

	for (uint64_t round = 0; round < 100; round++) {
		for (uint64_t i = 0; i < 10; i++)
			publish(pub, 8, i);
		for (uint64_t i = 0; i < 10; i++) {
			expect_equal(readable(fd, 0), 1);
			receive(sub, 8, i);
		}
		expect_equal(readable(fd, 0), 0);
		expect_nothing(sub);
		expect_equal(readable(fd, 0), 0);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void it_stays_readable_while_as_many_are_held_as_may_be(void)
{
	struct floe_publisher *pub = publisher("fd", NULL);
	struct floe_subscriber *sub = subscriber("fd", SUBSCRIBER(.holds_max = 1));
	int fd = descriptor_of(sub);
	struct floe_sample first, second;

	publish(pub, CHUNK, 1);
	first = take(sub, CHUNK, 1);
	/* Who holds the last one is told again, until he has looked. */
	expect_nothing(sub);
	expect_equal(readable(fd, 0), 0);
	publish(pub, CHUNK, 2);
	expect_equal(readable(fd, 0), 1);
	expect_equal(floe_take(sub, &second), -ENOBUFS);
	expect_equal(readable(fd, 0), 1);
	floe_release(sub, &first);
	receive(sub, CHUNK, 2);
	expect_equal(readable(fd, 0), 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void samples_are_what_they_are_without_a_descriptor(void)
{
	struct floe_publisher *pub = publisher("fd", NULL);
	struct floe_subscriber *sub = subscriber("fd", SUBSCRIBER(.holds_max = 2));
	struct floe_sample before, after, copy;
	int fd;

	publish(pub, CHUNK, 1);
	publish(pub, 8, 2);
	before = take(sub, CHUNK, 1);
	fd = descriptor_of(sub);
	after = copy = take(sub, 8, 2);
	expect_equal(floe_sample_publisher(sub, &before), 0);
	expect_equal(floe_sample_publisher(sub, &after), 0);
	floe_release(sub, &after);
	expect(!after.data && !after.ticket);
	expect_equal(readable(fd, 0), 0);
	/* Given back once: a copy is nothing any more. */
	expect_equal(floe_sample_publisher(sub, &copy), -EINVAL);
	floe_release(sub, &copy);
	floe_release(sub, &after);
	expect_equal(subscriber_counts(sub).held, 1);
	floe_release(sub, &before);
	expect_equal(subscriber_counts(sub).held, 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void who_comes_and_goes_without_a_word_is_not_told_of(void)
{
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int fd = descriptor_of(sub);
	struct floe_publisher *pubs[5];

	for (size_t i = 0; i < COUNT(pubs); i++) {
		pubs[i] = publisher("fd", PUBLISHER(.depth = 2 + i));
		expect_equal(readable(fd, 0), 0);
	}
	for (size_t i = 0; i < COUNT(pubs); i++) {
		publish(pubs[i], 8, i);
		expect_equal(readable(fd, 0), 1);
		receive(sub, 8, i);
		expect_equal(readable(fd, 0), 0);
	}
	for (size_t i = 0; i < COUNT(pubs); i++) {
		floe_publisher_close(pubs[i]);
		expect_equal(readable(fd, 0), 0);
	}
	floe_subscriber_close(sub);
}

static void a_descriptor_that_was_asked_for_late_is_silent_too(void)
{
	struct floe_subscriber *sub = subscriber("fd", NULL);
	struct floe_publisher *pub = publisher("fd", NULL);
	int fd = descriptor_of(sub);

	expect_equal(readable(fd, 0), 0);
	publish(pub, 8, 1);
	expect_equal(readable(fd, 0), 1);
	receive(sub, 8, 1);
	expect_equal(readable(fd, 0), 0);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void each_of_many_publishers_makes_it_readable(void)
{
	struct floe_publisher *pubs[FLOE_PUBLISHERS_MAX];
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int fd = descriptor_of(sub);

	for (size_t i = 0; i < COUNT(pubs); i++)
		pubs[i] = publisher("fd", PUBLISHER(.depth = 1, .payload_max = CHUNK));
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT(pubs); i++) {
			publish(pubs[i], 8, i);
			expect_equal(readable(fd, 0), 1);
			receive(sub, 8, i);
			expect_equal(readable(fd, 0), 0);
		}
	}
	for (size_t i = 0; i < COUNT(pubs); i++)
		floe_publisher_close(pubs[i]);
	floe_subscriber_close(sub);
}

static void waiting_and_polling_go_together(void)
{
	struct floe_publisher *pub = publisher("fd", NULL);
	struct floe_subscriber *sub = subscriber("fd", SUBSCRIBER(.spin_ns = 1));
	int fd = descriptor_of(sub);

	for (uint64_t i = 0; i < 20; i++) {
		expect_equal(floe_wait(sub, now_ns() + MILLISECONDS), 0);
		expect_equal(readable(fd, 0), 0);
		publish(pub, 8, i);
		expect_equal(readable(fd, 0), 1);
		expect_equal(floe_wait(sub, FOREVER), 1);
		expect_equal(readable(fd, 0), 1);
		receive(sub, 8, i);
		expect_equal(readable(fd, 0), 0);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void on_alarm(int number)
{
	(void)number;
}

static void a_wait_that_a_signal_ended_leaves_it_as_it_was(void)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval often = {{0, 5000}, {0, 5000}}, never = {0};
	struct floe_publisher *pub = publisher("fd", NULL);
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int fd = descriptor_of(sub);

	expect_equal(sigaction(SIGALRM, &action, NULL), 0);
	for (uint64_t i = 0; i < 5; i++) {
		expect_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
		expect_equal(floe_wait(sub, FOREVER), -EINTR);
		expect_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
		expect_equal(readable(fd, 0), 0);
		publish(pub, 8, i);
		expect_equal(readable(fd, 0), 1);
		receive(sub, 8, i);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/*
 * Ways to wait
 */

static int selected(int fd)
{
	struct timeval none = {0};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, &set, NULL, NULL, &none);
}

static int next_event(int epoll)
{
	struct epoll_event event;
	int r = epoll_wait(epoll, &event, 1, 0);

	expect(r <= 0 || event.events == EPOLLIN);
	return r;
}

static int epoll_of(int fd, uint32_t events)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = events};

	expect_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	return epoll;
}

static void poll_select_and_epoll_agree(void)
{
	struct floe_publisher *pub = publisher("fd", NULL);
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int fd = descriptor_of(sub), level = epoll_of(fd, EPOLLIN);
	int nested = epoll_of(level, EPOLLIN);

	for (uint64_t i = 0; i < 100; i++) {
		expect_equal(readable(fd, 0) + selected(fd) + next_event(level), 0);
		expect_equal(next_event(nested), 0);
		publish(pub, 8, i);
		for (int twice = 0; twice < 2; twice++) {
			expect_equal(readable(fd, 0) + selected(fd) + next_event(level), 3);
			expect_equal(next_event(nested), 1);
		}
		receive(sub, 8, i);
	}
	close(nested);
	close(level);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void each_message_after_the_last_one_is_an_edge(void)
{
	struct floe_publisher *pub = publisher("fd", NULL);
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int epoll = epoll_of(descriptor_of(sub), EPOLLIN | EPOLLET);

	for (uint64_t i = 0; i < 100; i++) {
		expect_equal(next_event(epoll), 0);
		publish(pub, 8, i);
		expect_equal(next_event(epoll), 1);
		expect_equal(next_event(epoll), 0);
		receive(sub, 8, i);
		expect_nothing(sub);
	}
	close(epoll);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/*
 * Lost wake-ups
 */

/* Up to some microseconds, often none: the two ends are to meet at every step of each other. */
static void dawdle(uint64_t *seed)
{
	uint64_t turns = random_next(seed) % 4 ? random_next(seed) % 2000 : 0;

	for (volatile uint64_t i = 0; i < turns; i++)
		;
}

/* A long run: ./run sweep --wakes. */
static uint64_t count_alternations(void)
{
	const char *wanted = getenv("FLOE_TEST_ALTERNATIONS");

	return wanted ? strtoull(wanted, NULL, 10) : ALTERNATIONS;
}

/* Waits by the descriptor until the message is there, and takes it. */
static void hear_message(struct floe_subscriber *sub, int epoll, uint64_t i)
{
	struct floe_sample sample;
	struct epoll_event event;

	do
		expect_equal(epoll_wait(epoll, &event, 1, FOREVER), 1);
	while (floe_take(sub, &sample) == 0);
	expect_equal(sample.sequence, i + 1);
	expect_equal(sample.lost, 0);
	floe_release(sub, &sample);
}

static void answer(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber("ping", NULL);
	struct floe_publisher *pub = publisher("pong", NULL);
	int epoll = epoll_of(floe_subscriber_fd(sub), EPOLLIN | *(uint32_t *)argument);
	uint64_t seed = random_seed() + 1;

	tell(wire, 1);
	for (uint64_t i = 0; i < count_alternations(); i++) {
		hear_message(sub, epoll, i);
		dawdle(&seed);
		publish(pub, 8 + i % 90, i);
	}
	hear(wire);
	close(epoll);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void alternate(uint32_t events)
{
	struct peer peer = peer_start(answer, &events);
	struct floe_publisher *pub = publisher("ping", NULL);
	struct floe_subscriber *sub = subscriber("pong", NULL);
	int epoll = epoll_of(descriptor_of(sub), EPOLLIN | events);
	uint64_t seed = random_seed();

	hear(peer.wire);
	for (uint64_t i = 0; i < count_alternations(); i++) {
		dawdle(&seed);
		publish(pub, 8 + i % 90, i);
		hear_message(sub, epoll, i);
	}
	tell(peer.wire, 1);
	peer_end(&peer);
	close(epoll);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void no_wake_up_is_lost_by_level(void)
{
	alternate(0);
}

static void no_wake_up_is_lost_by_edge(void)
{
	alternate(EPOLLET);
}

static void poll_and_answer(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber("ping", NULL);
	struct floe_publisher *pub = publisher("pong", NULL);
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC), fd = floe_subscriber_fd(sub);
	struct floe_sample sample;
	uint64_t answered = 0;

	(void)argument;
	expect_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	tell(wire, 1);
	while (answered < 5000) {
		expect_equal(epoll_wait(epoll, &event, 1, FOREVER), 1);
		while (floe_take(sub, &sample) == 1) {
			floe_release(sub, &sample);
			publish(pub, 8, ++answered);
		}
	}
	hear(wire);
	close(epoll);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void no_wake_up_of_a_descriptor_is_lost(void)
{
	struct floe_subscriber *sub;
	struct floe_publisher *pub;
	struct peer peer;
	int fd;

	sub = subscriber("pong", NULL);
	fd = descriptor_of(sub);
	peer = peer_start(poll_and_answer, NULL);
	pub = publisher("ping", NULL);
	hear(peer.wire);
	for (uint64_t i = 1; i <= 5000; i++) {
		publish(pub, 8, i);
		expect_equal(readable(fd, FOREVER), 1);
		receive(sub, 8, i);
		expect_nothing(sub);
	}
	tell(peer.wire, 1);
	peer_end(&peer);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

/* Several publishers in bursts, and a subscriber that sleeps whenever there is nothing. */
static void send_bursts(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("crowd", PUBLISHER(.depth = 3));
	uint64_t seed = *(uint64_t *)argument ^ (uint64_t)getpid();

	tell(wire, 1);
	hear(wire);
	for (uint64_t i = 0; i < count_alternations() / 4; i++) {
		while (try_publish(pub, 8 + i % 90, i) == 0)
			expect_equal(floe_publisher_wait(pub, FOREVER), 1);
		dawdle(&seed);
	}
	ask(wire, 1);
	floe_publisher_close(pub);
}

static void no_publisher_of_many_goes_unheard(void)
{
	uint64_t seed = random_seed(), count = count_alternations() / 4 * 4;
	struct peer peers[4];
	struct floe_subscriber *sub;
	int fd;

	for (size_t i = 0; i < COUNT(peers); i++)
		peers[i] = peer_start(send_bursts, &seed);
	sub = subscriber("crowd", SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE));
	fd = descriptor_of(sub);
	for (size_t i = 0; i < COUNT(peers); i++)
		ask(peers[i].wire, 1);
	while (count > 0) {
		struct floe_sample sample;
		int r;

		expect_equal(readable(fd, FOREVER), 1);
		while ((r = floe_take(sub, &sample)) == 1) {
			count -= sample.lost + 1;
			floe_release(sub, &sample);
		}
		expect_equal(r, 0);
	}
	for (size_t i = 0; i < COUNT(peers); i++) {
		hear(peers[i].wire);
		tell(peers[i].wire, 1);
		peer_end(&peers[i]);
	}
	floe_subscriber_close(sub);
}

/*
 * Processes and threads that go
 */

static void send_one_and_hang(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("fd", NULL);

	(void)argument;
	tell(wire, 1);
	hear(wire);
	publish(pub, 8, 1);
	tell(wire, 1);
	hear(wire);
}

static void the_death_of_a_publisher_takes_nothing_along(void)
{
	struct peer peer = peer_start(send_one_and_hang, NULL);
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int fd = descriptor_of(sub);
	struct floe_publisher *pub;

	hear(peer.wire);
	ask(peer.wire, 1);
	peer_kill(&peer);
	expect_equal(readable(fd, FOREVER), 1);
	receive(sub, 8, 1);
	expect_equal(readable(fd, 0), 0);
	/* Its successor goes on in the same ring. */
	pub = publisher("fd", NULL);
	expect_equal(readable(fd, 0), 0);
	publish(pub, 8, 2);
	expect_equal(readable(fd, 0), 1);
	expect_equal(receive(sub, 8, 2), 2);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void send_one_and_leave(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("fd", NULL);

	(void)argument;
	publish(pub, 8, 1);
	tell(wire, 1);
	hear(wire);
	floe_publisher_close(pub);
}

static void a_process_that_leaves_in_order_is_not_told_of(void)
{
	struct peer peer = peer_start(send_one_and_leave, NULL);
	struct floe_subscriber *sub;
	int fd;

	hear(peer.wire);
	sub = subscriber("fd", SUBSCRIBER(.history = 1));
	fd = descriptor_of(sub);
	expect_equal(readable(fd, 0), 1);
	receive(sub, 8, 1);
	tell(peer.wire, 1);
	peer_end(&peer);
	expect_equal(readable(fd, 0), 0);
	expect_nothing(sub);
	floe_subscriber_close(sub);
}

static void a_child_has_no_part_in_it(void)
{
	struct floe_publisher *pub = publisher("fd", NULL);
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int fd = descriptor_of(sub);

	for (uint64_t i = 0; i < 10; i++) {
		pid_t child = fork();
		int status;

		if (child == 0)
			_exit(floe_subscriber_fd(sub) != -EINVAL);
		expect_equal(waitpid(child, &status, 0), child);
		expect_equal(status, 0);
		expect_equal(readable(fd, 0), 0);
		publish(pub, 8, i);
		expect_equal(readable(fd, 0), 1);
		receive(sub, 8, i);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void *take_in_a_thread(void *sub)
{
	receive(sub, 8, 7);
	return NULL;
}

/* The thread that looked around last is gone: no message is missed for that. */
static void threads_may_take_turns_and_end(void)
{
	struct floe_publisher *pub = publisher("fd", NULL);
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int fd = descriptor_of(sub);
	pthread_t thread;

	for (int i = 0; i < 20; i++) {
		publish(pub, 8, 7);
		expect_equal(readable(fd, FOREVER), 1);
		expect_equal(pthread_create(&thread, NULL, take_in_a_thread, sub), 0);
		expect_equal(pthread_join(thread, NULL), 0);
		if (readable(fd, 0))
			expect_nothing(sub);
		publish(pub, 8, 8);
		expect_equal(readable(fd, FOREVER), 1);
		receive(sub, 8, 8);
		expect_nothing(sub);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void closing_closes_it(void)
{
	struct floe_publisher *pub = publisher("fd", NULL);
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int fd = floe_subscriber_fd(sub), epoll;

	expect(fd >= 0);
	expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	epoll = epoll_of(fd, EPOLLIN);
	floe_subscriber_close(sub);
	expect_equal(fcntl(fd, F_GETFD), -1);
	publish(pub, 8, 1);
	expect_equal(next_event(epoll), 0);
	close(epoll);
	floe_publisher_close(pub);
}

/*
 * Without io_uring
 */

static void expect_a_timer_that_serves(uint32_t error)
{
	struct floe_publisher *pub = publisher("fd", NULL);
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int fd;

	forbid(SYS_io_uring_setup, error);
	publish(pub, 8, 0);
	fd = floe_subscriber_fd(sub);
	expect(fd >= 0);
	expect(!is_event(fd));
	for (uint64_t i = 0; i < 50; i++) {
		expect_equal(readable(fd, FOREVER), 1);
		receive(sub, 8, i);
		/* It may be readable for nothing, but not before its time. */
		expect_nothing(sub);
		publish(pub, 8, i + 1);
	}
	expect_equal(readable(fd, FOREVER), 1);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void where_io_uring_is_forbidden_a_timer_serves(void)
{
	expect_a_timer_that_serves(EPERM);
}

static void where_io_uring_is_missing_a_timer_serves(void)
{
	expect_a_timer_that_serves(ENOSYS);
}

static void where_memory_may_not_be_locked_a_timer_serves(void)
{
	expect_a_timer_that_serves(ENOMEM);
}

static void the_timer_sleeps_between_two_looks(void)
{
	struct floe_subscriber *sub = subscriber("fd", NULL);
	int64_t begin;
	int fd;

	forbid(SYS_io_uring_setup, EPERM);
	/* Before the timer begins: a process that stands still behind that finds its first look due. */
	begin = now_ns();
	fd = floe_subscriber_fd(sub);
	for (int i = 0; i < 10; i++) {
		expect_equal(readable(fd, FOREVER), 1);
		expect_nothing(sub);
	}
	expect(now_ns() - begin >= 9 * MILLISECONDS);
	floe_subscriber_close(sub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(the_descriptor_is_readable_while_there_is_a_message),
		TEST(the_descriptor_tells_of_what_came_before_it),
		TEST(the_descriptor_tells_of_a_new_publisher),
		TEST(it_is_silent_again_when_the_last_message_is_shared),
		TEST(it_is_silent_again_when_the_last_message_is_taken),
		TEST(it_stays_readable_while_messages_remain),
		TEST(it_stays_readable_while_as_many_are_held_as_may_be),
		TEST(samples_are_what_they_are_without_a_descriptor),
		TEST(who_comes_and_goes_without_a_word_is_not_told_of),
		TEST(a_descriptor_that_was_asked_for_late_is_silent_too),
		TEST(each_of_many_publishers_makes_it_readable),
		TEST(waiting_and_polling_go_together),
		TEST(a_wait_that_a_signal_ended_leaves_it_as_it_was),
		TEST(poll_select_and_epoll_agree),
		TEST(each_message_after_the_last_one_is_an_edge),
		TEST(no_wake_up_of_a_descriptor_is_lost),
		TEST(no_wake_up_is_lost_by_level),
		TEST(no_wake_up_is_lost_by_edge),
		TEST(no_publisher_of_many_goes_unheard),
		TEST(the_death_of_a_publisher_takes_nothing_along),
		TEST(a_process_that_leaves_in_order_is_not_told_of),
		TEST(a_child_has_no_part_in_it),
		TEST(threads_may_take_turns_and_end),
		TEST(closing_closes_it),
		TEST(where_io_uring_is_forbidden_a_timer_serves),
		TEST(where_io_uring_is_missing_a_timer_serves),
		TEST(where_memory_may_not_be_locked_a_timer_serves),
		TEST(the_timer_sleeps_between_two_looks),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
