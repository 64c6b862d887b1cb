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

#include <floe/board.h>
#include <floe/event.h>
#include <floe/service.h>

#include "api/folder.h"
#include "api/peer.h"
#include "api/steps.h"
#include "memory/guard.h"

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
 * Boards, events, services
 */

static int write_until_told(struct floe_board_writer *writer)
{
	uint64_t value[16] = {0};
	int r = 0;

	for (int i = 0; i < 100 && r >= 0; i++)
		r = floe_board_write(writer, 0, value, sizeof(value), NULL);
	return r;
}

static int read_until_told(struct floe_board_reader *reader, int key)
{
	uint64_t value[16];
	int r = 0;

	for (int i = 0; i < 100 && r >= 0; i++)
		r = floe_board_read(reader, key, value, sizeof(value), NULL);
	return r;
}

static void who_has_a_board_is_told(void)
{
	static const struct floe_board_key keys[] = {{"k", 128, NULL}};
	struct floe_board_writer_options o = {.size = sizeof(o), .keys = keys, .keys_count = 1};
	struct floe_board_writer *writer;
	struct floe_board_reader *reader;
	struct floe_board_value borrowed = {0};
	int key;

	expect_equal(floe_guard_install(), 0);
	expect_equal(floe_board_writer_open(&writer, TOPIC, &o), 0);
	expect_equal(floe_board_reader_open(&reader, TOPIC, NULL), 0);
	expect_equal(floe_board_write(writer, 0, keys, 8, NULL), -EINVAL);
	expect_equal(floe_board_write(writer, 0, (uint64_t[16]){1}, 128, NULL), 0);
	key = floe_board_find(reader, "k", NULL, NULL);
	expect(key >= 0);
	expect_equal(floe_board_borrow(reader, key, &borrowed), 1);
	shorten("topics/*/board.*", 0);
	(void)*(const volatile uint64_t *)borrowed.data;
	expect(floe_board_kept(reader, key, &borrowed) <= 0);
	expect_equal(read_until_told(reader, key), -ENOENT);
	expect_equal(write_until_told(writer), -EPROTO);
	floe_board_reader_close(reader);
	floe_board_writer_close(writer);
}

static int notify_until_told(struct floe_notifier *notifier)
{
	int r = 0;

	for (int i = 0; i < 100 && r >= 0; i++)
		r = floe_notify(notifier, 3);
	return r;
}

static int hear_until_told(struct floe_listener *listener)
{
	struct floe_event event;
	int r = 0;

	for (int i = 0; i < 1000 && r >= 0; i++)
		r = floe_listener_take(listener, &event);
	return r;
}

static void who_has_an_event_is_told(void)
{
	struct floe_notifier_options o = {.size = sizeof(o), .ids = 1000};
	struct floe_notifier *notifier;
	struct floe_listener *listener;

	expect_equal(floe_guard_install(), 0);
	expect_equal(floe_notifier_open(&notifier, TOPIC, &o), 0);
	expect_equal(floe_listener_open(&listener, TOPIC, NULL), 0);
	expect(floe_notify(notifier, 3) >= 0);
	shorten("topics/*/event.*", 0);
	expect_equal(hear_until_told(listener), -EPROTO);
	expect_equal(notify_until_told(notifier), -EPROTO);
	floe_listener_close(listener);
	floe_notifier_close(notifier);
}

static void ask_and_answer(struct floe_client *client, struct floe_server *server)
{
	struct floe_response response = {0};
	struct floe_request request = {0};
	struct floe_loan loan = {0};

	if (floe_client_loan(client, CHUNK, &loan) == 1) {
		memset(loan.data, 1, loan.size);
		(void)floe_client_send(client, &loan, now_ns() + MILLISECONDS, NULL);
		floe_client_discard(client, &loan);
	}
	if (floe_server_take(server, &request) == 1) {
		if (floe_server_loan(server, &request, CHUNK, &loan) == 1) {
			memset(loan.data, 2, loan.size);
			(void)floe_server_send(server, &request, &loan, 0);
		}
		if (request.data)
			(void)floe_server_end(server, &request, 0);
	}
	while (floe_client_take(client, &response) == 1)
		floe_client_release(client, &response);
}

/* Whatever it is that is cut off, each call comes back, and who comes then is answered. */
static void lose_of_a_service(const char *files)
{
	struct floe_client_options c = {.size = sizeof(c), .payload_max = CHUNK, .spin_ns = 1};
	struct floe_server_options s = {.size = sizeof(s), .payload_max = CHUNK, .spin_ns = 1};
	struct floe_client_counts counts;
	struct floe_client *client;
	struct floe_server *server;

	expect_equal(floe_server_open(&server, TOPIC, &s), 0);
	expect_equal(floe_client_open(&client, TOPIC, &c), 0);
	for (int i = 0; i < 4; i++)
		ask_and_answer(client, server);
	expect_equal(floe_client_count(client, &counts, sizeof(counts)), 0);
	expect_equal(counts.responses, 4);
	shorten(files, 0);
	for (int i = 0; i < 20; i++)
		ask_and_answer(client, server);
	(void)floe_client_wait(client, now_ns() + MILLISECONDS);
	(void)floe_server_wait(server, now_ns() + MILLISECONDS);
	floe_client_close(client);
	floe_server_close(server);
}

static void who_asks_and_who_answers_go_on(void)
{
	static const char *const files[] = {
		"topics/" TOPIC "@service/pub.*",
		"topics/" TOPIC "@client*/pub.*",
		"topics/" TOPIC "@server*/pub.*",
		"topics/" TOPIC "@*/topic",
		"nodes/*",
	};

	expect_equal(floe_guard_install(), 0);
	for (size_t i = 0; i < COUNT(files); i++) {
		lose_of_a_service(files[i]);
		folder_wipe();
	}
}

/* A name that is taken away takes nothing from who has the file. */
static void who_has_what_lost_its_name_goes_on(void)
{
	static const struct floe_board_key keys[] = {{"k", 128, NULL}};
	struct floe_board_writer_options o = {.size = sizeof(o), .keys = keys, .keys_count = 1};
	struct floe_notifier *notifier;
	struct floe_listener *listener;
	struct floe_board_writer *writer;
	struct floe_board_reader *reader;
	struct floe_publisher *pub = publisher(TOPIC, NULL);
	struct floe_subscriber *sub = subscriber(TOPIC, NULL);

	expect_equal(floe_notifier_open(&notifier, TOPIC, NULL), 0);
	expect_equal(floe_listener_open(&listener, TOPIC, NULL), 0);
	expect_equal(floe_board_writer_open(&writer, TOPIC, &o), 0);
	expect_equal(floe_board_reader_open(&reader, TOPIC, NULL), 0);
	expect(floe_board_find(reader, "k", NULL, NULL) >= 0);
	publish(pub, CHUNK, 0);
	receive(sub, CHUNK, 0);
	folder_wipe();
	for (uint64_t i = 1; i < 10; i++) {
		uint64_t value[16] = {i}, found[16];
		struct floe_event event;

		publish(pub, CHUNK, i);
		receive(sub, CHUNK, i);
		expect_equal(floe_board_write(writer, 0, value, sizeof(value), NULL), 0);
		expect_equal(floe_board_read(reader, 0, found, sizeof(found), NULL), 1);
		expect_equal(found[0], i);
		expect(floe_notify(notifier, 0) >= 0);
		expect_equal(floe_listener_take(listener, &event), 1);
	}
	floe_board_reader_close(reader);
	floe_board_writer_close(writer);
	floe_listener_close(listener);
	floe_notifier_close(notifier);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/*
 * Guards of mappings that are not there any more
 */

static void touch_what_was_mapped_again(int wire, void *argument)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	int fd = memfd_create("again", MFD_CLOEXEC);
	volatile unsigned char *memory;
	uint32_t stale, guard;

	(void)wire;
	(void)argument;
	expect(fd >= 0);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(memory != MAP_FAILED);
	stale = guard_add((const void *)memory, size);
	guard = guard_add((const void *)memory, size);
	expect(stale && guard);
	expect_equal(floe_guard_install(), 0);
	expect_equal(memory[0], 0xff);
	expect(guard_is_broken(guard));
	guard_remove(guard);
	guard_remove(stale);
	(void)munmap((void *)(uintptr_t)memory, size);
	close(fd);
}

/* A child has guards of its parent's topics, which are not mapped in it. */
static void a_stale_guard_does_not_hide_another(void)
{
	expect_equal(run(touch_what_was_mapped_again), 0);
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

/* Where the file of this process's node is mapped; its omen is mapped once more, alone. */
static void *find_node(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long begin = 0, end = 0;
	char line[1024];

	expect(maps);
	while (end - begin <= 4096 && fgets(line, sizeof(line), maps))
		if (!strstr(line, "/nodes/") || sscanf(line, "%lx-%lx", &begin, &end) != 2)
			begin = end = 0;
	(void)fclose(maps);
	expect(end - begin > 4096);
	return (void *)begin;
}

/* What a parent had there is no mapping of the child's. */
static void fork_and_lose_what_is_mine(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber(TOPIC, NULL);
	void *node = find_node();
	int fd = memfd_create("mine", MFD_CLOEXEC), status;
	volatile unsigned char *mine;
	pid_t child;

	(void)wire;
	(void)argument;
	expect(fd >= 0);
	expect_equal(floe_guard_install(), 0);
	child = fork();
	expect(child >= 0);
	if (child == 0) {
		mine = mmap(node, 4096, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
		_exit(mine == node ? mine[0] : 1);
	}
	expect_equal(waitpid(child, &status, 0), child);
	close(fd);
	floe_subscriber_close(sub);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

static void a_child_has_nothing_of_its_parent_under_guard(void)
{
	expect_equal(run(fork_and_lose_what_is_mine), 0);
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
		TEST(who_has_a_board_is_told),
		TEST(who_has_an_event_is_told),
		TEST(who_asks_and_who_answers_go_on),
		TEST(who_has_what_lost_its_name_goes_on),
		TEST(a_stale_guard_does_not_hide_another),
		TEST(other_faults_go_to_the_handler_before),
		TEST(what_others_send_goes_there_too),
		TEST(without_one_they_end_the_process_as_ever),
		TEST(a_child_has_nothing_of_its_parent_under_guard),
		TEST(who_is_under_another_handler_says_so),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
