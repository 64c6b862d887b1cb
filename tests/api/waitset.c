/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Wait sets: what is ready is said, nothing else, whatever it is; who stops it is heard; its thread, if
 * there is one, ends before join returns.
 */

#include <errno.h>
#include <fcntl.h>
#include <floe/board.h>
#include <floe/service.h>
#include <floe/waitset.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "counted.h"
#include "forbidden.h"
#include "peer.h"
#include "steps.h"

#define FOREVER (-1)
#define MILLISECONDS ((int64_t)1000000)
#define SECONDS (1000 * MILLISECONDS)

#define ATTACHED(...) \
	(&(struct floe_waitset_options){.size = sizeof(struct floe_waitset_options), __VA_ARGS__})

static struct floe_waitset *waitset(void)
{
	struct floe_waitset *opened = NULL;

	expect_equal(floe_waitset_open(&opened), 0);
	return opened;
}

static struct floe_ready next(struct floe_waitset *w)
{
	struct floe_ready ready = {0};

	expect_equal(floe_waitset_wait(w, now_ns() + 60 * SECONDS, &ready, 1), 1);
	return ready;
}

static void expect_quiet(struct floe_waitset *w)
{
	struct floe_ready ready;

	expect_equal(floe_waitset_wait(w, now_ns() + MILLISECONDS, &ready, 1), 0);
}

static void what_is_ready_is_said(void)
{
	struct floe_waitset *w = waitset();
	struct floe_subscriber *sub = subscriber("topic", NULL);
	struct floe_publisher *pub = publisher("topic", NULL);
	struct floe_listener *listener = NULL;
	struct floe_notifier *notifier = NULL;
	struct floe_event event;
	struct floe_ready ready;
	int ends[2], ids[3], mark;

	expect_equal(pipe(ends), 0);
	expect_equal(floe_notifier_open(&notifier, "event", NULL), 0);
	expect_equal(floe_listener_open(&listener, "event", NULL), 0);
	ids[0] = floe_waitset_add_subscriber(w, sub, ATTACHED(.user = &mark));
	ids[1] = floe_waitset_add_listener(w, listener, NULL);
	ids[2] = floe_waitset_add_fd(w, ends[0], POLLIN, NULL);
	expect(ids[0] >= 0 && ids[1] >= 0 && ids[2] >= 0);
	expect_equal(floe_waitset_add_fd(w, ends[0], POLLIN, NULL), -EEXIST);
	while (floe_waitset_wait(w, 0, &ready, 1) == 1) /* a new descriptor may ring once */
		expect_nothing(sub);
	expect_quiet(w);

	publish(pub, 8, 1);
	ready = next(w);
	expect_equal(ready.id, ids[0]);
	expect_equal(ready.kind, FLOE_READY_SUBSCRIBER);
	expect(ready.user == &mark);
	receive(sub, 8, 1);
	expect_nothing(sub);
	expect_quiet(w);

	expect(floe_notify(notifier, 3) >= 0);
	ready = next(w);
	expect_equal(ready.id, ids[1]);
	expect_equal(ready.kind, FLOE_READY_LISTENER);
	expect_equal(floe_listener_take(listener, &event), 1);
	expect_equal(floe_listener_take(listener, &event), 0);
	expect_quiet(w);

	expect_equal(write(ends[1], "x", 1), 1);
	ready = next(w);
	expect_equal(ready.id, ids[2]);
	expect_equal(ready.kind, FLOE_READY_FD);
	expect_equal(ready.value, POLLIN);
	expect_equal(floe_waitset_remove(w, (uint32_t)ids[2]), 0);
	expect_equal(floe_waitset_remove(w, (uint32_t)ids[2]), -EINVAL);
	expect_quiet(w);
	expect_equal(floe_waitset_add_fd(w, ends[0], POLLIN, NULL), ids[2]);
	expect_equal(next(w).id, ids[2]);

	floe_waitset_close(w);
	floe_listener_close(listener);
	floe_notifier_close(notifier);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	close(ends[0]);
	close(ends[1]);
}

static void requests_and_responses_are_waited_for(void)
{
	struct floe_waitset *w = waitset();
	struct floe_server *server = NULL;
	struct floe_client *client = NULL;
	struct floe_response response;
	struct floe_request request;
	struct floe_loan loan;
	uint32_t ids[2];

	expect_equal(floe_server_open(&server, "service", NULL), 0);
	expect_equal(floe_client_open(&client, "service", NULL), 0);
	expect_equal(floe_client_wait_for_server(client, now_ns() + 60 * SECONDS), 1);
	ids[0] = (uint32_t)floe_waitset_add_fd(w, floe_server_fd(server), POLLIN, NULL);
	ids[1] = (uint32_t)floe_waitset_add_fd(w, floe_client_fd(client), POLLIN, NULL);
	expect_equal(floe_client_loan(client, 8, &loan), 1);
	expect_equal(floe_client_send(client, &loan, FOREVER, NULL), 1);
	while (floe_server_take(server, &request) != 1)
		if (next(w).id == ids[1]) /* a new descriptor may ring once */
			expect_equal(floe_client_take(client, &response), 0);
	expect_equal(floe_server_take(server, &request), 0);
	expect_equal(floe_client_take(client, &response), 0);
	expect_quiet(w);
	expect_equal(floe_server_loan(server, &request, 8, &loan), 1);
	expect_equal(floe_server_send(server, &request, &loan, 0), 1);
	expect_equal(next(w).id, ids[1]);
	expect_equal(floe_client_take(client, &response), 1);
	floe_client_release(client, &response);
	floe_waitset_close(w);
	floe_client_close(client);
	floe_server_close(server);
}

/* A loop that there is already knows of it by one descriptor, and of what it says by asking it. */
static void it_works_beside_an_epoll_by_one_descriptor(void)
{
	struct floe_waitset *w = waitset();
	struct floe_publisher *pub = publisher("topic", NULL);
	struct floe_subscriber *sub = subscriber("topic", NULL);
	struct epoll_event event = {.events = EPOLLIN};
	int outer = epoll_create1(EPOLL_CLOEXEC);
	struct floe_ready ready;

	expect(outer >= 0);
	expect(floe_waitset_add_subscriber(w, sub, NULL) >= 0);
	expect_equal(epoll_ctl(outer, EPOLL_CTL_ADD, floe_waitset_fd(w), &event), 0);
	while (floe_waitset_wait(w, 0, &ready, 1) == 1)
		expect_nothing(sub);
	for (uint64_t i = 1; i <= 20; i++) {
		expect_equal(epoll_wait(outer, &event, 1, 0), 0);
		publish(pub, 8, i);
		expect_equal(epoll_wait(outer, &event, 1, 60000), 1);
		expect_equal(floe_waitset_wait(w, 0, &ready, 1), 1);
		receive(sub, 8, i);
		expect_nothing(sub);
	}
	close(outer);
	floe_waitset_close(w);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void timers_go_off_and_are_counted(void)
{
	struct floe_waitset *w = waitset();
	int64_t start = now_ns();
	int once = floe_waitset_add_timer(w, start + 10 * MILLISECONDS, 0, NULL);
	int often = floe_waitset_add_timer(w, start + 20 * MILLISECONDS, 5 * MILLISECONDS, NULL);
	struct floe_ready ready = next(w);
	uint64_t times = 0;

	expect(once >= 0 && often >= 0);
	expect_equal(ready.id, once);
	expect_equal(ready.kind, FLOE_READY_TIMER);
	expect_equal(ready.value, 1);
	expect(now_ns() >= start + 10 * MILLISECONDS);
	while (times < 10) {
		ready = next(w);
		expect_equal(ready.id, often);
		times += ready.value;
	}
	expect(now_ns() >= start + 65 * MILLISECONDS);
	expect_equal(floe_waitset_remove(w, (uint32_t)often), 0);
	expect_quiet(w);
	floe_waitset_close(w);
}

static void signals_come_as_what_is_ready(void)
{
	struct floe_waitset *w = waitset();
	struct floe_ready ready;
	sigset_t set, before;
	int id;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	id = floe_waitset_add_signal(w, SIGUSR1, NULL);
	expect(id >= 0);
	expect_equal(floe_waitset_add_signal(w, SIGUSR1, NULL), -EEXIST);
	expect(floe_waitset_add_signal(w, SIGUSR2, ATTACHED(.priority = 1)) >= 0);
	expect_quiet(w);
	kill(getpid(), SIGUSR1);
	ready = next(w);
	expect_equal(ready.id, id);
	expect_equal(ready.kind, FLOE_READY_SIGNAL);
	expect_equal(ready.value, 1);
	/* Two at once, said one by one, by priority; and the descriptor says that there is more. */
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	expect(next(w).id != (uint32_t)id);
	expect_equal(poll(&(struct pollfd){.fd = floe_waitset_fd(w), .events = POLLIN}, 1, 60000),
		     1);
	expect_equal(next(w).id, id);
	expect_quiet(w);
	floe_waitset_close(w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Two descriptors are always readable, and there is room for one. */
static void what_had_no_room_comes_first_the_next_time(void)
{
	struct floe_waitset *w = waitset();
	struct floe_ready ready;
	int ends[2][2];
	sigset_t set, before;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	for (int i = 0; i < 2; i++) {
		expect_equal(pipe(ends[i]), 0);
		expect_equal(write(ends[i][1], "x", 1), 1);
		expect_equal(floe_waitset_add_fd(w, ends[i][0], POLLIN, NULL), i);
	}
	expect_equal(floe_waitset_add_signal(w, SIGUSR1, NULL), 2);
	for (int i = 0; i < 4; i++) {
		unsigned said = 0;

		kill(getpid(), SIGUSR1);
		for (int n = 0; n < 3; n++) {
			expect_equal(floe_waitset_wait(w, 0, &ready, 1), 1);
			said |= 1u << ready.id;
		}
		expect_equal(said, 7);
	}
	floe_waitset_close(w);
	for (int i = 0; i < 2; i++) {
		close(ends[i][0]);
		close(ends[i][1]);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void the_highest_priority_comes_first(void)
{
	struct floe_waitset *w = waitset();
	struct floe_ready ready[8];
	int ends[5][2];

	for (int i = 0; i < 5; i++) {
		expect_equal(pipe(ends[i]), 0);
		expect_equal(write(ends[i][1], "x", 1), 1);
		expect_equal(
			floe_waitset_add_fd(w, ends[i][0], POLLIN, ATTACHED(.priority = i % 3 - 1)),
			i);
	}
	expect_equal(floe_waitset_wait(w, 0, ready, 8), 5);
	expect_equal(ready[0].id, 2);
	expect(ready[1].id % 3 == 1 && ready[2].id % 3 == 1);
	expect(ready[3].id % 3 == 0 && ready[4].id % 3 == 0);
	expect_equal(floe_waitset_wait(w, 0, ready, 1), 1);
	expect_equal(ready[0].id, 2);
	floe_waitset_close(w);
	for (int i = 0; i < 5; i++) {
		close(ends[i][0]);
		close(ends[i][1]);
	}
}

/*
 * What is expected
 */

#define PERIOD (200 * MILLISECONDS)

static void what_is_expected_and_does_not_come_is_late(void)
{
	struct floe_waitset *w = waitset();
	struct floe_subscriber *sub = subscriber("topic", NULL);
	int64_t before = now_ns();
	int mark;
	int id = floe_waitset_add_subscriber(
		w, sub, ATTACHED(.user = &mark, .expect_ns = 20 * MILLISECONDS));
	uint64_t periods = 0;
	struct floe_ready ready;

	for (int i = 0; i < 6; i++) {
		/* In the end nobody looks for a while. */
		if (i == 5)
			usleep(100000);
		while ((ready = next(w)).kind ==
		       FLOE_READY_SUBSCRIBER) /* a new descriptor may ring once */
			expect_nothing(sub);
		expect_equal(ready.kind, FLOE_READY_LATE);
		expect_equal(ready.id, id);
		expect(ready.user == &mark);
		periods += ready.value;
		expect(now_ns() - before >= (int64_t)periods * 20 * MILLISECONDS);
	}
	expect(ready.value >= 4);
	expect_equal(floe_waitset_remove(w, (uint32_t)id), 0);
	expect_equal(floe_waitset_wait(w, now_ns() + 50 * MILLISECONDS, &ready, 1), 0);
	floe_waitset_close(w);
	floe_subscriber_close(sub);
}

/* Waits for a message and takes it. What is late was not ready since `last_ns`. */
static void receive_in_time(struct floe_waitset *w, struct floe_subscriber *sub, uint64_t seed,
			    int64_t *last_ns)
{
	struct floe_ready ready[2];
	bool came = false;

	while (!came) {
		int count = floe_waitset_wait(w, now_ns() + 60 * SECONDS, ready, 2);

		expect(count > 0);
		for (int i = 0; i < count; i++)
			if (ready[i].kind == FLOE_READY_LATE)
				expect(now_ns() - *last_ns >= PERIOD);
		came = floe_wait(sub, 0) == 1;
	}
	*last_ns = now_ns();
	receive(sub, 8, seed);
	expect_nothing(sub);
}

/* Each message is a new beginning; how late the test itself is changes nothing. */
static void what_comes_in_time_is_never_late(void)
{
	struct floe_waitset *w = waitset();
	struct floe_subscriber *sub = subscriber("topic", NULL);
	struct floe_publisher *pub = publisher("topic", NULL);
	int64_t last_ns = now_ns();
	struct floe_ready ready[2];

	expect(floe_waitset_add_subscriber(w, sub, ATTACHED(.expect_ns = PERIOD)) >= 0);
	for (uint64_t i = 1; i <= 8; i++) {
		usleep(60000);
		publish(pub, 8, i);
		receive_in_time(w, sub, i, &last_ns);
	}
	/* One that was there is not late because nobody looked. */
	publish(pub, 8, 9);
	usleep(2 * PERIOD / 1000);
	expect_equal(floe_waitset_wait(w, now_ns() + 60 * SECONDS, ready, 2), 1);
	expect_equal(ready[0].kind, FLOE_READY_SUBSCRIBER);
	receive(sub, 8, 9);
	expect_nothing(sub);
	floe_waitset_close(w);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/* Where the descriptor is a timer that rings all the time. */
static void a_ring_without_a_message_is_not_what_was_expected(void)
{
	struct floe_subscriber *sub;
	struct floe_waitset *w;
	struct floe_ready ready = {0};

	forbid(SYS_io_uring_setup, EPERM);
	sub = subscriber("topic", SUBSCRIBER(.flags = FLOE_THREAD_SAFE));
	w = waitset();
	expect(floe_waitset_add_subscriber(w, sub, ATTACHED(.expect_ns = 20 * MILLISECONDS)) >= 0);
	while (ready.kind != FLOE_READY_LATE) {
		ready = next(w);
		expect_nothing(sub);
	}
	floe_waitset_close(w);
	floe_subscriber_close(sub);
}

static void a_ring_without_an_event_is_not_what_was_expected(void)
{
	struct floe_listener *listener = NULL;
	struct floe_waitset *w;
	struct floe_ready ready = {0};
	struct floe_event event;
	unsigned rings = 0;

	forbid(SYS_io_uring_setup, EPERM);
	expect_equal(floe_listener_open(&listener, "event", NULL), 0);
	w = waitset();
	expect(floe_waitset_add_listener(w, listener, ATTACHED(.expect_ns = 20 * MILLISECONDS)) >=
	       0);
	while (ready.kind != FLOE_READY_LATE) {
		ready = next(w);
		expect_equal(floe_listener_take(listener, &event), 0);
		expect(++rings < 10000);
	}
	floe_waitset_close(w);
	floe_listener_close(listener);
}

static void anything_can_be_expected_but_clocks_and_signals(void)
{
	struct floe_waitset *w = waitset();
	struct floe_listener *listener = NULL;
	struct floe_ready ready[4];
	int ends[2], ids[2], count;

	expect_equal(pipe(ends), 0);
	expect_equal(floe_listener_open(&listener, "event", NULL), 0);
	ids[0] = floe_waitset_add_fd(w, ends[0], POLLIN, ATTACHED(.expect_ns = MILLISECONDS));
	ids[1] = floe_waitset_add_listener(w, listener,
					   ATTACHED(.expect_ns = MILLISECONDS, .priority = 1));
	expect(ids[0] >= 0 && ids[1] >= 0);
	usleep(20000);
	expect(floe_waitset_wait(w, now_ns() + 60 * SECONDS, ready, 1) == 1);
	/* Of what is late the highest comes first too, and what was not told is told the next time. */
	expect_equal(ready[0].id, ids[1]);
	count = floe_waitset_wait(w, now_ns() + 60 * SECONDS, ready, 4);
	expect(count > 0);
	expect_equal(ready[count - 1].id, ids[0]);
	expect_equal(ready[count - 1].kind, FLOE_READY_LATE);
	expect(ready[count - 1].value >= 19);
	expect_equal(floe_waitset_add_timer(w, 0, 0, ATTACHED(.expect_ns = 1)), -EINVAL);
	expect_equal(floe_waitset_add_signal(w, SIGUSR1, ATTACHED(.expect_ns = 1)), -EINVAL);
	expect_equal(floe_waitset_add_fd(w, ends[1], POLLOUT, ATTACHED(.expect_ns = -1)), -EINVAL);
	floe_waitset_close(w);
	floe_listener_close(listener);
	close(ends[0]);
	close(ends[1]);
}

/*
 * Many topics
 */

#define TOPICS_MAX 1000

struct crowd {
	int count;
	struct floe_waitset *w;
	struct floe_subscriber *subs[TOPICS_MAX];
	struct floe_publisher *pub; /* of the last one */
};

static void need_descriptors(void)
{
	struct rlimit limit;

	expect_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < 3 * TOPICS_MAX)
		skip("a process may have too few descriptors here");
}

static void *open_crowd(const void *argument)
{
	static struct crowd crowd;
	struct floe_ready ready;
	char name[32];

	crowd.count = *(const int *)argument;
	crowd.w = waitset();
	for (int i = 0; i < crowd.count; i++) {
		(void)snprintf(name, sizeof(name), "%d.of.%d", i, crowd.count);
		crowd.subs[i] = subscriber(name, SUBSCRIBER(.holds_max = 1));
		expect(floe_waitset_add_subscriber(crowd.w, crowd.subs[i],
						   ATTACHED(.expect_ns = 3600 * SECONDS)) == i);
	}
	crowd.pub = publisher(name, PUBLISHER(.depth = 1, .payload_max = 8));
	while (floe_waitset_wait(crowd.w, 0, &ready, 1) == 1)
		expect_nothing(crowd.subs[ready.id]);
	return &crowd;
}

static void close_crowd(struct crowd *crowd)
{
	floe_waitset_close(crowd->w);
	for (int i = 0; i < crowd->count; i++)
		floe_subscriber_close(crowd->subs[i]);
	floe_publisher_close(crowd->pub);
}

static void hear_the_last_of_a_crowd(void *state)
{
	struct crowd *crowd = state;
	int last = crowd->count - 1;

	publish(crowd->pub, 8, 1);
	expect_equal(next(crowd->w).id, last);
	receive(crowd->subs[last], 8, 1);
	expect_nothing(crowd->subs[last]);
}

static void a_thousand_topics_and_one_that_speaks(void)
{
	static const int count = TOPICS_MAX;
	struct crowd *crowd;

	need_descriptors();
	crowd = open_crowd(&count);
	hear_the_last_of_a_crowd(crowd);
	expect_quiet(crowd->w);
	close_crowd(crowd);
}

static void what_a_wait_costs_depends_on_what_is_ready_not_on_what_is_attached(void)
{
	static const struct counted_work work = {open_crowd, hear_the_last_of_a_crowd};
	static const int counts[] = {10, 1000};
	uint64_t few, many;

	need_descriptors();
	few = counted_steps(&work, &counts[0]);
	many = counted_steps(&work, &counts[1]);
	printf("# %llu instructions with 10 topics, %llu with 1000\n", (unsigned long long)few,
	       (unsigned long long)many);
	expect(few > 0);
	expect(many * 10 <= few * 12);
}

/*
 * Stopping
 */

static struct floe_waitset *to_stop;

static void *stop_soon(void *argument)
{
	(void)argument;
	usleep(20000);
	expect_equal(floe_waitset_stop(to_stop), 0);
	return NULL;
}

static void another_thread_stops_it(void)
{
	struct floe_ready ready;
	pthread_t thread;

	to_stop = waitset();
	expect_equal(pthread_create(&thread, NULL, stop_soon, NULL), 0);
	expect_equal(floe_waitset_wait(to_stop, FOREVER, &ready, 1), -ECANCELED);
	expect_equal(floe_waitset_wait(to_stop, FOREVER, &ready, 1), -ECANCELED);
	pthread_join(thread, NULL);
	floe_waitset_close(to_stop);
}

static void stop_now(int number)
{
	(void)number;
	(void)floe_waitset_stop(to_stop);
}

static void a_signal_handler_stops_it(void)
{
	struct floe_ready ready;
	struct sigaction action = {.sa_handler = stop_now};
	int r;

	to_stop = waitset();
	sigaction(SIGALRM, &action, NULL);
	ualarm(20000, 0);
	r = floe_waitset_wait(to_stop, FOREVER, &ready, 1);
	expect(r == -EINTR || r == -ECANCELED);
	expect_equal(floe_waitset_wait(to_stop, FOREVER, &ready, 1), -ECANCELED);
	floe_waitset_close(to_stop);
}

/*
 * The thread
 */

static struct floe_subscriber *heard_by;
static _Atomic unsigned heard;
static _Atomic int foreign; /* what a call in the thread was told about the set */

static void hear_one(struct floe_waitset *w, const struct floe_ready *ready)
{
	struct floe_sample sample;

	expect(ready->user == &heard);
	/* Before the last is heard, which is what is waited for. */
	foreign = floe_waitset_join(w);
	while (floe_take(heard_by, &sample) == 1) {
		floe_release(heard_by, &sample);
		heard++;
	}
}

static void a_thread_calls_what_was_attached(void)
{
	struct floe_waitset *w = waitset();
	struct floe_publisher *pub = publisher("topic", PUBLISHER(.depth = 64));
	struct floe_ready ready;
	int64_t end;

	heard_by = subscriber("topic", NULL);
	expect(floe_waitset_add_subscriber(w, heard_by,
					   ATTACHED(.user = &heard, .call = hear_one)) >= 0);
	expect_equal(floe_waitset_start(w), 0);
	expect_equal(floe_waitset_start(w), -EALREADY);
	expect_equal(floe_waitset_wait(w, 0, &ready, 1), -EBUSY);
	expect_equal(floe_waitset_add_fd(w, 0, POLLIN, NULL), -EBUSY);
	for (unsigned i = 0; i < 50; i++)
		publish(pub, 8, i);
	end = now_ns() + 60 * SECONDS;
	while (heard < 50 && now_ns() < end)
		usleep(1000);
	expect_equal(heard, 50);
	expect_equal(foreign, -EDEADLK);
	expect_equal(floe_waitset_join(w), 0);
	expect_equal(floe_waitset_join(w), 0);
	publish(pub, 8, 1);
	expect_equal(heard, 50);
	floe_waitset_close(w);
	floe_subscriber_close(heard_by);
	floe_publisher_close(pub);
}

static void close_joins_the_thread(void)
{
	struct floe_waitset *w = waitset();

	expect_equal(floe_waitset_start(w), 0);
	floe_waitset_close(w);
}

static void bad_arguments_are_refused(void)
{
	struct floe_waitset *w = waitset();
	struct floe_waitset *none = (struct floe_waitset *)(void *)subscriber("topic", NULL);
	struct floe_subscriber *sub = (struct floe_subscriber *)(void *)none;
	struct floe_ready ready;
	int file = open("/proc/self/exe", O_RDONLY);

	expect_equal(floe_waitset_open(NULL), -EINVAL);
	expect_equal(floe_waitset_add_subscriber(w, NULL, NULL), -EINVAL);
	expect_equal(floe_waitset_add_subscriber(NULL, sub, NULL), -EINVAL);
	expect_equal(floe_waitset_add_subscriber(none, sub, NULL), -EINVAL);
	expect_equal(floe_waitset_add_listener(w, (struct floe_listener *)(void *)sub, NULL),
		     -EINVAL);
	expect_equal(floe_waitset_add_fd(w, -1, POLLIN, NULL), -EINVAL);
	expect_equal(floe_waitset_add_fd(w, 99999, POLLIN, NULL), -EINVAL);
	expect_equal(floe_waitset_add_fd(w, file, POLLIN, NULL), -EPERM);
	expect_equal(floe_waitset_add_fd(w, 0, 0, NULL), -EINVAL);
	expect_equal(floe_waitset_add_fd(w, 0, 0x40000000, NULL), -EINVAL);
	expect_equal(floe_waitset_add_timer(w, -1, 0, NULL), -EINVAL);
	expect_equal(floe_waitset_add_timer(w, 0, -1, NULL), -EINVAL);
	expect_equal(floe_waitset_add_timer(w, 0, 0, ATTACHED(.flags = 1)), -EINVAL);
	expect_equal(floe_waitset_add_signal(w, 0, NULL), -EINVAL);
	expect_equal(floe_waitset_add_signal(w, SIGKILL, NULL), -EINVAL);
	expect_equal(floe_waitset_add_signal(w, 65, NULL), -EINVAL);
	expect_equal(floe_waitset_wait(w, 0, NULL, 1), -EINVAL);
	expect_equal(floe_waitset_wait(w, 0, &ready, 0), -EINVAL);
	expect_equal(floe_waitset_wait(none, 0, &ready, 1), -EINVAL);
	expect_equal(floe_waitset_remove(w, 0), -EINVAL);
	expect_equal(floe_waitset_fd(none), -EINVAL);
	expect_equal(floe_waitset_stop(NULL), -EINVAL);
	expect_equal(floe_waitset_start(none), -EINVAL);
	expect_equal(floe_waitset_join(none), -EINVAL);
	floe_waitset_close(NULL);
	floe_waitset_close(none);
	floe_waitset_close(w);
	expect_equal(floe_waitset_wait(w, 0, &ready, 1), -EINVAL);
	floe_subscriber_close(sub);
	close(file);
}

static void use_what_is_the_parents(int wire, void *argument)
{
	struct floe_ready ready;

	(void)wire;
	expect_equal(floe_waitset_wait(argument, -1, &ready, 1), -EINVAL);
	expect_equal(floe_waitset_add_timer(argument, 1, 1, NULL), -EINVAL);
	expect_equal(floe_waitset_stop(argument), -EINVAL);
	expect_equal(floe_waitset_fd(argument), -EINVAL);
	floe_waitset_close(argument);
}

static void a_child_after_fork_is_refused(void)
{
	struct floe_waitset *w = waitset();
	struct peer peer;

	expect(floe_waitset_add_timer(w, now_ns(), 0, NULL) >= 0);
	peer = peer_start(use_what_is_the_parents, w);
	peer_end(&peer);
	expect_equal(next(w).kind, FLOE_READY_TIMER);
	floe_waitset_close(w);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_child_after_fork_is_refused),
		TEST(what_is_ready_is_said),
		TEST(requests_and_responses_are_waited_for),
		TEST(it_works_beside_an_epoll_by_one_descriptor),
		TEST(timers_go_off_and_are_counted),
		TEST(signals_come_as_what_is_ready),
		TEST(what_had_no_room_comes_first_the_next_time),
		TEST(the_highest_priority_comes_first),
		TEST(what_is_expected_and_does_not_come_is_late),
		TEST(what_comes_in_time_is_never_late),
		TEST(a_ring_without_a_message_is_not_what_was_expected),
		TEST(a_ring_without_an_event_is_not_what_was_expected),
		TEST(anything_can_be_expected_but_clocks_and_signals),
		TEST(a_thousand_topics_and_one_that_speaks),
		TEST(what_a_wait_costs_depends_on_what_is_ready_not_on_what_is_attached),
		TEST(another_thread_stops_it),
		TEST(a_signal_handler_stops_it),
		TEST(a_thread_calls_what_was_attached),
		TEST(close_joins_the_thread),
		TEST(bad_arguments_are_refused),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
