/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A child made by fork while another thread was inside a call has its locks made anew. The thread that
 * forks stands for that one: it does so in the middle of the call, and goes on when the child has ended.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <floe/inspect.h>

#include "api/handle.h"
#include "frame/frame.h"
#include "frame/sanitized.h"
#include "os/os.h"
#include "registry/lent_memory.h"

#define FILE_OF_PARENT 7
#define FILE_OF_CHILD 8

static struct os table;
static unsigned char block[64];
static int forks;

/* live: 0, all went well */
static void fork_once(int (*live)(void))
{
	int status;
	pid_t child;

	os = &os_real;
	child = fork();
	expect(child >= 0);
	if (child == 0)
		_exit(live());
	expect_equal(waitpid(child, &status, 0), child);
	expect_equal(status, 0);
	forks++;
}

static void begin(void)
{
#ifdef SANITIZED
	skip("a sanitizer has its own thoughts about who forks with a lock");
#endif
	table = os_real;
	forks = 0;
}

/*
 * Blocks of the program
 */

/* Its own is there, its parent's is not. */
static int lend_in_child(void)
{
	if (lent_memory_add(FILE_OF_CHILD, block, sizeof(block)) != 0)
		return 1;
	if (lent_memory_hold(FILE_OF_PARENT) || !lent_memory_hold(FILE_OF_CHILD))
		return 2;
	lent_memory_release(FILE_OF_CHILD);
	lent_memory_remove(FILE_OF_CHILD);
	return 0;
}

static int32_t fork_and_get_pid(void)
{
	fork_once(lend_in_child);
	return os_real.get_pid();
}

static void a_child_lends_blocks_whoever_was_at_the_table(void)
{
	struct floe_publisher *pub;

	begin();
	expect_equal(floe_publisher_open(&pub, "t", NULL), 0);
	table.get_pid = fork_and_get_pid;
	os = &table;
	expect_equal(lent_memory_add(FILE_OF_PARENT, block, sizeof(block)), 0);
	expect_equal(forks, 1);
	expect(lent_memory_hold(FILE_OF_PARENT));
	lent_memory_release(FILE_OF_PARENT);
	lent_memory_remove(FILE_OF_PARENT);
	floe_publisher_close(pub);
}

/* A process that only looks on has no node. */
static void a_child_of_who_looks_on_lends_blocks_as_well(void)
{
	struct floe_view *view;

	begin();
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	table.get_pid = fork_and_get_pid;
	os = &table;
	expect_equal(lent_memory_add(FILE_OF_PARENT, block, sizeof(block)), 0);
	expect_equal(forks, 1);
	lent_memory_remove(FILE_OF_PARENT);
	floe_view_close(view);
}

/*
 * Handles
 */

static int view_in_child(void)
{
	struct floe_view *view;

	if (floe_view_open(&view, NULL, NULL, NULL) != 0)
		return 1;
	if (floe_view_topics(view, NULL, 0, 0) != 0)
		return 2;
	floe_view_close(view);
	return 0;
}

static int fork_and_advise(void *address, size_t size, int advice)
{
	fork_once(view_in_child);
	return os_real.advise(address, size, advice);
}

static void a_child_opens_handles_whoever_was_about_to_open_the_first(void)
{
	struct floe_view *view;

	begin();
	table.advise = fork_and_advise;
	os = &table;
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(forks, 1);
	floe_view_close(view);
}

static struct floe_view *of_parent;

static int refuse_in_child(void)
{
	if (floe_view_topics(of_parent, NULL, 0, 0) != -EINVAL || floe_view_path(of_parent) != NULL)
		return 1;
	floe_view_close(of_parent);
	return view_in_child();
}

static int wipe_nothing(void *address, size_t size, int advice)
{
	return advice == MADV_WIPEONFORK ? -EINVAL : os_real.advise(address, size, advice);
}

static void handles_are_refused_where_the_kernel_does_not_wipe_them(void)
{
	begin();
	table.advise = wipe_nothing;
	os = &table;
	expect_equal(floe_view_open(&of_parent, NULL, NULL, NULL), 0);
	fork_once(refuse_in_child);
	expect_equal(floe_view_topics(of_parent, NULL, 0, 0), 0);
	floe_view_close(of_parent);
}

/* As many as any process, and one of the parent's is none as long as there is another place. */
static int open_all_in_child(void)
{
	void *handle;

	for (int i = 0; i < HANDLES_MAX; i++)
		if (handle_open(&handle, HANDLE_VIEW, block) != 0 ||
		    (handle == (void *)of_parent) != (i == HANDLES_MAX - 1))
			return 1;
	return handle_open(&handle, HANDLE_VIEW, block) != -EMFILE;
}

static void a_child_has_all_places_and_uses_its_parents_last(void)
{
	begin();
	expect_equal(floe_view_open(&of_parent, NULL, NULL, NULL), 0);
	fork_once(open_all_in_child);
	floe_view_close(of_parent);
}

/*
 * The guard
 */

static int install_in_child(void)
{
	return floe_guard_install();
}

static int fork_and_set_action(int number, const struct sigaction *action,
			       struct sigaction *ret_before)
{
	fork_once(install_in_child);
	return os_real.set_action(number, action, ret_before);
}

static void a_child_installs_the_guard_whoever_was_about_to(void)
{
	begin();
	table.set_action = fork_and_set_action;
	os = &table;
	expect_equal(floe_guard_install(), 0);
	expect_equal(forks, 1);
}

/*
 * Places of subscribers
 */

static int join_in_child(void)
{
	struct floe_subscriber *sub;

	if (floe_subscriber_open(&sub, "t", NULL) != 0)
		return 1;
	floe_subscriber_close(sub);
	return 0;
}

static int fork_and_link(int fd, int dir, const char *name)
{
	if (!strncmp(name, "sub.", 4))
		fork_once(join_in_child);
	return os_real.link_fd(fd, dir, name);
}

static void a_child_joins_whoever_was_about_to(void)
{
	struct floe_subscriber *sub;

	begin();
	table.link_fd = fork_and_link;
	os = &table;
	expect_equal(floe_subscriber_open(&sub, "t", NULL), 0);
	expect_equal(forks, 1);
	floe_subscriber_close(sub);
}

/*
 * Nodes, omens
 */

static int fork_and_link_first(int fd, int dir, const char *name)
{
	fork_once(join_in_child);
	return os_real.link_fd(fd, dir, name);
}

static int fork_and_unlink(int dir, const char *name)
{
	if (strstr(name, "/nodes/"))
		fork_once(join_in_child);
	return os_real.unlink(dir, name);
}

static void a_child_has_a_node_whoever_makes_or_removes_one(void)
{
	struct floe_subscriber *sub;

	begin();
	table.link_fd = fork_and_link_first;
	os = &table;
	expect_equal(floe_subscriber_open(&sub, "t", NULL), 0);
	expect_equal(forks, 1);
	table = os_real;
	table.unlink = fork_and_unlink;
	os = &table;
	floe_subscriber_close(sub);
	expect_equal(forks, 2);
}

static int fork_and_map_over(void *memory, size_t size, int protection, int flags, int fd,
			     uint64_t offset)
{
	fork_once(join_in_child);
	return os_real.map_over(memory, size, protection, flags, fd, offset);
}

static void a_child_has_an_omen_whoever_begins_one(void)
{
	struct floe_subscriber *sub;

	begin();
	table.map_over = fork_and_map_over;
	os = &table;
	expect_equal(floe_subscriber_open(&sub, "t", NULL), 0);
	expect_equal(forks, 1);
	floe_subscriber_close(sub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_child_lends_blocks_whoever_was_at_the_table),
		TEST(a_child_of_who_looks_on_lends_blocks_as_well),
		TEST(a_child_opens_handles_whoever_was_about_to_open_the_first),
		TEST(handles_are_refused_where_the_kernel_does_not_wipe_them),
		TEST(a_child_has_all_places_and_uses_its_parents_last),
		TEST(a_child_installs_the_guard_whoever_was_about_to),
		TEST(a_child_joins_whoever_was_about_to),
		TEST(a_child_has_a_node_whoever_makes_or_removes_one),
		TEST(a_child_has_an_omen_whoever_begins_one),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
