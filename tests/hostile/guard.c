/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files are shortened under those who have them mapped. With the guard they go on and are told; what
 * is not ours goes to the handler that was there before. Without it they end by SIGBUS, which is
 * shown first, so that the rest is worth something.
 */

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <floe/floe.h>

#include "api/folder.h"
#include "api/peer.h"
#include "api/steps.h"

#define TOPIC "t"
#define CHUNK 5000
#define DEPTH 8
#define THREADS 4
#define MILLISECONDS ((int64_t)1000000)

static void shorten(const char *pattern, off_t size)
{
	char path[512];
	glob_t files;

	(void)snprintf(path, sizeof(path), "%s/*/%s", getenv("FLOE_DIR"), pattern);
	expect(glob(path, 0, NULL, &files) != GLOB_ABORTED);
	for (size_t i = 0; i < files.gl_pathc; i++)
		/* Its owner may just have removed it. */
		expect(truncate(files.gl_pathv[i], size) == 0 || errno == ENOENT);
	globfree(&files);
}

static unsigned add_up(const struct floe_sample *sample)
{
	unsigned sum = 0;

	for (size_t i = 0; i < sample->size; i++)
		sum += ((const unsigned char *)sample->data)[i];
	return sum;
}

/* The first call that says so, of a hundred; publishing and taking go on meanwhile. */
static int publish_until_told(struct floe_publisher *pub)
{
	int r = 0;

	for (int i = 0; i < 100 && r >= 0; i++) {
		struct floe_loan loan;

		r = floe_loan(pub, CHUNK, &loan);
		if (r != 1)
			continue;
		memset(loan.data, i, CHUNK);
		r = floe_publish(pub, &loan);
		floe_discard(pub, &loan);
	}
	return r;
}

static int take_until_told(struct floe_subscriber *sub)
{
	int r = 0;

	for (int i = 0; i < 100 && r >= 0; i++) {
		struct floe_sample sample;

		r = floe_take(sub, &sample);
		if (r != 1)
			continue;
		(void)add_up(&sample);
		floe_release(sub, &sample);
	}
	return r;
}

/*
 * Each life is a process of its own; what it returns is its exit status
 */

struct life {
	void (*live)(int wire, void *argument);
};

/* A sanitizer has a handler of its own. */
static void live_without_handlers(int wire, void *argument)
{
	const struct life *life = argument;

	expect(signal(SIGBUS, SIG_DFL) != SIG_ERR);
	life->live(wire, NULL);
}

static int run(void (*live)(int wire, void *argument))
{
	struct life life = {live};
	struct peer peer = peer_start(live_without_handlers, &life);
	int status;

	expect_equal(waitpid(peer.pid, &status, 0), peer.pid);
	close(peer.wire);
	return status;
}

static void lose_a_ring(int wire, void *argument)
{
	struct floe_publisher *pub = publisher(TOPIC, PUBLISHER(.depth = DEPTH));
	struct floe_subscriber *sub = subscriber(TOPIC, NULL);

	(void)wire;
	(void)argument;
	for (uint64_t i = 0; i < 4; i++)
		publish(pub, CHUNK, i);
	shorten("topics/*/pub.*", 0);
	expect_equal(take_until_told(sub), -EPROTO);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void guard_and_lose_a_ring(int wire, void *argument)
{
	expect_equal(floe_guard_install(), 0);
	expect_equal(floe_guard_install(), 0);
	lose_a_ring(wire, argument);
}

static void without_the_guard_it_is_the_end(void)
{
	int status = run(lose_a_ring);

	expect(WIFSIGNALED(status));
	expect_equal(WTERMSIG(status), SIGBUS);
	folder_wipe();
	expect_equal(run(guard_and_lose_a_ring), 0);
}

/*
 * Whose memory it is
 */

static void a_reader_is_told_and_others_go_on(void)
{
	struct floe_publisher *other = publisher("other", NULL);
	struct floe_subscriber *reader = subscriber("other", NULL);
	struct floe_publisher *pub = publisher(TOPIC, PUBLISHER(.depth = DEPTH));
	struct floe_subscriber *sub = subscriber(TOPIC, NULL);
	struct floe_sample held;

	expect_equal(floe_guard_install(), 0);
	publish(pub, CHUNK, 1);
	publish(pub, CHUNK, 2);
	held = take(sub, CHUNK, 1);
	shorten("topics/" TOPIC "/pub.*", 0);
	/* What is held can still be read, whatever it says. */
	(void)add_up(&held);
	expect_equal(take_until_told(sub), -EPROTO);
	expect_equal(publish_until_told(pub), -EPROTO);
	expect_equal(floe_publisher_wait(pub, 0), -EPROTO);
	/* The subscriber has lost a publisher, not itself. */
	floe_release(sub, &held);
	expect_equal(floe_wait(sub, now_ns() + MILLISECONDS), 0);
	publish(other, CHUNK, 3);
	receive(reader, CHUNK, 3);
	floe_publisher_close(pub);
	pub = publisher(TOPIC, PUBLISHER(.depth = DEPTH));
	publish(pub, CHUNK, 4);
	receive(sub, CHUNK, 4);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	floe_subscriber_close(reader);
	floe_publisher_close(other);
}

static void subscribe_and_stay(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber(TOPIC, SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE));

	(void)argument;
	tell(wire, 1);
	(void)hear(wire);
	floe_subscriber_close(sub);
}

/* The node of a peer: its holds and cursors are gone, so it is not waited for. */
static void a_publisher_does_without_a_subscriber_that_lost_its_node(void)
{
	struct peer peer = peer_start(subscribe_and_stay, NULL);
	struct floe_publisher *pub;

	expect_equal(floe_guard_install(), 0);
	(void)hear(peer.wire);
	shorten("topics/*/sub.0", 0);
	pub = publisher("far", NULL);
	floe_publisher_close(pub);
	peer_kill(&peer);
	peer = peer_start(subscribe_and_stay, NULL);
	(void)hear(peer.wire);
	pub = publisher(TOPIC, PUBLISHER(.depth = DEPTH));
	for (int i = 0; i < DEPTH; i++)
		publish(pub, CHUNK, 1);
	expect_equal(try_publish(pub, CHUNK, 1), 0);
	shorten("topics/*/sub.*", 0);
	publish(pub, CHUNK, 1);
	for (int i = 0; i < 3 * DEPTH; i++)
		publish(pub, CHUNK, 1);
	peer_kill(&peer);
	floe_publisher_close(pub);
}

static void who_lost_its_own_node_is_told(void)
{
	struct floe_subscriber *sub = subscriber(TOPIC, NULL);
	struct floe_publisher *pub = publisher(TOPIC, PUBLISHER(.depth = DEPTH));

	expect_equal(floe_guard_install(), 0);
	publish(pub, CHUNK, 1);
	shorten("nodes/*", 0);
	for (int i = 0; i < 3; i++)
		publish(pub, CHUNK, 1);
	expect_equal(take_until_told(sub), -EPROTO);
	expect_equal(take_until_told(sub), -EPROTO);
	expect_equal(floe_wait(sub, 0), -EPROTO);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void who_lost_the_topic_is_told(void)
{
	struct floe_subscriber *sub = subscriber(TOPIC, NULL);
	struct floe_publisher *pub = publisher(TOPIC, NULL);

	expect_equal(floe_guard_install(), 0);
	shorten("topics/*/topic", 0);
	expect_equal(take_until_told(sub), -EPROTO);
	expect_equal(publish_until_told(pub), -EPROTO);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static pthread_barrier_t all_have_one;

static void *take_in_a_thread(void *topic)
{
	struct floe_subscriber *sub = subscriber(topic, SUBSCRIBER(.history = DEPTH));
	struct floe_sample sample = take(sub, CHUNK, 1);

	(void)pthread_barrier_wait(&all_have_one);
	shorten("topics/*/pub.*", 0);
	(void)add_up(&sample);
	floe_release(sub, &sample);
	expect_equal(take_until_told(sub), -EPROTO);
	floe_subscriber_close(sub);
	return NULL;
}

static void threads_lose_memory_at_once(void)
{
	static char topics[THREADS][16];
	struct floe_publisher *pub[THREADS];
	pthread_t threads[THREADS];

	expect_equal(floe_guard_install(), 0);
	expect_equal(pthread_barrier_init(&all_have_one, NULL, THREADS), 0);
	for (int i = 0; i < THREADS; i++) {
		(void)snprintf(topics[i], sizeof(topics[i]), "t%d", i);
		pub[i] = publisher(topics[i], PUBLISHER(.depth = DEPTH));
		publish(pub[i], CHUNK, 1);
		publish(pub[i], CHUNK, 1);
		expect_equal(pthread_create(&threads[i], NULL, take_in_a_thread, topics[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		expect_equal(pthread_join(threads[i], NULL), 0);
		floe_publisher_close(pub[i]);
	}
}

/*
 * What is not ours
 */

static volatile sig_atomic_t passed;
static volatile sig_atomic_t had_info;
static volatile unsigned char *foreign;

static void mend_foreign(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	passed++;
	had_info = info->si_addr == (const volatile void *)foreign;
	(void)mmap((void *)(uintptr_t)foreign, 4096, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void count_only(int number)
{
	(void)number;
	passed++;
}

static void map_a_file_of_nothing(void)
{
	int fd = memfd_create("foreign", MFD_CLOEXEC);

	expect(fd >= 0);
	foreign = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(foreign != (volatile unsigned char *)MAP_FAILED);
	close(fd);
}

static void other_faults_go_to_the_handler_before(void)
{
	struct sigaction theirs = {.sa_sigaction = mend_foreign, .sa_flags = SA_SIGINFO};

	expect_equal(sigaction(SIGBUS, &theirs, NULL), 0);
	expect_equal(floe_guard_install(), 0);
	map_a_file_of_nothing();
	foreign[0] = 1;
	expect_equal(passed, 1);
	expect(had_info);
	lose_a_ring(0, NULL);
	expect_equal(passed, 1);
	expect_equal(munmap((void *)(uintptr_t)foreign, 4096), 0);
}

static void what_others_send_goes_there_too(void)
{
	struct sigaction theirs = {.sa_handler = count_only};

	expect_equal(sigaction(SIGBUS, &theirs, NULL), 0);
	expect_equal(floe_guard_install(), 0);
	expect_equal(raise(SIGBUS), 0);
	expect_equal(passed, 1);
}

static void guard_and_touch_foreign(int wire, void *argument)
{
	(void)wire;
	(void)argument;
	expect_equal(floe_guard_install(), 0);
	map_a_file_of_nothing();
	foreign[0] = 1;
}

static void guard_and_be_sent_one(int wire, void *argument)
{
	(void)wire;
	(void)argument;
	expect_equal(floe_guard_install(), 0);
	expect_equal(raise(SIGBUS), 0);
}

static void without_one_they_end_the_process_as_ever(void)
{
	int status = run(guard_and_touch_foreign);

	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	status = run(guard_and_be_sent_one);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

static void who_is_under_another_handler_says_so(void)
{
	struct sigaction theirs = {.sa_handler = count_only};

	expect_equal(floe_guard_install(), 0);
	expect_equal(sigaction(SIGBUS, &theirs, NULL), 0);
	expect_equal(floe_guard_install(), -EBUSY);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(without_the_guard_it_is_the_end),
		TEST(a_reader_is_told_and_others_go_on),
		TEST(a_publisher_does_without_a_subscriber_that_lost_its_node),
		TEST(who_lost_its_own_node_is_told),
		TEST(who_lost_the_topic_is_told),
		TEST(threads_lose_memory_at_once),
		TEST(other_faults_go_to_the_handler_before),
		TEST(what_others_send_goes_there_too),
		TEST(without_one_they_end_the_process_as_ever),
		TEST(who_is_under_another_handler_says_so),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
