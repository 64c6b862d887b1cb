/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One ring waits for topics, a socket, a file and a timer together, and each is told of when it has
 * something and at no other time. Topics are waited for on futex words; the last tests are about
 * where that is not to be had.
 */

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api/forbidden.h"
#include "api/peer.h"
#include "api/steps.h"
#include "uring/place.h"

#define TOPICS 20
#define ALTERNATIONS 2000
#define PATIENCE_MS 60000
#define CHUNK 1000
#define OP_FUTEX_WAITV 53

enum source {
	TOPIC = 0,
	SOCKET = 100,
	TIMER,
	FILE_READ,
	CANCEL
};

static struct io_uring_sqe *prepare(struct io_uring *ring, uint64_t source)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	expect(sqe != NULL);
	sqe->user_data = source;
	return sqe;
}

static void wait_for_topic(struct io_uring *ring, struct floe_subscriber *sub, uint64_t source)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	expect(sqe != NULL);
	expect_equal(floe_uring_prep_topic(sqe, sub), 0);
	sqe->user_data = source;
}

/* What completes next, or -1 when nothing does. liburing also says -ETIME when the kernel came back
 * early with nothing. */
static int64_t next_source(struct io_uring *ring, long ms, int *ret_result)
{
	struct __kernel_timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	struct io_uring_cqe *cqe;
	int64_t source, until = now_ns() + ms * 1000000;
	int r;

	expect(io_uring_submit(ring) >= 0);
	do
		r = io_uring_wait_cqe_timeout(ring, &cqe, &limit);
	while (r == -ETIME && now_ns() < until);
	if (r < 0) {
		expect_equal(r, -ETIME);
		return -1;
	}
	source = (int64_t)cqe->user_data;
	*ret_result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return source;
}

static void expect_silence(struct io_uring *ring)
{
	int result;

	expect_equal(next_source(ring, 5, &result), -1);
}

/* The topic is told of; whatever the result is, something is there. */
static void expect_topic(struct io_uring *ring, uint64_t source)
{
	int result;

	expect_equal(next_source(ring, PATIENCE_MS, &result), source);
	expect(result >= 0 || result == -EAGAIN);
}

/* Where a descriptor stands in there is more to be told of than messages. */
static void need_words(void)
{
	struct io_uring_probe *probe;
	int can;

	need_rings();
	probe = io_uring_get_probe();
	expect(probe != NULL);
	can = io_uring_opcode_supported(probe, OP_FUTEX_WAITV);
	io_uring_free_probe(probe);
	if (!can)
		skip("io_uring cannot wait on futex words here (it can from Linux 6.7 on)");
}

/* A ring, a topic, and who sends on it. */
struct scene {
	struct seat seat;
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
};

static void scene_begin(struct scene *s)
{
	need_words();
	seat_take(&s->seat, PRIVATE, 8, with(0));
	s->pub = publisher("ring", NULL);
	s->sub = subscriber("ring", NULL);
}

static void scene_end(struct scene *s)
{
	floe_subscriber_close(s->sub);
	floe_publisher_close(s->pub);
	expect_equal(floe_uring_exit(&s->seat.ring, FLOE_URING_SAFE), 0);
	place_end(&s->seat.place);
}

/* It waits, and the kernel knows it. */
static void arm(struct scene *s)
{
	wait_for_topic(&s->seat.ring, s->sub, TOPIC);
	expect_silence(&s->seat.ring);
}

/*
 * Exactly when there is something
 */

static void each_source_is_told_of_when_it_has_something(void)
{
	struct floe_publisher *pubs[TOPICS];
	struct floe_subscriber *subs[TOPICS];
	struct __kernel_timespec soon = {.tv_nsec = 1000000};
	int ends[2], file, result;
	char name[16], heard[8] = "", read_back[8] = "";
	struct seat seat;

	need_words();
	file = memfd_create("file", MFD_CLOEXEC);
	seat_take(&seat, MEMFD, 64, with(0));
	expect_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	expect_equal(pwrite(file, "file", 5, 0), 5);
	for (size_t i = 0; i < TOPICS; i++) {
		snprintf(name, sizeof(name), "topic.%zu", i);
		pubs[i] = publisher(name, PUBLISHER(.depth = 2, .payload_max = 64));
		subs[i] = subscriber(name, NULL);
		wait_for_topic(&seat.ring, subs[i], i);
	}
	io_uring_prep_recv(prepare(&seat.ring, SOCKET), ends[0], heard, sizeof(heard), 0);
	expect_silence(&seat.ring);
	for (uint64_t round = 0; round < 5; round++) {
		for (size_t i = 0; i < TOPICS; i++) {
			publish(pubs[i], 8, round);
			expect_topic(&seat.ring, i);
			receive(subs[i], 8, round);
			wait_for_topic(&seat.ring, subs[i], i);
		}
		expect_equal(write(ends[1], "socket", 7), 7);
		expect_equal(next_source(&seat.ring, PATIENCE_MS, &result), SOCKET);
		expect_equal(result, 7);
		io_uring_prep_recv(prepare(&seat.ring, SOCKET), ends[0], heard, sizeof(heard), 0);
		io_uring_prep_timeout(prepare(&seat.ring, TIMER), &soon, 0, 0);
		expect_equal(next_source(&seat.ring, PATIENCE_MS, &result), TIMER);
		expect_equal(result, -ETIME);
		io_uring_prep_read(prepare(&seat.ring, FILE_READ), file, read_back, 5, 0);
		expect_equal(next_source(&seat.ring, PATIENCE_MS, &result), FILE_READ);
		expect_equal(result, 5);
	}
	for (size_t i = 0; i < TOPICS; i++) {
		floe_subscriber_close(subs[i]);
		floe_publisher_close(pubs[i]);
	}
	expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
	place_end(&seat.place);
	close(ends[0]);
	close(ends[1]);
	close(file);
}

static void what_came_before_completes_it_at_once(void)
{
	struct scene s;

	scene_begin(&s);
	publish(s.pub, CHUNK, 1);
	wait_for_topic(&s.seat.ring, s.sub, TOPIC);
	expect_topic(&s.seat.ring, TOPIC);
	receive(s.sub, CHUNK, 1);
	arm(&s);
	scene_end(&s);
}

/* One message, and so many that all wakes are over. */
static void what_comes_before_it_is_submitted_is_not_missed(void)
{
	struct scene s;

	scene_begin(&s);
	for (uint64_t count = 1; count <= 8; count++) {
		wait_for_topic(&s.seat.ring, s.sub, TOPIC);
		for (uint64_t i = 0; i < count; i++)
			publish(s.pub, 8, i);
		expect_topic(&s.seat.ring, TOPIC);
		for (uint64_t i = 0; i < count; i++)
			receive(s.sub, 8, i);
		expect_nothing(s.sub);
	}
	scene_end(&s);
}

static void a_publisher_that_comes_later_is_heard(void)
{
	struct floe_publisher *other;
	struct scene s;

	scene_begin(&s);
	arm(&s);
	other = publisher("ring", NULL);
	expect_silence(&s.seat.ring);
	publish(other, 8, 1);
	expect_topic(&s.seat.ring, TOPIC);
	receive(s.sub, 8, 1);
	arm(&s);
	publish(other, 8, 2);
	expect_topic(&s.seat.ring, TOPIC);
	receive(s.sub, 8, 2);
	floe_publisher_close(other);
	scene_end(&s);
}

static void each_of_many_publishers_is_heard(void)
{
	struct floe_publisher *pubs[FLOE_PUBLISHERS_MAX];
	struct floe_subscriber *sub;
	struct seat seat;

	need_words();
	seat_take(&seat, PRIVATE, 8, with(0));
	sub = subscriber("ring", NULL);
	for (size_t i = 0; i < COUNT(pubs); i++)
		pubs[i] = publisher("ring", PUBLISHER(.depth = 1, .payload_max = CHUNK));
	for (size_t i = 0; i < COUNT(pubs); i++) {
		wait_for_topic(&seat.ring, sub, i);
		publish(pubs[i], 8, i);
		expect_topic(&seat.ring, i);
		receive(sub, 8, i);
	}
	for (size_t i = 0; i < COUNT(pubs); i++)
		floe_publisher_close(pubs[i]);
	floe_subscriber_close(sub);
	expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
	place_end(&seat.place);
}

static void floe_wait_leaves_it_as_it_is(void)
{
	struct scene s;

	scene_begin(&s);
	arm(&s);
	for (uint64_t i = 0; i < 5; i++) {
		expect_equal(floe_wait(s.sub, now_ns() + 1000000), 0);
		/* Who looks for somebody who sleeps finds him. */
		publish(s.pub, 8, i);
		expect_topic(&s.seat.ring, TOPIC);
		receive(s.sub, 8, i);
		arm(&s);
	}
	scene_end(&s);
}

static size_t count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	expect(dir != NULL);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void it_takes_no_descriptor(void)
{
	struct scene s;
	size_t before;

	scene_begin(&s);
	before = count_descriptors();
	arm(&s);
	expect_equal(count_descriptors(), before);
	scene_end(&s);
}

static void a_thread_safe_subscriber_will_do(void)
{
	struct floe_subscriber *safe;
	struct scene s;

	scene_begin(&s);
	safe = subscriber("ring", SUBSCRIBER(.flags = FLOE_THREAD_SAFE));
	wait_for_topic(&s.seat.ring, safe, 7);
	expect_silence(&s.seat.ring);
	publish(s.pub, 8, 1);
	expect_topic(&s.seat.ring, 7);
	receive(safe, 8, 1);
	floe_subscriber_close(safe);
	scene_end(&s);
}

/*
 * Ends
 */

static void closing_the_subscriber_completes_it(void)
{
	struct scene s;
	int result;

	scene_begin(&s);
	arm(&s);
	floe_subscriber_close(s.sub);
	s.sub = NULL;
	expect_equal(next_source(&s.seat.ring, PATIENCE_MS, &result), TOPIC);
	/* It does not count among those who sleep any more. */
	for (uint64_t i = 0; i < 5; i++)
		publish(s.pub, 8, i);
	expect_silence(&s.seat.ring);
	scene_end(&s);
}

static void closing_it_completes_the_wait_while_samples_are_shared(void)
{
	struct floe_shared_sample *shared;
	struct floe_sample sample;
	struct scene s;
	int result;

	scene_begin(&s);
	publish(s.pub, CHUNK, 1);
	sample = take(s.sub, CHUNK, 1);
	expect_equal(floe_sample_share(s.sub, &sample, &shared), 0);
	arm(&s);
	floe_subscriber_close(s.sub);
	s.sub = NULL;
	expect_equal(next_source(&s.seat.ring, PATIENCE_MS, &result), TOPIC);
	expect_equal(floe_shared_sample_unref(shared), 1);
	scene_end(&s);
}

static void it_is_cancelled_like_any_request(void)
{
	struct scene s;
	bool seen[CANCEL + 1] = {false};
	int result;

	scene_begin(&s);
	arm(&s);
	io_uring_prep_cancel64(prepare(&s.seat.ring, CANCEL), TOPIC, 0);
	for (int i = 0; i < 2; i++) {
		int64_t source = next_source(&s.seat.ring, PATIENCE_MS, &result);

		expect(source == CANCEL || source == TOPIC);
		expect(source == TOPIC ? result == -ECANCELED : result >= 0);
		seen[source] = true;
	}
	expect(seen[CANCEL] && seen[TOPIC]);
	publish(s.pub, 8, 1);
	expect_silence(&s.seat.ring);
	wait_for_topic(&s.seat.ring, s.sub, TOPIC);
	expect_topic(&s.seat.ring, TOPIC);
	receive(s.sub, 8, 1);
	scene_end(&s);
}

static void the_ring_may_go_first(void)
{
	struct scene s;

	scene_begin(&s);
	arm(&s);
	expect_equal(floe_uring_exit(&s.seat.ring, FLOE_URING_SAFE), 0);
	publish(s.pub, 8, 1);
	receive(s.sub, 8, 1);
	place_end(&s.seat.place);
	seat_take(&s.seat, PRIVATE, 8, with(0));
	arm(&s);
	publish(s.pub, 8, 2);
	expect_topic(&s.seat.ring, TOPIC);
	receive(s.sub, 8, 2);
	scene_end(&s);
}

static void send_one_and_hang(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("mortal", NULL);

	(void)argument;
	tell(wire, 1);
	hear(wire);
	publish(pub, 8, 1);
	tell(wire, 1);
	hear(wire);
}

/* The kernel wakes one of those who sleep on the omen: whoever it is, all hear of it. */
static void the_death_of_a_publisher_is_told(void)
{
	struct peer peer = peer_start(send_one_and_hang, NULL);
	struct floe_subscriber *subs[2];
	struct floe_publisher *pub;
	struct seat seat;
	int result;

	need_words();
	seat_take(&seat, PRIVATE, 8, with(0));
	for (size_t i = 0; i < COUNT(subs); i++)
		subs[i] = subscriber("mortal", NULL);
	hear(peer.wire);
	ask(peer.wire, 1);
	for (size_t i = 0; i < COUNT(subs); i++) {
		receive(subs[i], 8, 1);
		wait_for_topic(&seat.ring, subs[i], i);
	}
	expect_silence(&seat.ring);
	peer_kill(&peer);
	for (unsigned seen = 0; seen != 3;) {
		int64_t source = next_source(&seat.ring, PATIENCE_MS, &result);

		expect(source == 0 || source == 1);
		seen |= 1u << source;
		expect_nothing(subs[source]);
		wait_for_topic(&seat.ring, subs[source], (uint64_t)source);
	}
	/* Its successor goes on in the same ring. */
	pub = publisher("mortal", NULL);
	publish(pub, 8, 2);
	for (unsigned seen = 0; seen != 3;) {
		int64_t source = next_source(&seat.ring, PATIENCE_MS, &result);

		expect(source == 0 || source == 1);
		if (drain(subs[source], &(uint64_t){0}))
			seen |= 1u << source;
		wait_for_topic(&seat.ring, subs[source], (uint64_t)source);
	}
	for (size_t i = 0; i < COUNT(subs); i++)
		floe_subscriber_close(subs[i]);
	floe_publisher_close(pub);
	expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
	place_end(&seat.place);
}

/* He was the one whom the kernel woke. */
static void who_is_told_of_a_death_and_leaves_tells_the_others(void)
{
	struct peer peer = peer_start(send_one_and_hang, NULL);
	struct floe_subscriber *subs[2];
	struct seat seat;
	int64_t first;
	int result;

	need_words();
	seat_take(&seat, PRIVATE, 8, with(0));
	for (size_t i = 0; i < COUNT(subs); i++)
		subs[i] = subscriber("mortal", NULL);
	hear(peer.wire);
	ask(peer.wire, 1);
	for (size_t i = 0; i < COUNT(subs); i++) {
		receive(subs[i], 8, 1);
		wait_for_topic(&seat.ring, subs[i], i);
	}
	expect_silence(&seat.ring);
	peer_kill(&peer);
	first = next_source(&seat.ring, PATIENCE_MS, &result);
	expect(first == 0 || first == 1);
	floe_subscriber_close(subs[first]);
	expect_equal(next_source(&seat.ring, PATIENCE_MS, &result), 1 - first);
	floe_subscriber_close(subs[1 - first]);
	expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
	place_end(&seat.place);
}

/*
 * Lost wake-ups: two processes answer each other by a topic or by a socket, as it comes, and each
 * sleeps in its ring on both, on a timer, and now and then on a file.
 */

struct table {
	uint32_t flags; /* of the rings */
	int ends[2];    /* of the socket */
};

struct player {
	struct seat seat;
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	int socket;
	int file;
	uint64_t number; /* what came by the socket */
	uint64_t read;
	uint64_t seed;
	uint64_t ticks; /* since something was heard */
};

/* A long run: ./run sweep --wakes --ring. */
static uint64_t count_alternations(void)
{
	const char *wanted = getenv("FLOE_TEST_ALTERNATIONS");

	return wanted ? strtoull(wanted, NULL, 10) : ALTERNATIONS;
}

/* Up to some microseconds, often none: the two ends are to meet at every step of each other. */
static void dawdle(struct player *p)
{
	uint64_t turns = random_next(&p->seed) % 4 ? random_next(&p->seed) % 2000 : 0;

	for (volatile uint64_t i = 0; i < turns; i++)
		;
}

static bool goes_by_topic(uint64_t i)
{
	return i * 0x9e3779b97f4a7c15u >> 62 != 0;
}

static void send_one(struct player *p, uint64_t i)
{
	if (goes_by_topic(i))
		publish(p->pub, 8 + i % 90, i);
	else
		expect_equal(send(p->socket, &i, sizeof(i), 0), sizeof(i));
}

static void wait_for(struct player *p, enum source source)
{
	static struct __kernel_timespec tick = {.tv_nsec = 1000000};

	if (source == TOPIC)
		wait_for_topic(&p->seat.ring, p->sub, TOPIC);
	else if (source == SOCKET)
		io_uring_prep_recv(prepare(&p->seat.ring, SOCKET), p->socket, &p->number,
				   sizeof(p->number), MSG_WAITALL);
	else if (source == TIMER)
		io_uring_prep_timeout(prepare(&p->seat.ring, TIMER), &tick, 0, 0);
	else
		io_uring_prep_read(prepare(&p->seat.ring, FILE_READ), p->file, &p->read,
				   sizeof(p->read), 0);
}

/* 1: message i has come */
static int handle(struct player *p, enum source source, int result, uint64_t i)
{
	struct floe_sample sample;
	int found = 0;

	if (source == TIMER)
		expect(++p->ticks < PATIENCE_MS);
	if (source == FILE_READ)
		expect_equal(result, sizeof(p->read));
	if (source == SOCKET) {
		expect_equal(result, sizeof(p->number));
		expect_equal(p->number, i);
		found = !goes_by_topic(i);
		expect(found);
	}
	while (source == TOPIC && floe_take(p->sub, &sample) == 1) {
		expect(goes_by_topic(i) && !found);
		expect_equal(sample.lost, 0);
		expect(is_filled(sample.data, 8 + i % 90, i));
		floe_release(p->sub, &sample);
		found = 1;
	}
	return found;
}

static void hear_one(struct player *p, uint64_t i)
{
	int heard = 0, result;

	p->ticks = 0;
	if (i % 16 == 0)
		wait_for(p, FILE_READ);
	while (!heard) {
		int64_t source = next_source(&p->seat.ring, PATIENCE_MS, &result);

		expect(source >= 0);
		heard = handle(p, (enum source)source, result, i);
		if (source != FILE_READ)
			wait_for(p, (enum source)source);
		dawdle(p);
	}
}

static void player_begin(struct player *p, const struct table *table, int end)
{
	seat_take(&p->seat, PRIVATE, 16, with(table->flags));
	p->socket = table->ends[end];
	p->file = memfd_create("file", MFD_CLOEXEC);
	p->seed = random_seed() + (uint64_t)end;
	expect_equal(pwrite(p->file, "contents", 8, 0), 8);
	wait_for(p, TOPIC);
	wait_for(p, SOCKET);
	wait_for(p, TIMER);
}

static void player_end(struct player *p)
{
	expect_equal(floe_uring_exit(&p->seat.ring, FLOE_URING_SAFE), 0);
	place_end(&p->seat.place);
	floe_publisher_close(p->pub);
	floe_subscriber_close(p->sub);
	close(p->file);
}

static void answer(int wire, void *argument)
{
	struct player p = {.sub = subscriber("ping", NULL), .pub = publisher("pong", NULL)};
	uint64_t count = count_alternations();

	player_begin(&p, argument, 1);
	tell(wire, 1);
	for (uint64_t i = 0; i < count; i++) {
		hear_one(&p, i);
		dawdle(&p);
		send_one(&p, i);
	}
	hear(wire);
	player_end(&p);
}

static void expect_no_lost_wake_up(uint32_t flags)
{
	struct table table = {.flags = flags};
	struct player p = {0};
	struct peer peer;

	need_words();
	expect_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, table.ends), 0);
	peer = peer_start(answer, &table);
	p.pub = publisher("ping", NULL);
	p.sub = subscriber("pong", NULL);
	player_begin(&p, &table, 0);
	hear(peer.wire);
	for (uint64_t i = 0; i < count_alternations(); i++) {
		dawdle(&p);
		send_one(&p, i);
		hear_one(&p, i);
	}
	tell(peer.wire, 1);
	peer_end(&peer);
	player_end(&p);
	close(table.ends[0]);
	close(table.ends[1]);
}

static void no_wake_up_is_lost(void)
{
	expect_no_lost_wake_up(0);
}

static void no_wake_up_is_lost_with_deferred_work(void)
{
	expect_no_lost_wake_up(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
}

/*
 * Where that is not to be had
 */

/* Messages come through, with a descriptor for each subscriber. */
static void expect_a_descriptor_that_serves(struct scene *s)
{
	size_t before = count_descriptors();
	int result;

	wait_for_topic(&s->seat.ring, s->sub, TOPIC);
	expect(count_descriptors() > before);
	for (uint64_t i = 0; i < 50; i++) {
		publish(s->pub, 8, i);
		expect_equal(next_source(&s->seat.ring, PATIENCE_MS, &result), TOPIC);
		receive(s->sub, 8, i);
		expect_nothing(s->sub);
		wait_for_topic(&s->seat.ring, s->sub, TOPIC);
	}
}

/* As before Linux 6.7, when the kernel is asked what its rings can. */
static void where_words_are_not_waited_for_a_descriptor_serves(void)
{
	struct scene s;

	scene_begin(&s);
	forbid(SYS_io_uring_setup, EPERM);
	expect_a_descriptor_that_serves(&s);
	scene_end(&s);
}

static void without_membarrier_a_descriptor_serves(void)
{
	const struct floe_word *words;
	struct scene s;

	scene_begin(&s);
	expect(floe_subscriber_words(s.sub, &words) > 1);
	forbid(SYS_membarrier, ENOSYS);
	expect_equal(floe_subscriber_words(s.sub, &words), -EOPNOTSUPP);
	expect_a_descriptor_that_serves(&s);
	scene_end(&s);
}

/* Publishers do not believe that somebody sleeps who was told that he cannot. */
static void who_cannot_wait_is_not_woken(void)
{
	const struct floe_word *words;
	struct scene s;
	uint64_t before;

	scene_begin(&s);
	publish(s.pub, 8, 1);
	receive(s.sub, 8, 1);
	before = publisher_counts(s.pub).wakes;
	forbid(SYS_membarrier, ENOSYS);
	expect_equal(floe_subscriber_words(s.sub, &words), -EOPNOTSUPP);
	for (uint64_t i = 2; i < 4; i++) {
		publish(s.pub, 8, i);
		receive(s.sub, 8, i);
	}
	expect_equal(publisher_counts(s.pub).wakes, before);
	scene_end(&s);
}

static void what_cannot_be_waited_for_completes_at_once(void)
{
	struct io_uring_sqe *sqe;
	struct seat seat;
	int result;

	need_rings();
	seat_take(&seat, PRIVATE, 8, with(0));
	sqe = io_uring_get_sqe(&seat.ring);
	expect_equal(floe_uring_prep_topic(sqe, NULL), -EINVAL);
	sqe->user_data = TOPIC;
	expect_equal(next_source(&seat.ring, PATIENCE_MS, &result), TOPIC);
	expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
	place_end(&seat.place);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(each_source_is_told_of_when_it_has_something),
		TEST(what_came_before_completes_it_at_once),
		TEST(what_comes_before_it_is_submitted_is_not_missed),
		TEST(a_publisher_that_comes_later_is_heard),
		TEST(each_of_many_publishers_is_heard),
		TEST(floe_wait_leaves_it_as_it_is),
		TEST(it_takes_no_descriptor),
		TEST(a_thread_safe_subscriber_will_do),
		TEST(closing_the_subscriber_completes_it),
		TEST(closing_it_completes_the_wait_while_samples_are_shared),
		TEST(it_is_cancelled_like_any_request),
		TEST(the_ring_may_go_first),
		TEST(the_death_of_a_publisher_is_told),
		TEST(who_is_told_of_a_death_and_leaves_tells_the_others),
		TEST(no_wake_up_is_lost),
		TEST(no_wake_up_is_lost_with_deferred_work),
		TEST(where_words_are_not_waited_for_a_descriptor_serves),
		TEST(without_membarrier_a_descriptor_serves),
		TEST(who_cannot_wait_is_not_woken),
		TEST(what_cannot_be_waited_for_completes_at_once),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
