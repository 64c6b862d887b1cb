/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A file system with an index of inodes (ext4) gives the number of a file that is gone to the next one: what is
 * known of the one says nothing of the other.
 */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <floe/board.h>
#include <floe/event.h>
#include <floe/floe.h>
#include <floe/service.h>

#include "channel/segment_layout.h"
#include "frame/frame.h"
#include "os/os.h"

#define TOPIC "inodes"
#define SIZE 40
#define BLOCK_SIZE ((size_t)1 << 20)
/* Somebody else may take the number. */
#define ATTEMPTS 50
/* Before Linux 6.13 two files that are made in the same tick are as old. */
#define TICK_NS 20000000

/*
 * A folder where numbers are given again
 */

static const char *const tops[] = {"/var/tmp", "/tmp"};
static char folder[64];

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	(void)place;
	return remove(path);
}

static void leave_folder(void)
{
	(void)nftw(folder, remove_one, 16, FTW_PHYS | FTW_DEPTH);
}

static ino_t make_and_remove(void)
{
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct stat seen = {0};

	if (fd >= 0) {
		expect_equal(fstat(fd, &seen), 0);
		close(fd);
	}
	return seen.st_ino;
}

static bool gives_again(void)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		ino_t first = make_and_remove();

		if (first && make_and_remove() == first)
			return true;
	}
	return false;
}

static bool knows_when_made(void)
{
	uint64_t number, made_ns;

	return os->identify(AT_FDCWD, folder, &number, &made_ns) == 0 && made_ns;
}

static void enter_folder(void)
{
	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
		(void)snprintf(folder, sizeof(folder), "%s/floe-test-XXXXXX", tops[i]);
		if (!mkdtemp(folder))
			continue;
		if (knows_when_made() && gives_again()) {
			expect_equal(setenv("FLOE_DIR", folder, 1), 0);
			return;
		}
		leave_folder();
	}
	skip("no folder of a file system that gives numbers again and knows when files were made");
}

static void find(const char *topic, const char *name, char *ret_path, size_t size)
{
	char pattern[256];
	glob_t files;

	(void)snprintf(pattern, sizeof(pattern), "%s/*/topics/%s/%s", getenv("FLOE_DIR"), topic,
		       name);
	expect_equal(glob(pattern, 0, NULL, &files), 0);
	expect_equal(files.gl_pathc, 1);
	(void)snprintf(ret_path, size, "%s", files.gl_pathv[0]);
	globfree(&files);
}

static ino_t number_of(const char *topic, const char *name)
{
	char path[256];
	struct stat seen;

	find(topic, name, path, sizeof(path));
	expect_equal(stat(path, &seen), 0);
	return seen.st_ino;
}

/* Nobody makes of it what it was. */
static void spoil(const char *topic, const char *name)
{
	static const char nonsense[64] = "nonsense";
	char path[256];
	int fd;

	find(topic, name, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	expect_equal(pwrite(fd, nonsense, sizeof(nonsense), 0), sizeof(nonsense));
	close(fd);
}

static void remove_name(const char *topic, const char *name)
{
	char path[256];

	find(topic, name, path, sizeof(path));
	expect_equal(unlink(path), 0);
}

static void wait_a_tick(void)
{
	expect_equal(nanosleep(&(struct timespec){.tv_nsec = TICK_NS}, NULL), 0);
}

/* Until a round has had the same number twice. */
static void try_often(bool (*round)(void))
{
	bool same = false;

	enter_folder();
	for (int i = 0; i < ATTEMPTS && !same; i++)
		same = round();
	leave_folder();
	if (!same)
		skip("the number was somebody else's each time");
}

/*
 * Rings
 */

static struct floe_publisher *open_publisher(void *memory)
{
	struct floe_publisher_options o = {.size = sizeof(o),
					   .depth = 4,
					   .payload_max = 1000,
					   .memory = memory,
					   .memory_size = memory ? BLOCK_SIZE : 0};
	struct floe_publisher *pub;

	expect_equal(floe_publisher_open(&pub, TOPIC, &o), 0);
	return pub;
}

static void say(struct floe_publisher *pub, unsigned char what)
{
	struct floe_loan loan;

	expect_equal(floe_loan(pub, 1000, &loan), 1);
	memset(loan.data, what, 1000);
	expect_equal(floe_publish(pub, &loan), 1);
}

static void hear(struct floe_subscriber *sub, unsigned char what)
{
	struct floe_sample sample;

	expect_equal(floe_take(sub, &sample), 1);
	expect_equal(*(const unsigned char *)sample.data, what);
	floe_release(sub, &sample);
	expect_equal(floe_take(sub, &sample), 0);
}

/* Nobody can have this index but by chance: it is what it says when it gets its name. */
static void become_the_first(void)
{
	char from[256], to[256];
	struct segment_shared *segment;
	int fd;

	find(TOPIC, "pub.1", from, sizeof(from));
	(void)snprintf(to, sizeof(to), "%.*s0", (int)strlen(from) - 1, from);
	fd = open(from, O_RDWR | O_CLOEXEC);
	segment = mmap(NULL, sizeof(*segment), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(segment != MAP_FAILED);
	close(fd);
	segment->index = 0;
	expect_equal(munmap(segment, sizeof(*segment)), 0);
	expect_equal(rename(from, to), 0);
}

static bool refuse_and_read(void)
{
	struct floe_subscriber *sub;
	struct floe_publisher *pub;
	struct floe_sample sample;
	ino_t before, after;

	expect_equal(floe_subscriber_open(&sub, TOPIC, NULL), 0);
	pub = open_publisher(NULL);
	spoil(TOPIC, "pub.0");
	expect_equal(floe_take(sub, &sample), -EPROTO);
	before = number_of(TOPIC, "pub.0");
	remove_name(TOPIC, "pub.0");
	floe_publisher_close(pub);
	wait_a_tick();
	pub = open_publisher(NULL);
	become_the_first();
	after = number_of(TOPIC, "pub.0");
	say(pub, 2);
	hear(sub, 2);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
	return before == after;
}

static void a_ring_with_the_number_of_one_that_was_refused_is_read(void)
{
	try_often(refuse_and_read);
}

static void *make_block(void)
{
	void *block = mmap(NULL, BLOCK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	expect(block != MAP_FAILED);
	return block;
}

/* The one that was given back is not looked at any more. */
static bool lend_twice(void)
{
	void *first = make_block(), *second = make_block();
	struct floe_publisher *pub = open_publisher(first);
	struct floe_subscriber *sub;
	ino_t before = number_of(TOPIC, "pub.0");
	ino_t after;

	expect_equal(floe_subscriber_open(&sub, TOPIC, NULL), 0);
	say(pub, 1);
	hear(sub, 1);
	floe_publisher_close(pub);
	expect_equal(mprotect(first, BLOCK_SIZE, PROT_NONE), 0);
	wait_a_tick();
	pub = open_publisher(second);
	after = number_of(TOPIC, "pub.?");
	say(pub, 2);
	hear(sub, 2);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
	expect_equal(munmap(first, BLOCK_SIZE), 0);
	expect_equal(munmap(second, BLOCK_SIZE), 0);
	return before == after;
}

static void a_block_with_the_number_of_one_that_was_given_back_is_read(void)
{
	try_often(lend_twice);
}

/*
 * Seats
 */

static bool refuse_and_listen(void)
{
	struct floe_notifier *notifier;
	struct floe_listener *listener;
	struct floe_event event;
	ino_t before, after;

	expect_equal(floe_listener_open(&listener, TOPIC, NULL), 0);
	expect_equal(floe_notifier_open(&notifier, TOPIC, NULL), 0);
	spoil(TOPIC, "event.0");
	expect_equal(floe_listener_take(listener, &event), -EPROTO);
	before = number_of(TOPIC, "event.0");
	remove_name(TOPIC, "event.0");
	floe_notifier_close(notifier);
	wait_a_tick();
	expect_equal(floe_notifier_open(&notifier, TOPIC, NULL), 0);
	after = number_of(TOPIC, "event.0");
	expect(floe_notify(notifier, 0) >= 0);
	do
		expect_equal(floe_listener_take(listener, &event), 1);
	while (event.kind != FLOE_EVENT_NOTIFIED);
	floe_notifier_close(notifier);
	floe_listener_close(listener);
	return before == after;
}

static void a_notifier_with_the_number_of_one_that_was_refused_is_heard(void)
{
	try_often(refuse_and_listen);
}

static struct floe_board_writer *open_writer(void)
{
	static const struct floe_board_key key = {.name = "key", .size = 8};
	struct floe_board_writer_options o = {.size = sizeof(o), .keys = &key, .keys_count = 1};
	struct floe_board_writer *writer;

	expect_equal(floe_board_writer_open(&writer, TOPIC, &o), 0);
	return writer;
}

static bool refuse_and_look(void)
{
	struct floe_board_reader *reader;
	struct floe_board_writer *writer;
	uint64_t value = 7, sequence = 0;
	ino_t before, after;
	int key;

	expect_equal(floe_board_reader_open(&reader, TOPIC, NULL), 0);
	writer = open_writer();
	spoil(TOPIC, "board.0");
	expect(floe_board_find(reader, "key", NULL, NULL) < 0);
	before = number_of(TOPIC, "board.0");
	remove_name(TOPIC, "board.0");
	floe_board_writer_close(writer);
	wait_a_tick();
	writer = open_writer();
	after = number_of(TOPIC, "board.0");
	expect_equal(floe_board_write(writer, 0, &value, sizeof(value), NULL), 0);
	key = floe_board_find(reader, "key", NULL, NULL);
	expect(key >= 0);
	value = 0;
	expect_equal(floe_board_read(reader, key, &value, sizeof(value), &sequence), 1);
	expect_equal(value, 7);
	floe_board_writer_close(writer);
	floe_board_reader_close(reader);
	return before == after;
}

static void a_board_with_the_number_of_one_that_was_refused_is_read(void)
{
	try_often(refuse_and_look);
}

/*
 * Callers, where the file system does not know when a file was made
 */

static uint64_t gone, again;

static int identify(int dirfd, const char *path, uint64_t *ret_number, uint64_t *ret_made_ns)
{
	int r = os_real.identify(dirfd, path, ret_number, ret_made_ns);

	*ret_made_ns = 0;
	if (r == 0 && again && *ret_number == again)
		*ret_number = gone;
	return r;
}

static void ask(struct floe_client *client)
{
	struct floe_loan loan;

	expect_equal(floe_client_loan(client, 1, &loan), 1);
	*(char *)loan.data = 1;
	expect_equal(floe_client_send(client, &loan, -1, NULL), 1);
}

static void serve(struct floe_server *server)
{
	struct floe_request request;

	expect_equal(floe_server_take(server, &request), 1);
	expect_equal(floe_server_end(server, &request, 0), 0);
}

static void is_answered(struct floe_client *client)
{
	struct floe_response response;

	expect_equal(floe_client_take(client, &response), 1);
	expect_equal(response.status, 0);
}

static ino_t number_of_only_ring(void)
{
	return number_of("inodes@server.*", "pub.*");
}

/* More often than its ring is deep, and that of the one before. */
#define REQUESTS 600

static void a_client_with_the_number_of_one_that_is_gone_is_served(void)
{
	static struct os table;
	struct floe_server *server;
	struct floe_client *client;

	table = os_real;
	table.identify = identify;
	os = &table;
	expect_equal(floe_server_open(&server, TOPIC, NULL), 0);
	expect_equal(floe_client_open(&client, TOPIC, NULL), 0);
	ask(client);
	serve(server);
	is_answered(client);
	gone = number_of_only_ring();
	floe_client_close(client);
	/* It looks who is there, and asks for no request. */
	expect_equal(floe_server_wait(server, 0), 0);
	expect_equal(floe_client_open(&client, TOPIC, NULL), 0);
	for (int i = 0; i < REQUESTS; i++) {
		ask(client);
		again = number_of_only_ring();
		serve(server);
		is_answered(client);
	}
	again = 0;
	floe_client_close(client);
	floe_server_close(server);
	os = &os_real;
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_ring_with_the_number_of_one_that_was_refused_is_read),
		TEST(a_block_with_the_number_of_one_that_was_given_back_is_read),
		TEST(a_notifier_with_the_number_of_one_that_was_refused_is_heard),
		TEST(a_board_with_the_number_of_one_that_was_refused_is_read),
		TEST(a_client_with_the_number_of_one_that_is_gone_is_served),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
