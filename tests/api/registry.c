/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who is in a domain, who may be, and what the dead leave: files that come and go, names, types,
 * users, limits, adoption.
 */

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <floe/inspect.h>

#include "folder.h"
#include "peer.h"
#include "steps.h"

#define CHUNK 1000
#define NOBODY 65534

static struct folder before, after;

/*
 * Files come and go
 */

static void the_last_close_leaves_nothing(void)
{
	struct floe_publisher *pub;
	struct floe_subscriber *sub;

	expect_folder_empty();
	for (int round = 0; round < 4; round++) {
		pub = publisher("a", NULL);
		sub = subscriber("a", NULL);
		publish(pub, CHUNK, 1);
		receive(sub, CHUNK, 1);
		expect(folder_count_files() > 0);
		if (round % 2)
			floe_publisher_close(pub);
		floe_subscriber_close(sub);
		if (round % 2 == 0)
			floe_publisher_close(pub);
		expect_folder_empty();
	}
}

static void a_folder_that_does_not_exist_is_made(void)
{
	char dir[512];

	snprintf(dir, sizeof(dir), "%s/made", getenv("FLOE_DIR"));
	for (int round = 0; round < 2; round++) {
		struct floe_publisher *pub = publisher("a", PUBLISHER(.dir = dir));
		struct floe_subscriber *sub = subscriber("a", SUBSCRIBER(.dir = dir));

		expect_equal(access(dir, F_OK), 0);
		publish(pub, CHUNK, 1);
		receive(sub, CHUNK, 1);
		floe_subscriber_close(sub);
		floe_publisher_close(pub);
		expect_equal(folder_count_files(), 0);
	}
}

static void files_of_others_in_the_folder_are_left_alone(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/mine", getenv("FLOE_DIR"));
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	expect_equal(try_publisher("a", NULL, NULL), 0);
	expect_equal(try_subscriber("a", NULL, NULL), 0);
	expect_equal(access(path, F_OK), 0);
	unlink(path);
	expect_folder_empty();
}

static void a_closed_publisher_leaves_while_its_subscriber_reads(void)
{
	struct floe_publisher *pub = publisher("a", NULL);
	struct floe_subscriber *sub = subscriber("a", NULL);

	for (uint64_t i = 0; i < 5; i++)
		publish(pub, CHUNK, i);
	floe_publisher_close(pub);
	for (uint64_t i = 0; i < 5; i++)
		receive(sub, CHUNK, i);
	floe_subscriber_close(sub);
	expect_folder_empty();
}

static void domains_do_not_mix(void)
{
	struct floe_publisher *pub = publisher("a", PUBLISHER(.domain = "one"));
	struct floe_subscriber *same = subscriber("a", SUBSCRIBER(.domain = "one"));
	struct floe_subscriber *other = subscriber("a", SUBSCRIBER(.domain = "two"));

	publish(pub, CHUNK, 1);
	receive(same, CHUNK, 1);
	expect_nothing(other);

	floe_subscriber_close(other);
	floe_subscriber_close(same);
	floe_publisher_close(pub);
	expect_folder_empty();
}

static void the_domain_comes_from_the_environment_or_the_options(void)
{
	struct floe_publisher *pub = publisher("a", NULL);
	struct floe_subscriber *named = subscriber("a", SUBSCRIBER(.domain = "test"));
	struct floe_subscriber *other;

	setenv("FLOE_DOMAIN", "elsewhere", 1);
	other = subscriber("a", NULL);
	publish(pub, CHUNK, 1);
	receive(named, CHUNK, 1);
	expect_nothing(other);

	floe_subscriber_close(other);
	floe_subscriber_close(named);
	floe_publisher_close(pub);
}

static void the_domain_is_default_without_environment(void)
{
	struct floe_publisher *pub;
	struct floe_subscriber *sub;

	unsetenv("FLOE_DOMAIN");
	pub = publisher("a", NULL);
	sub = subscriber("a", SUBSCRIBER(.domain = "default"));
	publish(pub, CHUNK, 1);
	receive(sub, CHUNK, 1);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void the_folder_in_the_options_wins(void)
{
	const char *dir = getenv("FLOE_DIR");
	struct floe_publisher *pub = publisher("a", NULL);
	struct floe_subscriber *sub;

	setenv("FLOE_DIR", "/nowhere", 1);
	sub = subscriber("a", SUBSCRIBER(.dir = dir));
	publish(pub, CHUNK, 1);
	receive(sub, CHUNK, 1);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_folder_that_cannot_be_made_is_told(void)
{
	const struct floe_publisher_options *in_proc = PUBLISHER(.dir = "/proc/nowhere");

	expect(try_publisher("a", in_proc, "/proc/nowhere") < 0);
	expect(try_subscriber("a", SUBSCRIBER(.dir = "/proc/nowhere"), "/proc/nowhere") < 0);
}

/*
 * Types
 */

static const struct floe_type image = {"image", 64, 64, 0x1234, NULL};

static void expect_types_differ(const struct floe_type *type, const char *word)
{
	expect_equal(try_publisher("a", PUBLISHER(.type = type), word), -EPROTOTYPE);
	expect_equal(try_subscriber("a", SUBSCRIBER(.type = type), word), -EPROTOTYPE);
}

static void expect_image_is_guarded(void)
{
	expect_types_differ(&(struct floe_type){"sound", 64, 64, 0x1234, NULL}, "image");
	expect_types_differ(&(struct floe_type){"sound", 64, 64, 0x1234, NULL}, "sound");
	expect_types_differ(&(struct floe_type){"image", 128, 64, 0x1234, NULL}, "64");
	expect_types_differ(&(struct floe_type){"image", 128, 64, 0x1234, NULL}, "128");
	expect_types_differ(&(struct floe_type){"image", 64, 32, 0x1234, NULL}, "32");
	expect_types_differ(&(struct floe_type){"image", 64, 64, 0x4321, NULL}, "1234");
	expect_types_differ(&(struct floe_type){"image", 64, 64, 0x4321, NULL}, "4321");
	expect_equal(try_publisher("a", PUBLISHER(.type = &image), NULL), 0);
	expect_equal(try_subscriber("a", SUBSCRIBER(.type = &image), NULL), 0);
}

static void a_publisher_with_a_type_guards_the_topic(void)
{
	struct floe_publisher *pub = publisher("a", PUBLISHER(.type = &image));

	expect_image_is_guarded();
	floe_publisher_close(pub);
}

static void a_subscriber_with_a_type_guards_the_topic(void)
{
	struct floe_subscriber *sub = subscriber("a", SUBSCRIBER(.type = &image));

	expect_image_is_guarded();
	floe_subscriber_close(sub);
}

static void who_names_no_type_agrees_with_everybody(void)
{
	struct floe_publisher *typed = publisher("a", PUBLISHER(.type = &image));
	struct floe_publisher *plain = publisher("a", NULL);
	struct floe_subscriber *sub = subscriber("a", NULL);

	publish(typed, 64, 1);
	publish(plain, CHUNK, 2);
	expect_equal(subscriber_counts(sub).publishers, 2);
	floe_subscriber_close(sub);
	floe_publisher_close(plain);
	floe_publisher_close(typed);
}

static void a_type_that_nobody_uses_any_more_does_not_guard(void)
{
	floe_publisher_close(publisher("a", PUBLISHER(.type = &image)));
	expect_equal(
		try_publisher("a", PUBLISHER(.type = &(struct floe_type){.name = "sound"}), NULL),
		0);
}

/*
 * Permissions
 */

/* Another user joins and says what came of it. */
struct visitor {
	int joined; /* result of floe_subscriber_open */
	int taken;  /* result of floe_take: 1, or the first error */
};

static void visit(int wire, void *argument)
{
	struct floe_error error = {""};
	struct floe_subscriber *sub = NULL;
	struct floe_sample sample;
	int r;

	(void)argument;
	expect_equal(setgid(NOBODY), 0);
	expect_equal(setuid(NOBODY), 0);
	r = floe_subscriber_open(&sub, "a", SUBSCRIBER(.history = 1, .error = &error));
	expect(r == 0 || strlen(error.text) > 10);
	tell(wire, (uint64_t)(int64_t)r);
	tell(wire, (uint64_t)(int64_t)(r < 0 ? r : floe_take(sub, &sample)));
	floe_subscriber_close(sub);
}

/* An open folder for everybody, as /tmp is. */
static void open_folder_to_all(void)
{
	if (geteuid() != 0)
		skip("only root can become another user");
	expect_equal(chmod(getenv("FLOE_DIR"), 01777), 0);
}

static struct visitor send_visitor(void)
{
	struct peer peer = peer_start(visit, NULL);
	struct visitor visitor;

	visitor.joined = (int)hear(peer.wire);
	visitor.taken = (int)hear(peer.wire);
	peer_end(&peer);
	return visitor;
}

static void another_user_reads_what_the_mode_allows(void)
{
	struct floe_publisher *pub;
	struct visitor visitor;

	open_folder_to_all();
	pub = publisher("a", PUBLISHER(.mode = 0644));
	publish(pub, CHUNK, 1);
	visitor = send_visitor();
	expect_equal(visitor.joined, 0);
	expect_equal(visitor.taken, 1);
	floe_publisher_close(pub);
}

static void another_user_does_not_read_what_the_mode_forbids(void)
{
	struct floe_publisher *pub;

	open_folder_to_all();
	pub = publisher("a", NULL);
	publish(pub, CHUNK, 1);
	expect_equal(send_visitor().taken, -EACCES);
	floe_publisher_close(pub);
}

static void the_mode_gives_nobody_else_the_right_to_write(void)
{
	struct floe_publisher *pub;

	folder_list(&before);
	pub = publisher("a", PUBLISHER(.mode = 0666));
	publish(pub, CHUNK, 1);
	folder_list(&after);
	for (size_t i = 0; i < after.count; i++)
		if (!strcmp(after.entry[i].path, folder_new_file(&before, &after)))
			expect_equal(after.entry[i].mode & 0777, 0644);
	floe_publisher_close(pub);
}

/*
 * Memory that others own is read-only
 */

static void sleep_with_a_publisher(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("a", NULL);

	(void)argument;
	publish(pub, CHUNK, 1);
	tell(wire, 1);
	hear(wire);
	floe_publisher_close(pub);
}

static void write_a_byte(int wire, void *sample_data)
{
	(void)wire;
	/* A sanitizer would report it as its own find. */
	signal(SIGSEGV, SIG_DFL);
	*(volatile char *)sample_data = 1;
}

static void what_was_taken_cannot_be_written(void)
{
	struct peer owner = peer_start(sleep_with_a_publisher, NULL), writer;
	struct floe_subscriber *sub;
	struct floe_sample sample;
	void *page;
	int status;

	hear(owner.wire);
	sub = subscriber("a", SUBSCRIBER(.history = 1));
	sample = take(sub, CHUNK, 1);

	writer = peer_start(write_a_byte, (void *)(uintptr_t)sample.data);
	close(writer.wire);
	expect_equal(waitpid(writer.pid, &status, 0), writer.pid);
	expect(WIFSIGNALED(status));
	expect_equal(WTERMSIG(status), SIGSEGV);

	/* Nor can it be made writable: the descriptor behind it was opened for reading. */
	page = (void *)((uintptr_t)sample.data & ~(uintptr_t)(sysconf(_SC_PAGESIZE) - 1));
	expect(mprotect(page, 1, PROT_READ | PROT_WRITE) < 0);
	expect_equal(errno, EACCES);
	expect(is_filled(sample.data, CHUNK, 1));

	floe_subscriber_close(sub);
	tell(owner.wire, 1);
	peer_end(&owner);
}

/*
 * What the dead leave
 */

#define ADOPT(depth_) PUBLISHER(.depth = (depth_), .payload_max = 4096)

/* Publishes what it is told, until it is killed. */
static void publish_on_demand(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("a", ADOPT(8));

	(void)argument;
	tell(wire, 0);
	for (uint64_t i = 1;; i++) {
		hear(wire);
		publish(pub, i % 2 ? CHUNK : 8, i);
		tell(wire, i);
	}
}

static void leave_a_dead_publisher(uint64_t messages)
{
	struct peer peer = peer_start(publish_on_demand, NULL);

	hear(peer.wire);
	for (uint64_t i = 1; i <= messages; i++)
		expect_equal(ask(peer.wire, 1), i);
	peer_kill(&peer);
}

static void what_a_killed_publisher_sent_can_still_be_taken(void)
{
	struct peer peer = peer_start(publish_on_demand, NULL);
	struct floe_subscriber *sub;

	hear(peer.wire);
	sub = subscriber("a", NULL);
	for (uint64_t i = 1; i <= 5; i++)
		ask(peer.wire, 1);
	receive(sub, CHUNK, 1);
	peer_kill(&peer);
	for (uint64_t i = 2; i <= 5; i++)
		expect_equal(receive(sub, i % 2 ? CHUNK : 8, i), i);
	expect_nothing(sub);
	floe_subscriber_close(sub);
}

static void a_late_joiner_gets_the_history_of_the_dead(void)
{
	struct floe_subscriber *sub;

	leave_a_dead_publisher(5);
	sub = subscriber("a", SUBSCRIBER(.history = 3));
	for (uint64_t i = 3; i <= 5; i++)
		expect_equal(receive(sub, i % 2 ? CHUNK : 8, i), i);
	expect_nothing(sub);
	floe_subscriber_close(sub);
}

static void an_adopted_ring_goes_on_with_the_next_sequence(void)
{
	struct floe_publisher *pub;
	struct floe_subscriber *sub;

	leave_a_dead_publisher(5);
	pub = publisher("a", ADOPT(8));
	expect_equal(publisher_counts(pub).published, 5);
	publish(pub, CHUNK, 77);
	sub = subscriber("a", SUBSCRIBER(.history = 3));
	expect_equal(receive(sub, 8, 4), 4);
	expect_equal(receive(sub, CHUNK, 5), 5);
	expect_equal(receive(sub, CHUNK, 77), 6);
	expect_equal(subscriber_counts(sub).publishers, 1);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_folder_empty();
}

static void an_adopter_waits_for_whom_the_dead_publisher_waited(void)
{
	struct peer peer = peer_start(publish_on_demand, NULL);
	struct floe_subscriber *sub;
	struct floe_publisher *pub;

	hear(peer.wire);
	sub = subscriber("a", SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE));
	for (uint64_t i = 1; i <= 3; i++)
		ask(peer.wire, 1);
	peer_kill(&peer);
	pub = publisher("a", ADOPT(8));
	for (uint64_t i = 4; i <= 8; i++)
		publish(pub, CHUNK, i);
	expect_equal(try_publish(pub, CHUNK, 9), 0);
	for (uint64_t i = 1; i <= 8; i++)
		expect_equal(receive(sub, i == 2 ? 8 : CHUNK, i), i);
	expect_equal(subscriber_counts(sub).lost, 0);
	publish(pub, CHUNK, 9);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/* It was there before the first message and has not looked yet: all of them are its own, also
 * those of the dead. */
static void a_reliable_subscriber_that_came_first_is_waited_for_across_a_death(void)
{
	struct floe_subscriber *sub = subscriber("a", SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE));
	struct floe_publisher *pub;

	leave_a_dead_publisher(5);
	pub = publisher("a", ADOPT(8));
	for (uint64_t i = 6; i <= 8; i++)
		publish(pub, CHUNK, i);
	expect_equal(try_publish(pub, CHUNK, 9), 0);
	for (uint64_t i = 1; i <= 8; i++)
		expect_equal(receive(sub, i == 2 || i == 4 ? 8 : CHUNK, i), i);
	expect_equal(subscriber_counts(sub).lost, 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_subscriber_does_not_notice_an_adoption(void)
{
	struct peer peer = peer_start(publish_on_demand, NULL);
	struct floe_subscriber *sub;
	struct floe_publisher *pub;

	hear(peer.wire);
	sub = subscriber("a", NULL);
	ask(peer.wire, 1);
	ask(peer.wire, 1);
	receive(sub, CHUNK, 1);
	peer_kill(&peer);
	pub = publisher("a", ADOPT(8));
	for (uint64_t i = 3; i <= 100; i++) {
		publish(pub, CHUNK, i);
		expect_equal(receive(sub, i == 3 ? 8 : CHUNK, i - 1), i - 1);
	}
	expect_equal(receive(sub, CHUNK, 100), 100);
	expect_equal(subscriber_counts(sub).lost, 0);
	expect_equal(subscriber_counts(sub).publishers, 1);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_folder_empty();
}

/* One sample is still in the ring when its publisher dies, the other one has long left it. */
static void held_samples_outlive_their_publisher_and_its_successor(void)
{
	struct peer peer = peer_start(publish_on_demand, NULL);
	struct floe_subscriber *sub;
	struct floe_sample old, recent;

	hear(peer.wire);
	sub = subscriber("a", SUBSCRIBER(.depth = 1));
	ask(peer.wire, 1);
	old = take(sub, CHUNK, 1);
	for (uint64_t i = 2; i <= 21; i++)
		ask(peer.wire, 1);
	recent = take(sub, CHUNK, 21);
	peer_kill(&peer);
	for (int life = 0; life < 3; life++) {
		struct floe_publisher *pub = publisher("a", ADOPT(8));

		for (uint64_t i = 0; i < 100; i++)
			publish(pub, CHUNK, i);
		expect(is_filled(old.data, CHUNK, 1));
		expect(is_filled(recent.data, CHUNK, 21));
		floe_publisher_close(pub);
	}
	floe_release(sub, &old);
	floe_release(sub, &recent);
	floe_subscriber_close(sub);
	expect_folder_empty();
}

static void a_closed_ring_is_adopted_as_well(void)
{
	struct floe_subscriber *sub = subscriber("a", NULL);
	struct floe_publisher *pub;

	for (uint64_t life = 0; life < 10; life++) {
		pub = publisher("a", ADOPT(8));
		publish(pub, CHUNK, life);
		expect_equal(receive(sub, CHUNK, life), life + 1);
		floe_publisher_close(pub);
	}
	expect_equal(subscriber_counts(sub).publishers, 1);
	floe_subscriber_close(sub);
	expect_folder_empty();
}

static void another_geometry_is_not_adopted(void)
{
	struct floe_publisher *pub;
	struct floe_subscriber *sub;

	leave_a_dead_publisher(5);
	pub = publisher("a", ADOPT(9));
	expect_equal(publisher_counts(pub).published, 0);
	publish(pub, CHUNK, 7);
	sub = subscriber("a", SUBSCRIBER(.history = 1));
	drain(sub, &(uint64_t){0});
	expect_equal(subscriber_counts(sub).lost, 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void many_lives_leave_no_more_than_one(void)
{
	size_t files;

	leave_a_dead_publisher(3);
	files = folder_count_files();
	for (int i = 0; i < 20; i++)
		leave_a_dead_publisher(3);
	expect(folder_count_files() <= files);
}

static void hold_all_it_can(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber("a", SUBSCRIBER(.holds_max = 8));
	uint64_t *count = argument;

	tell(wire, 0);
	hear(wire);
	for (uint64_t i = 1; i <= *count; i++)
		take(sub, CHUNK, i);
	tell(wire, 1);
	hear(wire);
}

static void holds_of_dead_subscribers_do_not_starve_the_publisher(void)
{
	uint64_t count = 8;
	struct floe_subscriber *sub = NULL;
	struct floe_publisher *pub = NULL;

	for (int life = 0; life < 20; life++) {
		struct peer peer = peer_start(hold_all_it_can, &count);

		hear(peer.wire);
		if (!pub)
			pub = publisher("a", PUBLISHER(.depth = 8));
		for (uint64_t i = 1; i <= count; i++)
			publish(pub, CHUNK, i);
		ask(peer.wire, 1);
		peer_kill(&peer);
		for (uint64_t i = 0; i < 100; i++)
			publish(pub, CHUNK, i);
	}
	/* Depth, loans, and the holds of one or two of them at a time; not of twenty. */
	expect(publisher_counts(pub).chunks < 8 + 4 + 8 + 5 * 8);
	sub = subscriber("a", SUBSCRIBER(.history = 1));
	receive(sub, CHUNK, 99);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_folder_empty();
}

static void keep_a_publisher_open(int wire, void *argument)
{
	(void)argument;
	publisher("a", ADOPT(8));
	tell(wire, 1);
	hear(wire);
}

/* fork() without exec copies the descriptors that tell who lives. */
static void open_then_fork_a_bystander(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("a", ADOPT(8));
	pid_t bystander;

	(void)argument;
	publish(pub, CHUNK, 1);
	bystander = fork();
	expect(bystander >= 0);
	/* It tells itself: until it runs it has not come out of fork, and holds what its parent
	 * held. */
	if (bystander == 0) {
		tell(wire, (uint64_t)getpid());
		pause();
		_exit(0);
	}
	pause();
}

static void a_forked_bystander_does_not_keep_the_dead_alive(void)
{
	struct peer peer = peer_start(open_then_fork_a_bystander, NULL);
	pid_t bystander = (pid_t)hear(peer.wire);
	struct floe_publisher *pub;

	peer_kill(&peer);
	pub = publisher("a", ADOPT(8));
	expect_equal(publisher_counts(pub).published, 1);
	floe_publisher_close(pub);
	kill(bystander, SIGKILL);
}

static void a_stopped_process_is_not_dead(void)
{
	struct peer peer = peer_start(keep_a_publisher_open, NULL);
	struct floe_publisher *pub;
	struct floe_subscriber *sub;

	hear(peer.wire);
	kill(peer.pid, SIGSTOP);
	pub = publisher("a", ADOPT(8));
	publish(pub, CHUNK, 1);
	sub = subscriber("a", SUBSCRIBER(.history = 1));
	expect_equal(receive(sub, CHUNK, 1), 1);
	expect_equal(subscriber_counts(sub).publishers, 2);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);

	kill(peer.pid, SIGCONT);
	tell(peer.wire, 1);
	peer_end(&peer);
}

/*
 * Limits and what it costs
 */

static void a_topic_has_at_most_64_publishers(void)
{
	struct floe_publisher *pubs[FLOE_PUBLISHERS_MAX];
	struct floe_subscriber *sub = subscriber("a", NULL);
	struct floe_sample sample;
	bool seen[FLOE_PUBLISHERS_MAX] = {false};

	for (size_t i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		pubs[i] = publisher("a", ADOPT(2));
	expect_equal(try_publisher("a", ADOPT(2), "64"), -EMFILE);
	for (size_t i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		publish(pubs[i], CHUNK, i);
	for (size_t i = 0; i < FLOE_PUBLISHERS_MAX; i++) {
		int whom;

		expect_equal(floe_take(sub, &sample), 1);
		whom = floe_sample_publisher(sub, &sample);
		expect(whom >= 0);
		expect(whom < FLOE_PUBLISHERS_MAX);
		expect(!seen[whom]);
		seen[whom] = true;
		floe_release(sub, &sample);
	}
	floe_publisher_close(pubs[17]);
	pubs[17] = publisher("a", ADOPT(2));

	for (size_t i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		floe_publisher_close(pubs[i]);
	floe_subscriber_close(sub);
	expect_folder_empty();
}

static void a_topic_has_at_most_256_subscribers(void)
{
	static struct floe_subscriber *subs[FLOE_SUBSCRIBERS_MAX];
	struct floe_publisher *pub = publisher("a", NULL);

	for (size_t i = 0; i < FLOE_SUBSCRIBERS_MAX; i++)
		subs[i] = subscriber("a", SUBSCRIBER(.holds_max = 1));
	expect_equal(try_subscriber("a", NULL, "256"), -EMFILE);
	publish(pub, CHUNK, 1);
	for (size_t i = 0; i < FLOE_SUBSCRIBERS_MAX; i++)
		receive(subs[i], CHUNK, 1);
	floe_subscriber_close(subs[200]);
	subs[200] = subscriber("a", SUBSCRIBER(.holds_max = 1));

	for (size_t i = 0; i < FLOE_SUBSCRIBERS_MAX; i++)
		floe_subscriber_close(subs[i]);
	floe_publisher_close(pub);
	expect_folder_empty();
}

static size_t count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	expect(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void eight_topics_cost_few_descriptors_and_files(void)
{
	size_t descriptors = count_descriptors();
	struct floe_publisher *pubs[8];
	struct floe_subscriber *subs[8];

	for (size_t i = 0; i < 8; i++) {
		char topic[] = {'t', (char)('0' + (int)i), '\0'};

		pubs[i] = publisher(topic, NULL);
		subs[i] = subscriber(topic, NULL);
		publish(pubs[i], CHUNK, i);
		receive(subs[i], CHUNK, i);
	}
	printf("# %zu descriptors, %zu files\n", count_descriptors() - descriptors,
	       folder_count_files());
	expect(count_descriptors() - descriptors < 10);
	expect(folder_count_files() < 20);
	for (size_t i = 0; i < 8; i++) {
		floe_subscriber_close(subs[i]);
		floe_publisher_close(pubs[i]);
	}
}

static void descriptors_do_not_reach_programs_that_are_started(void)
{
	struct floe_publisher *pub = publisher("a", NULL);
	struct floe_subscriber *sub = subscriber("a", NULL);
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	expect(dir);
	while ((entry = readdir(dir))) {
		char target[512] = "";
		int fd = atoi(entry->d_name);

		if (readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1) > 0 &&
		    strstr(target, getenv("FLOE_DIR")))
			expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
	closedir(dir);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(the_last_close_leaves_nothing),
		TEST(a_folder_that_does_not_exist_is_made),
		TEST(files_of_others_in_the_folder_are_left_alone),
		TEST(a_closed_publisher_leaves_while_its_subscriber_reads),
		TEST(domains_do_not_mix),
		TEST(the_domain_comes_from_the_environment_or_the_options),
		TEST(the_domain_is_default_without_environment),
		TEST(the_folder_in_the_options_wins),
		TEST(a_folder_that_cannot_be_made_is_told),
		TEST(a_publisher_with_a_type_guards_the_topic),
		TEST(a_subscriber_with_a_type_guards_the_topic),
		TEST(who_names_no_type_agrees_with_everybody),
		TEST(a_type_that_nobody_uses_any_more_does_not_guard),
		TEST(another_user_reads_what_the_mode_allows),
		TEST(another_user_does_not_read_what_the_mode_forbids),
		TEST(the_mode_gives_nobody_else_the_right_to_write),
		TEST(what_was_taken_cannot_be_written),
		TEST(what_a_killed_publisher_sent_can_still_be_taken),
		TEST(a_late_joiner_gets_the_history_of_the_dead),
		TEST(an_adopted_ring_goes_on_with_the_next_sequence),
		TEST(an_adopter_waits_for_whom_the_dead_publisher_waited),
		TEST(a_reliable_subscriber_that_came_first_is_waited_for_across_a_death),
		TEST(a_subscriber_does_not_notice_an_adoption),
		TEST(held_samples_outlive_their_publisher_and_its_successor),
		TEST(a_closed_ring_is_adopted_as_well),
		TEST(another_geometry_is_not_adopted),
		TEST(many_lives_leave_no_more_than_one),
		TEST(holds_of_dead_subscribers_do_not_starve_the_publisher),
		TEST(a_forked_bystander_does_not_keep_the_dead_alive),
		TEST(a_stopped_process_is_not_dead),
		TEST(a_topic_has_at_most_64_publishers),
		TEST(a_topic_has_at_most_256_subscribers),
		TEST(eight_topics_cost_few_descriptors_and_files),
		TEST(descriptors_do_not_reach_programs_that_are_started),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
