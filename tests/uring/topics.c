/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One ring waits for topics, a socket, a file and a timer together, and each is told of when it has
 * something and at no other time.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/peer.h"
#include "api/steps.h"
#include "uring/place.h"

#define TOPICS 20
#define ROUNDS 2000

enum source {
	TOPIC = 0,
	SOCKET = 100,
	TIMER,
	FILE_READ
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

/* What completes next, or -1 when nothing does. */
static int64_t next_source(struct io_uring *ring, long ms, int *ret_result)
{
	struct __kernel_timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	struct io_uring_cqe *cqe;
	int64_t source;

	io_uring_submit(ring);
	if (io_uring_wait_cqe_timeout(ring, &cqe, &limit) < 0)
		return -1;
	source = (int64_t)cqe->user_data;
	*ret_result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return source;
}

/* Where a timer stands in, subscribers are told of too often. */
static void need_exact_descriptors(void)
{
	struct floe_subscriber *sub = subscriber("exact", NULL);
	char path[32], name[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", floe_subscriber_fd(sub));
	expect(readlink(path, name, sizeof(name) - 1) > 0);
	if (strcmp(name, "anon_inode:[eventfd]"))
		skip("io_uring cannot wait on futex words here (it can from Linux 6.7 on)");
	floe_subscriber_close(sub);
}

static void each_source_is_told_of_when_it_has_something(void)
{
	struct floe_publisher *pubs[TOPICS];
	struct floe_subscriber *subs[TOPICS];
	struct __kernel_timespec soon = {.tv_nsec = 1000000};
	int ends[2], file = memfd_create("file", MFD_CLOEXEC), result;
	char name[16], heard[8] = "", read_back[8] = "";
	struct seat seat;

	need_rings();
	need_exact_descriptors();
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
	expect_equal(next_source(&seat.ring, 5, &result), -1);
	for (uint64_t round = 0; round < 5; round++) {
		for (size_t i = 0; i < TOPICS; i++) {
			publish(pubs[i], 8, round);
			expect_equal(next_source(&seat.ring, 60000, &result), i);
			expect_equal(result, POLLIN);
			receive(subs[i], 8, round);
			wait_for_topic(&seat.ring, subs[i], i);
		}
		expect_equal(write(ends[1], "socket", 7), 7);
		expect_equal(next_source(&seat.ring, 60000, &result), SOCKET);
		expect_equal(result, 7);
		io_uring_prep_recv(prepare(&seat.ring, SOCKET), ends[0], heard, sizeof(heard), 0);
		io_uring_prep_timeout(prepare(&seat.ring, TIMER), &soon, 0, 0);
		expect_equal(next_source(&seat.ring, 60000, &result), TIMER);
		expect_equal(result, -ETIME);
		io_uring_prep_read(prepare(&seat.ring, FILE_READ), file, read_back, 5, 0);
		expect_equal(next_source(&seat.ring, 60000, &result), FILE_READ);
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

/* What it stands for in both processes: wait in the ring, take, answer. */
static void alternate(struct floe_publisher *pub, struct floe_subscriber *sub, uint32_t flags)
{
	struct floe_sample sample;
	struct seat seat;
	uint64_t done = 0;
	int result;

	seat_take(&seat, PRIVATE, 8, with(flags));
	while (done < ROUNDS) {
		wait_for_topic(&seat.ring, sub, TOPIC);
		expect_equal(next_source(&seat.ring, 60000, &result), TOPIC);
		while (floe_take(sub, &sample) == 1) {
			expect_equal(sample.sequence, ++done);
			expect_equal(sample.lost, 0);
			floe_release(sub, &sample);
			if (pub)
				publish(pub, 8, done);
		}
	}
	expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
	place_end(&seat.place);
}

static void answer(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber("ping", NULL);
	struct floe_publisher *pub = publisher("pong", NULL);

	tell(wire, 1);
	alternate(pub, sub, *(uint32_t *)argument);
	hear(wire);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void expect_no_lost_wake_up(uint32_t flags)
{
	struct peer peer = peer_start(answer, &flags);
	struct floe_publisher *pub = publisher("ping", NULL);
	struct floe_subscriber *sub = subscriber("pong", NULL);

	hear(peer.wire);
	publish(pub, 8, 0);
	alternate(pub, sub, flags);
	tell(peer.wire, 1);
	peer_end(&peer);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void no_wake_up_is_lost(void)
{
	need_rings();
	expect_no_lost_wake_up(0);
	expect_no_lost_wake_up(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
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
	expect_equal(next_source(&seat.ring, 60000, &result), TOPIC);
	expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
	place_end(&seat.place);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(each_source_is_told_of_when_it_has_something),
		TEST(no_wake_up_is_lost),
		TEST(what_cannot_be_waited_for_completes_at_once),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
