/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Process numbers are used again. In a PID namespace of its own the test gives the number of the
 * dead to somebody else, who lives: the dead stay dead, and the living are not taken for them.
 */

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <floe/inspect.h>

#include "api/peer.h"
#include "api/steps.h"

#define NUMBER 77
#define CHUNK 1000
#define MILLISECONDS ((int64_t)1000000)
#define PATIENCE_NS ((int64_t)60000000000)

/*
 * A world with numbers of its own
 */

/* The next process that is made here gets this number (Linux 3.3, CONFIG_CHECKPOINT_RESTORE). */
static bool choose_number(pid_t number)
{
	char text[16];
	int size = snprintf(text, sizeof(text), "%d", number - 1);
	int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
	bool chosen = fd >= 0 && write(fd, text, (size_t)size) == size;

	if (fd >= 0)
		close(fd);
	return chosen;
}

static struct peer start(void (*life)(int wire, void *argument), void *argument)
{
	struct peer peer;

	expect(choose_number(NUMBER));
	peer = peer_start(life, argument);
	expect_equal(peer.pid, NUMBER);
	(void)hear(peer.wire);
	return peer;
}

/* So that the numbers in /proc are those of this world. */
static bool mount_numbers(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("proc", "/proc", "proc", 0, NULL) == 0;
}

static _Noreturn void play_as_first(void (*play)(void))
{
	if (!mount_numbers() || !choose_number(NUMBER))
		_exit(FRAME_SKIPPED);
	play();
	(void)fflush(stdout);
	_exit(0);
}

static int wait_for(pid_t pid)
{
	int status;

	expect(pid > 0);
	expect_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Who has made such a world can start nothing any more when its first process has ended, so that is
 * not the test itself: a leak checker starts something in the end. */
static _Noreturn void make_world(void (*play)(void))
{
	pid_t pid;

	if (unshare(CLONE_NEWPID) < 0)
		_exit(FRAME_SKIPPED);
	pid = fork();
	if (pid == 0)
		play_as_first(play);
	_exit(wait_for(pid));
}

/* `play` runs as the first process of a namespace: whatever it leaves running ends with it. */
static void in_a_world_of_its_own(void (*play)(void))
{
	int result;
	pid_t pid;

	if (geteuid() != 0)
		skip("only root makes a PID namespace and chooses numbers in it");
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		make_world(play);
	result = wait_for(pid);
	if (result == FRAME_SKIPPED)
		skip("no PID namespace, no /proc, or no choice of numbers here (ns_last_pid)");
	expect_equal(result, 0);
}

/*
 * Those who live with that number
 */

static void live_without_floe(int wire, void *argument)
{
	(void)argument;
	tell(wire, 1);
	(void)hear(wire);
}

static void subscribe(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber(
		"t", SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE, .history = 1));

	(void)argument;
	tell(wire, 1);
	(void)hear(wire);
	floe_subscriber_close(sub);
}

static void publish_from_block(int wire, void *block)
{
	const struct floe_publisher_options *options = PUBLISHER(.payload_max = CHUNK);
	struct floe_publisher_options with = *options;
	struct floe_publisher *pub;

	with.memory = block;
	with.memory_size = (size_t)floe_publisher_memory_size(options);
	pub = publisher("t", &with);
	publish(pub, CHUNK, 7);
	tell(wire, 1);
	(void)hear(wire);
	floe_publisher_close(pub);
}

/* How many nodes there are, and how many of them live. */
static size_t count_nodes(size_t *ret_alive)
{
	struct floe_node_info node[8];
	struct floe_view *view;
	int count;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	count = floe_view_nodes(view, node, sizeof(node[0]), COUNT(node));
	expect(count >= 0 && count <= (int)COUNT(node));
	*ret_alive = 0;
	for (int i = 0; i < count; i++)
		*ret_alive += node[i].state == FLOE_STATE_ALIVE;
	floe_view_close(view);
	return (size_t)count;
}

static int clean(void)
{
	struct floe_view *view;
	int r;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	r = floe_view_clean(view, 0, NULL, NULL);
	floe_view_close(view);
	return r;
}

static struct floe_publisher *block(void)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 2));

	while (try_publish(pub, CHUNK, 1) == 1)
		;
	return pub;
}

/*
 * Tests
 */

static void wait_for_a_dead_one(void)
{
	struct peer dead = start(subscribe, NULL), other;
	struct floe_publisher *pub = block();
	size_t alive;

	peer_kill(&dead);
	other = start(live_without_floe, NULL);
	expect_equal(floe_publisher_wait(pub, now_ns() + PATIENCE_NS), 1);
	publish(pub, CHUNK, 2);
	(void)clean();
	expect_equal(count_nodes(&alive), 1);
	expect_equal(alive, 1);
	tell(other.wire, 1);
	peer_end(&other);
	floe_publisher_close(pub);
}

static void who_is_dead_stays_dead_when_its_number_is_used_again(void)
{
	in_a_world_of_its_own(wait_for_a_dead_one);
}

/* Who has seen a process with this number die waits for the next one. */
static void wait_for_its_namesake(void)
{
	struct peer dead = start(subscribe, NULL), other;
	struct floe_publisher *pub = block();
	size_t alive;

	peer_kill(&dead);
	expect_equal(floe_publisher_wait(pub, now_ns() + PATIENCE_NS), 1);
	other = start(subscribe, NULL);
	while (try_publish(pub, CHUNK, 1) == 1)
		;
	(void)clean();
	expect_equal(count_nodes(&alive), 2);
	expect_equal(alive, 2);
	expect_equal(floe_publisher_wait(pub, now_ns() + 20 * MILLISECONDS), 0);
	expect_equal(try_publish(pub, CHUNK, 2), 0);
	tell(other.wire, 1);
	expect_equal(floe_publisher_wait(pub, now_ns() + PATIENCE_NS), 1);
	peer_end(&other);
	floe_publisher_close(pub);
}

static void who_lives_is_not_taken_for_the_dead_whose_number_it_has(void)
{
	in_a_world_of_its_own(wait_for_its_namesake);
}

/* The block is mapped in both, at the same address: what the dead one sent is still there. */
static void look_for_a_block(void)
{
	size_t size = (size_t)floe_publisher_memory_size(PUBLISHER(.payload_max = CHUNK));
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct floe_subscriber *first, *sub;
	struct peer dead, other;

	expect(memory != MAP_FAILED);
	dead = start(publish_from_block, memory);
	first = subscriber("t", SUBSCRIBER(.history = 1));
	(void)receive(first, CHUNK, 7);
	peer_kill(&dead);
	other = start(live_without_floe, NULL);
	sub = subscriber("t", SUBSCRIBER(.history = 1));
	expect_nothing(sub);
	floe_subscriber_close(sub);
	floe_subscriber_close(first);
	tell(other.wire, 1);
	peer_end(&other);
}

static void nothing_is_read_of_who_has_the_number_of_a_dead_publisher(void)
{
	in_a_world_of_its_own(look_for_a_block);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(who_is_dead_stays_dead_when_its_number_is_used_again),
		TEST(who_lives_is_not_taken_for_the_dead_whose_number_it_has),
		TEST(nothing_is_read_of_who_has_the_number_of_a_dead_publisher),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
