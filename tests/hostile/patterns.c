/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Somebody takes part in an event, a board or a service and writes nonsense into what he owns, while
 * victims listen, read, ask and answer there. Every call comes back with a result that is documented, and
 * what they have of decent peers is exact: each notification once, each value whole, each request ended
 * once.
 *
 * FLOE_HOSTILE_SECONDS: how long each attack lasts.
 */

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <floe/board.h>
#include <floe/event.h>
#include <floe/inspect.h>
#include <floe/service.h>

#include "api/peer.h"
#include "api/service.h"
#include "api/steps.h"
#include "attack.h"
#include "edge.h"
#include "channel/accord_layout.h"
#include "channel/segment.h"
#include "frame/sanitized.h"
#include "registry/domain.h"
#include "registry/node_layout.h"
#include "registry/terms.h"
#include "registry/topic_layout.h"

#define NAME "t"
#define MILLISECONDS ((int64_t)1000000)
#define IDS 3
#define SOMEBODY 65534 /* another user */

static int64_t get_end(void)
{
	const char *given = getenv("FLOE_HOSTILE_SECONDS");

	return now_ns() + (given ? (int64_t)strtoul(given, NULL, 10) * 1000 : 200) * MILLISECONDS;
}

static void expect_known(int r, const char *call)
{
	static const int known[] = {0,         1,      -EPROTO, -EACCES,     -ENOBUFS,
				    -EMFILE,   -EBUSY, -EAGAIN, -EPROTOTYPE, -ENOENT,
				    -EMSGSIZE, -EPIPE, -EEXIST, -ENOTCONN};

	for (size_t i = 0; i < COUNT(known); i++)
		if (r == known[i])
			return;
	printf("# %s says %d, %s\n", call, r, r < 0 ? strerror(-r) : "");
	frame_fail(__FILE__, __LINE__, "a result that is documented");
}

static void read_all(const void *data, size_t size)
{
	static volatile unsigned char sink;
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		sink = (unsigned char)(sink + bytes[i]);
}

/* Before anything is opened here: what a fork has mapped is not his. */
static struct peer start_attack(enum attack_target target, const char *name)
{
	struct attack wanted = {name, target, random_seed(), -1};
	struct peer attacker = peer_start(attack_life, &wanted);

	expect_equal(hear(attacker.wire), 1);
	return attacker;
}

/*
 * Events
 */

static struct floe_notifier *open_notifier(size_t ids)
{
	struct floe_notifier_options o = {.size = sizeof(o), .ids = ids};
	struct floe_notifier *notifier = NULL;

	expect_known(floe_notifier_open(&notifier, NAME, &o), "floe_notifier_open");
	return notifier;
}

#define DECENT 1 /* who came second */

/* What of it is the decent one's. */
static uint64_t hear_some(struct floe_listener *listener)
{
	struct floe_event event;
	uint64_t count = 0;

	for (int i = 0; i < 1000; i++) {
		int r = floe_listener_take(listener, &event);

		expect_known(r, "floe_listener_take");
		if (r == 0)
			break;
		if (r == 1 && event.notifier == DECENT && event.kind == FLOE_EVENT_NOTIFIED)
			count += event.count;
	}
	return count;
}

/* Comes, looks and goes. */
static void listen_once(void)
{
	struct floe_listener_options o = {.size = sizeof(o), .spin_ns = 1};
	struct floe_listener *listener = NULL;

	expect_known(floe_listener_open(&listener, NAME, &o), "floe_listener_open");
	if (listener)
		(void)hear_some(listener);
	floe_listener_close(listener);
}

static void a_notifier_that_writes_nonsense_hurts_nobody(void)
{
	struct floe_listener_options o = {.size = sizeof(o), .spin_ns = 1};
	struct peer attacker = start_attack(ATTACK_EVENT, NAME);
	struct floe_notifier *decent = open_notifier(IDS);
	struct floe_listener *listener = NULL;
	uint64_t sent = 0, told = 0;
	int r;

	expect(decent);
	do {
		r = floe_listener_open(&listener, NAME, &o);
		expect_known(r, "floe_listener_open");
	} while (r < 0);
	for (int64_t end = get_end(); now_ns() < end;) {
		struct floe_notifier *another = open_notifier(100); /* perhaps his */

		for (uint32_t i = 0; i < 10; i++, sent++)
			expect(floe_notify(decent, i % IDS) >= 0);
		if (another)
			expect(floe_notify(another, 99) >= 0);
		told += hear_some(listener);
		listen_once();
		expect_known(floe_listener_wait(listener, now_ns() + MILLISECONDS),
			     "floe_listener_wait");
		floe_notifier_close(another);
	}
	peer_kill(&attacker);
	for (int i = 0; i < 3; i++)
		told += hear_some(listener);
	expect_equal(told, sent);
	floe_listener_close(listener);
	floe_notifier_close(decent);
}

/* All that it claims beyond what is there are holes: it is given no addresses, and told of once. */
static void inflate_seat(const char *name)
{
	char pattern[512];
	glob_t files;

	(void)snprintf(pattern, sizeof(pattern), "%s/*/topics/" NAME "*/%s", getenv("FLOE_DIR"),
		       name);
	expect_equal(glob(pattern, 0, NULL, &files), 0);
	expect_equal(truncate(files.gl_pathv[0], (off_t)REGION_SIZE_MAX), 0);
	globfree(&files);
}

/* As if others had taken all but these. */
static void limit_addresses(void)
{
	struct rlimit limit;

#ifdef SANITIZED
	skip("a sanitizer takes addresses of its own");
#endif
	expect_equal(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = (rlim_t)1 << 40;
	expect_equal(setrlimit(RLIMIT_AS, &limit), 0);
}

static void a_notifier_of_many_tebibytes_of_nothing_is_left_out(void)
{
	struct floe_listener *listener = NULL;
	struct floe_notifier *notifier, *decent;
	struct floe_event event;

	expect_equal(floe_listener_open(&listener, NAME, NULL), 0);
	notifier = open_notifier(IDS);
	decent = open_notifier(IDS);
	inflate_seat("event.0");
	limit_addresses();
	expect_equal(floe_listener_take(listener, &event), -EPROTO);
	expect(floe_notify(decent, 0) >= 0);
	expect_equal(hear_some(listener), 1);
	floe_notifier_close(decent);
	floe_notifier_close(notifier);
	floe_listener_close(listener);
}

/*
 * Boards
 */

static int open_writer(struct floe_board_writer **ret, const struct floe_board_key *keys,
		       size_t count)
{
	struct floe_board_writer_options o = {.size = sizeof(o), .keys = keys, .keys_count = count};

	*ret = NULL;
	return floe_board_writer_open(ret, NAME, &o);
}

static void a_board_of_many_tebibytes_of_nothing_is_left_out(void)
{
	static const struct floe_board_key one = {.name = "one", .size = 8};
	static const struct floe_board_key two = {.name = "two", .size = 8};
	struct floe_board_writer *writer, *decent;
	struct floe_board_reader *reader = NULL;

	expect_equal(floe_board_reader_open(&reader, NAME, NULL), 0);
	expect_equal(open_writer(&writer, &one, 1), 0);
	expect_equal(open_writer(&decent, &two, 1), 0);
	inflate_seat("board.0");
	limit_addresses();
	expect_equal(floe_board_find(reader, "one", NULL, NULL), -ENOENT);
	expect(floe_board_find(reader, "two", NULL, NULL) >= 0);
	floe_board_reader_close(reader);
	floe_board_writer_close(decent);
	floe_board_writer_close(writer);
}

static void look_at(struct floe_board_reader *reader, const char *name)
{
	static unsigned char value[65536];
	struct floe_board_value borrowed = {0};
	int key = floe_board_find(reader, name, NULL, NULL);
	uint64_t sequence = 0;

	if (key < 0) {
		expect_known(key, "floe_board_find");
		return;
	}
	expect_known(floe_board_read(reader, key, value, sizeof(value), &sequence),
		     "floe_board_read");
	if (floe_board_borrow(reader, key, &borrowed) == 1)
		read_all(borrowed.data, borrowed.size);
	expect_known(floe_board_kept(reader, key, &borrowed), "floe_board_kept");
}

static void list(struct floe_board_reader *reader)
{
	struct floe_board_key_info info;

	for (size_t i = 0; i < 2000; i++) {
		int r = floe_board_list(reader, i, &info, sizeof(info));

		expect_known(r, "floe_board_list");
		if (r != 1)
			break;
		expect(memchr(info.name, 0, sizeof(info.name)) != NULL);
		expect(memchr(info.type, 0, sizeof(info.type)) != NULL);
	}
}

/* Comes, looks and goes. */
static void read_once(void)
{
	struct floe_board_reader *reader = NULL;

	expect_known(floe_board_reader_open(&reader, NAME, NULL), "floe_board_reader_open");
	if (!reader)
		return;
	look_at(reader, "x");
	list(reader);
	floe_board_reader_close(reader);
}

static void a_boards_writer_that_writes_nonsense_hurts_nobody(void)
{
	static const struct floe_board_key mine = {"mine", 256, NULL};
	static const struct floe_board_key his[] = {{"x", 8, NULL}, {"y", 1000, NULL}};
	struct floe_board_writer *decent, *another;
	struct floe_board_reader *reader = NULL;
	struct peer attacker = start_attack(ATTACK_BOARD, NAME);
	uint64_t value[32], found[32], sequence;
	int key;

	expect_equal(open_writer(&decent, &mine, 1), 0);
	expect_equal(floe_board_reader_open(&reader, NAME, NULL), 0);
	key = floe_board_find(reader, "mine", NULL, NULL);
	expect(key >= 0);
	for (int64_t end = get_end(), n = 1; now_ns() < end; n++) {
		for (size_t i = 0; i < COUNT(value); i++)
			value[i] = (uint64_t)n * 1000 + i;
		expect_equal(floe_board_write(decent, 0, value, sizeof(value), NULL), 0);
		sequence = 0;
		expect_equal(floe_board_read(reader, key, found, sizeof(found), &sequence), 1);
		expect(memcmp(value, found, sizeof(found)) == 0);
		expect_equal(sequence, n);
		look_at(reader, "x");
		look_at(reader, "y");
		list(reader);
		read_once();
		if (n % 8)
			continue;
		expect_known(open_writer(&another, his, 2), "floe_board_writer_open");
		if (another)
			expect_known(floe_board_write(another, 0, value, 8, NULL),
				     "floe_board_write");
		floe_board_writer_close(another);
	}
	peer_kill(&attacker);
	floe_board_reader_close(reader);
	floe_board_writer_close(decent);
}

/*
 * Services
 */

/* What lies beside each request and each response; NULL: nothing. */
static const struct floe_type *header;

/* Whose announcement is no ring just now is told of, as by floe_subscriber_open. */
static struct floe_client *open_client(void)
{
	struct floe_client_options o = {.size = sizeof(o),
					.payload_max = 512,
					.spin_ns = 1,
					.request_header = header,
					.response_header = header};
	struct floe_client *client = NULL;
	int r;

	do {
		r = floe_client_open(&client, NAME, &o);
		expect_known(r, "floe_client_open");
	} while (r < 0);
	return client;
}

static void write_header(void *where)
{
	expect(!where == !header);
	if (where)
		memset(where, 7, header->size);
}

/* It may say anything, in as many bytes as were agreed on. */
static void read_header(const void *where, size_t size)
{
	expect(!where || (header && size == header->size));
	read_all(where, size);
}

static void ask_one(struct floe_client *client, int64_t deadline_ns)
{
	struct floe_loan loan = {0};
	int r = floe_client_loan(client, 40, &loan);

	expect_known(r, "floe_client_loan");
	if (r != 1)
		return;
	write_header(floe_client_loan_header(client, &loan));
	memset(loan.data, 5, loan.size);
	expect_known(floe_client_send(client, &loan, deadline_ns, NULL), "floe_client_send");
	floe_client_discard(client, &loan);
}

static void take_some(struct floe_client *client)
{
	struct floe_response response;
	size_t size;

	for (int i = 0; i < 100; i++) {
		int r = floe_client_take(client, &response);
		const void *beside;

		expect_known(r, "floe_client_take");
		if (r != 1)
			break;
		beside = floe_client_response_header(client, &response, &size);
		read_header(beside, size);
		if (response.data)
			read_all(response.data, response.size);
		floe_client_release(client, &response);
	}
}

/* Each request that was sent has ended, once, whatever he said about it. */
static void expect_ended(struct floe_client *client)
{
	struct floe_client_counts counts;

	for (int i = 0; i < 2000; i++) {
		take_some(client);
		expect_equal(floe_client_count(client, &counts, sizeof(counts)), 0);
		if (counts.sent == counts.ended)
			break;
		expect_known(floe_client_wait(client, now_ns() + 10 * MILLISECONDS),
			     "floe_client_wait");
	}
	expect_equal(counts.ended, counts.sent);
	expect_equal(counts.held, 0);
}

static void ask_who_attacks(enum attack_target target)
{
	struct peer attacker = start_attack(target, NAME);
	struct floe_client *client;

	header = &attack_header;
	client = open_client();
	if (target == ATTACK_ANSWERS) {
		ask_one(client, -1);
		expect_equal(hear(attacker.wire), 1);
	}
	for (int64_t end = get_end(); now_ns() < end;) {
		ask_one(client, now_ns() + 2 * MILLISECONDS);
		take_some(client);
		expect_known(floe_client_wait(client, now_ns() + MILLISECONDS), "floe_client_wait");
	}
	peer_kill(&attacker);
	expect_ended(client);
	floe_client_close(client);
}

static void a_server_that_announces_nonsense_hurts_nobody(void)
{
	ask_who_attacks(ATTACK_SERVICE);
}

static void a_server_that_answers_nonsense_hurts_nobody(void)
{
	ask_who_attacks(ATTACK_ANSWERS);
}

/* Answers what comes; true: something did. */
static bool serve_one(struct floe_server *server)
{
	struct floe_request request;
	struct floe_loan loan;
	const void *beside;
	size_t size;
	int r = floe_server_take(server, &request);

	expect_known(r, "floe_server_take");
	if (r != 1)
		return false;
	beside = floe_server_request_header(server, &request, &size);
	read_header(beside, size);
	read_all(request.data, request.size);
	r = floe_server_loan(server, &request, 40, &loan);
	expect_known(r, "floe_server_loan");
	if (r == 1)
		write_header(floe_server_loan_header(server, &request, &loan));
	if (r == 1)
		expect_known(floe_server_send(server, &request, &loan, 0), "floe_server_send");
	if (request.data)
		expect_known(floe_server_end(server, &request, 0), "floe_server_end");
	return true;
}

static struct floe_server *open_server(void)
{
	struct floe_server_options o = {.size = sizeof(o),
					.payload_max = 512,
					.spin_ns = 1,
					.request_header = header,
					.response_header = header};
	struct floe_server *server;

	expect_equal(floe_server_open(&server, NAME, &o), 0);
	return server;
}

static void a_client_that_asks_nonsense_hurts_nobody(void)
{
	struct floe_server_counts counts;
	struct floe_server *server;
	struct floe_client *decent;
	struct peer attacker = start_attack(ATTACK_REQUESTS, NAME);

	header = &attack_header;
	server = open_server();
	tell(attacker.wire, 1);
	expect_equal(hear(attacker.wire), 1);
	decent = open_client();
	for (int64_t end = get_end(); now_ns() < end;) {
		ask_one(decent, -1);
		for (int i = 0; i < 20 && serve_one(server); i++)
			;
		take_some(decent);
		expect_known(floe_server_wait(server, now_ns() + MILLISECONDS), "floe_server_wait");
	}
	peer_kill(&attacker);
	for (int i = 0; i < 1000 && serve_one(server); i++)
		;
	expect_ended(decent);
	expect_equal(floe_server_count(server, &counts, sizeof(counts)), 0);
	expect_equal(counts.active, 0);
	expect_equal(counts.taken, counts.ended);
	floe_client_close(decent);
	floe_server_close(server);
}

/*
 * Floods: more than one call may throw away. The next calls go on with it, and what is behind comes.
 */

#define FLOOD 3000
#define CALL 1024 /* what one of them throws away at most */

/* The topic of this service whose name begins so, behind the service's. */
static const char *find_topic(const char *part)
{
	static char path[512];
	const char *name;
	glob_t files;

	(void)snprintf(path, sizeof(path), "%s/*/topics/" NAME "@%s*", getenv("FLOE_DIR"), part);
	expect_equal(glob(path, 0, NULL, &files), 0);
	expect_equal(files.gl_pathc, 1);
	name = strrchr(files.gl_pathv[0], '/') + 1;
	(void)snprintf(path, sizeof(path), "%s", name);
	globfree(&files);
	return path;
}

static struct floe_publisher *flood(const char *topic, size_t size)
{
	struct floe_publisher *pub = publisher(topic, PUBLISHER(.depth = FLOOD + 1));

	for (uint64_t i = 0; i < FLOOD; i++)
		publish(pub, size, i);
	return pub;
}

static struct floe_client_counts count_client(struct floe_client *client)
{
	struct floe_client_counts counts;

	expect_equal(floe_client_count(client, &counts, sizeof(counts)), 0);
	return counts;
}

static void responses_that_nobody_asked_for_keep_nobody_in_one_call(void)
{
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	struct floe_response response;
	struct floe_publisher *pub = flood(find_topic("client"), 40);

	expect_equal(floe_client_take(client, &response), 0);
	expect_equal(count_client(client).late, CALL);
	expect_equal(floe_client_wait(client, -1), 1);
	ask_one(client, -1);
	expect(serve_one(server));
	for (int i = 0; i < 2 + FLOOD / CALL; i++)
		take_some(client);
	expect_equal(count_client(client).late, FLOOD);
	expect_ended(client);
	floe_publisher_close(pub);
	floe_client_close(client);
	floe_server_close(server);
}

/* A deadline passes, and is told, whatever else there is. */
static void a_flood_of_responses_hides_no_end(void)
{
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	struct floe_response response = {0};
	struct floe_publisher *pub = flood(find_topic("client"), 40);

	ask_one(client, now_ns());
	expect_equal(floe_client_take(client, &response), 1);
	expect_equal(response.status, -ETIMEDOUT);
	expect_equal(count_client(client).late, CALL);
	floe_client_release(client, &response);
	floe_publisher_close(pub);
	floe_client_close(client);
	floe_server_close(server);
}

static void requests_of_nobody_keep_no_server_in_one_call(void)
{
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	struct floe_server_counts counts;
	struct floe_request request;
	struct floe_publisher *pub = flood(find_topic("server"), 40);

	expect_equal(floe_server_take(server, &request), 0);
	expect_equal(floe_server_count(server, &counts, sizeof(counts)), 0);
	expect_equal(counts.abandoned, CALL);
	expect_equal(floe_server_wait(server, -1), 1);
	ask_one(client, -1);
	for (int i = 0; i < 2 + FLOOD / CALL && !serve_one(server); i++)
		;
	take_some(client);
	expect_ended(client);
	floe_publisher_close(pub);
	floe_client_close(client);
	floe_server_close(server);
}

/* Who waits for edges takes until there is nothing, and then waits for the next one. */
static void a_client_is_told_by_edges_of_the_rest_of_a_flood(void)
{
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	int epoll = edge_epoll(floe_client_fd(client));
	struct floe_publisher *pub = flood(find_topic("client"), 40);

	while (count_client(client).late < FLOOD) {
		edge_await(epoll);
		take_some(client);
	}
	close(epoll);
	floe_publisher_close(pub);
	floe_client_close(client);
	floe_server_close(server);
}

static void a_server_is_told_by_edges_of_the_rest_of_a_flood(void)
{
	struct floe_server_counts counts;
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	int epoll = edge_epoll(floe_server_fd(server));
	struct floe_publisher *pub = flood(find_topic("server"), 40);

	do {
		edge_await(epoll);
		(void)serve_one(server);
		expect_equal(floe_server_count(server, &counts, sizeof(counts)), 0);
	} while (counts.abandoned < FLOOD);
	close(epoll);
	floe_publisher_close(pub);
	floe_client_close(client);
	floe_server_close(server);
}

/* Each in place of the one before: what one call reads is bounded, and the next calls go on. */
#define COMINGS 5000
#define COMINGS_CALL 2500 /* what one of them reads at most */

static uint64_t count_announced(const char *topic)
{
	struct floe_subscriber_info info;
	struct floe_view *view = NULL;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_view_subscribers(view, topic, &info, sizeof(info), 1), 1);
	floe_view_close(view);
	return info.received;
}

/* As the server announces itself, but for its number. */
static struct floe_publisher *announce_many(const char *topic)
{
	struct floe_subscriber *sub = subscriber(topic, SUBSCRIBER(.history = 1));
	struct floe_publisher *pub = publisher(topic, PUBLISHER(.depth = COMINGS + 1));
	struct floe_sample sample;
	struct announcement said;
	struct floe_loan loan;

	expect_equal(floe_take(sub, &sample), 1);
	expect_equal(sample.size, sizeof(said));
	memcpy(&said, sample.data, sizeof(said));
	floe_release(sub, &sample);
	floe_subscriber_close(sub);
	for (uint64_t i = 0; i < COMINGS; i++) {
		said.server++;
		expect_equal(floe_loan(pub, sizeof(said), &loan), 1);
		memcpy(loan.data, &said, sizeof(said));
		expect(floe_publish(pub, &loan) >= 0);
	}
	return pub;
}

static void servers_that_come_and_go_keep_nobody_in_one_call(void)
{
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	const char *topic = find_topic("service");
	struct floe_publisher *pub = announce_many(topic);
	struct floe_response response;

	expect_equal(floe_client_take(client, &response), 0);
	expect(count_announced(topic) <= COMINGS_CALL);
	for (int i = 0; i < COMINGS; i++)
		expect_equal(floe_client_take(client, &response), 0);
	expect_equal(count_announced(topic), 1 + COMINGS);
	expect_equal(count_client(client).servers, 2);
	floe_publisher_close(pub);
	floe_client_close(client);
	floe_server_close(server);
}

/*
 * Rings that are broken, of somebody who is no server, before the one that has the response
 */

#define BROKEN_MAX 24

/* To be written: the ring on this topic. */
static struct segment_shared *map_ring(const char *topic, unsigned index, size_t *ret_size)
{
	struct segment_shared *segment;
	char pattern[512];
	glob_t files;
	int fd;

	(void)snprintf(pattern, sizeof(pattern), "%s/*/topics/%s/pub.%u", getenv("FLOE_DIR"), topic,
		       index);
	expect_equal(glob(pattern, 0, NULL, &files), 0);
	fd = open(files.gl_pathv[0], O_RDWR | O_CLOEXEC);
	globfree(&files);
	*ret_size = (size_t)lseek(fd, 0, SEEK_END);
	segment = mmap(NULL, *ret_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(segment != MAP_FAILED);
	close(fd);
	return segment;
}

static struct slot_shared *slots_of(struct segment_shared *segment)
{
	return (struct slot_shared *)(void *)((char *)segment + segment->slots_offset);
}

/* Its slots say what no sequence can be. */
static void break_ring(const char *topic, unsigned index)
{
	size_t size;
	struct segment_shared *segment = map_ring(topic, index, &size);

	for (uint32_t i = 0; i < segment->depth; i++)
		store_relaxed(&slots_of(segment)[i].sequence, UINT64_MAX - 1);
	expect_equal(munmap(segment, size), 0);
}

static void expect_one_response(struct floe_client *client)
{
	struct floe_response response = {0};
	int got = 0;

	for (int i = 0; i < 100; i++) {
		int r = floe_client_take(client, &response);

		expect_known(r, "floe_client_take");
		if (r != 1)
			continue;
		expect_equal(response.status, 0);
		expect_equal(response.size, 40);
		got++;
		floe_client_release(client, &response);
	}
	expect_equal(got, 1);
}

static void a_response_behind_broken_rings_comes(void)
{
	struct floe_publisher *pub[BROKEN_MAX];

	for (unsigned count = 0; count <= BROKEN_MAX; count++) {
		struct floe_server *server = open_server();
		struct floe_client *client = open_client();
		const char *topic = find_topic("client");

		for (unsigned i = 0; i < count; i++) {
			pub[i] = publisher(topic, PUBLISHER(.depth = 2));
			publish(pub[i], 40, 1);
			break_ring(topic, i);
		}
		ask_one(client, -1);
		expect(serve_one(server));
		expect_one_response(client);
		expect_ended(client);
		for (unsigned i = 0; i < count; i++)
			floe_publisher_close(pub[i]);
		floe_client_close(client);
		floe_server_close(server);
	}
}

/*
 * A hint that is no count: a client reads straight from whom it asks next, though there are others
 */

#define TURNS 6

static void forge_hint(const char *topic)
{
	struct topic_shared *shared;
	char pattern[512];
	glob_t files;
	int fd;

	(void)snprintf(pattern, sizeof(pattern), "%s/*/topics/%s/topic", getenv("FLOE_DIR"), topic);
	expect_equal(glob(pattern, 0, NULL, &files), 0);
	fd = open(files.gl_pathv[0], O_RDWR | O_CLOEXEC);
	globfree(&files);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(shared != MAP_FAILED);
	close(fd);
	store_relaxed(&shared->hints.publishers, UINT64_MAX);
	expect_equal(munmap(shared, sizeof(*shared)), 0);
}

/* One request at a time: each goes to the server that was not asked for longest. */
static void a_hint_that_lies_leaves_no_server_out(void)
{
	struct floe_server *server[2] = {open_server(), open_server()};
	struct floe_client *client = open_client();
	unsigned served[2] = {0};

	forge_hint(find_topic("service"));
	for (unsigned i = 0; i < TURNS; i++) {
		ask_one(client, -1);
		for (unsigned k = 0; k < 2; k++)
			served[k] += serve_one(server[k]);
		expect_one_response(client);
	}
	expect_equal(served[0], TURNS / 2);
	expect_equal(served[1], TURNS / 2);
	floe_client_close(client);
	for (unsigned k = 0; k < 2; k++)
		floe_server_close(server[k]);
}

/*
 * Somebody announces the number of a server that lives, and leaves
 */

#define FORGED 20

static struct announcement find_announced(const char *topic)
{
	struct floe_subscriber *sub = subscriber(topic, SUBSCRIBER(.history = 1));
	struct announcement said;
	struct floe_sample sample;

	expect_equal(floe_take(sub, &sample), 1);
	expect_equal(sample.size, sizeof(said));
	memcpy(&said, sample.data, sizeof(said));
	floe_release(sub, &sample);
	floe_subscriber_close(sub);
	return said;
}

static void announce(struct floe_publisher *pub, const struct announcement *said)
{
	struct floe_loan loan;

	expect_equal(floe_loan(pub, sizeof(*said), &loan), 1);
	memcpy(loan.data, said, sizeof(*said));
	expect(floe_publish(pub, &loan) >= 0);
}

static struct floe_publisher *announce_again(const char *topic)
{
	struct floe_publisher *pub = publisher(topic, PUBLISHER(.depth = 2));
	struct announcement said = find_announced(topic);

	for (said.leaving = 0; said.leaving <= 1; said.leaving++)
		announce(pub, &said);
	return pub;
}

static void a_number_that_two_announce_cuts_nobody_off(void)
{
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	struct floe_publisher *pub;

	ask_one(client, -1);
	expect(serve_one(server));
	expect_one_response(client);
	pub = announce_again(find_topic("service"));
	take_some(client);
	expect_equal(count_client(client).servers, 1);
	ask_one(client, -1);
	expect(serve_one(server));
	expect_one_response(client);
	expect_ended(client);
	floe_publisher_close(pub);
	floe_client_close(client);
	floe_server_close(server);
}

/* Who left was not it, and what was sent because of him is answered all the same. */
static void a_server_that_is_announced_twice_and_left_once_answers_all(void)
{
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	struct announcement said = find_announced(find_topic("service"));
	struct floe_publisher *pub = publisher(find_topic("service"), PUBLISHER(.depth = 2));
	struct floe_response response;

	announce(pub, &said);
	for (int i = 0; i < 4; i++)
		ask_one(client, -1);
	said.leaving = 1;
	announce(pub, &said);
	expect_equal(floe_client_take(client, &response), 0);
	expect_equal(floe_client_take(client, &response), 0);
	expect_equal(count_client(client).servers, 1);
	for (int i = 0; i < 4; i++) {
		expect(serve_one(server));
		expect_one_response(client);
	}
	expect_ended(client);
	expect_equal(count_client(client).failed, 0);
	floe_publisher_close(pub);
	floe_client_close(client);
	floe_server_close(server);
}

/* The same, and then it leaves itself: whatever is announced of it, nobody waits for it. */
static void a_server_that_left_is_gone_whoever_announces_it(void)
{
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	struct announcement said = find_announced(find_topic("service"));
	struct floe_publisher *pub = publisher(find_topic("service"), PUBLISHER(.depth = 2));

	announce(pub, &said);
	for (int i = 0; i < 4; i++)
		ask_one(client, -1);
	floe_server_close(server);
	expect_ended(client);
	expect_equal(count_client(client).failed, 4);
	floe_publisher_close(pub);
	floe_client_close(client);
}

/* All that it was sent was sent before the other one announced it. */
static void a_server_that_left_is_gone_whoever_announces_it_later(void)
{
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	struct announcement said = find_announced(find_topic("service"));
	struct floe_publisher *pub = publisher(find_topic("service"), PUBLISHER(.depth = 2));

	ask_one(client, -1);
	announce(pub, &said);
	floe_server_close(server);
	expect_ended(client);
	expect_equal(count_client(client).failed, 1);
	floe_publisher_close(pub);
	floe_client_close(client);
}

#define POLL_MS 10000 /* what comes comes long before */

static void poll_end(struct floe_client *client)
{
	struct pollfd ready = {.fd = floe_client_fd(client), .events = POLLIN};
	struct floe_response response;

	while (floe_client_take(client, &response) != 1)
		expect_equal(poll(&ready, 1, POLL_MS), 1);
	expect_equal(response.status, -EPIPE);
}

static void serve_nobody(int wire, void *argument)
{
	struct floe_server *server = open_server();

	(void)argument;
	tell(wire, 1);
	(void)hear(wire);
	floe_server_close(server);
}

/* Some of what it is sent is sent because of somebody else, whose omen says nothing of it. */
static void poll_for_the_end(int before, void (*end_it)(struct peer *peer))
{
	struct peer peer = peer_start(serve_nobody, NULL);
	struct floe_publisher *pub;
	struct floe_client *client;
	struct announcement said;

	expect_equal(hear(peer.wire), 1);
	client = open_client();
	said = find_announced(find_topic("service"));
	pub = publisher(find_topic("service"), PUBLISHER(.depth = 2));
	for (int i = 0; i < before; i++)
		ask_one(client, -1);
	announce(pub, &said);
	for (int i = before; i < 4; i++)
		ask_one(client, -1);
	expect(floe_client_fd(client) >= 0);
	take_some(client);
	end_it(&peer);
	for (int i = 0; i < 4; i++)
		poll_end(client);
	expect_ended(client);
	floe_publisher_close(pub);
	floe_client_close(client);
}

static void close_it(struct peer *peer)
{
	tell(peer->wire, 1);
	peer_end(peer);
}

static void who_polls_hears_of_a_server_that_left_whoever_announces_it(void)
{
	for (int before = 0; before <= 4; before++)
		poll_for_the_end(before, close_it);
}

static void who_polls_hears_of_a_server_that_died_whoever_announces_it(void)
{
	for (int before = 0; before <= 4; before++)
		poll_for_the_end(before, peer_kill);
}

/* Without having to do with them: nobody listens where he says. */
static void who_announces_servers_that_are_none_gets_no_requests(void)
{
	struct floe_server *server = open_server();
	struct announcement said = find_announced(find_topic("service"));
	const char *topic = find_topic("service");
	struct floe_publisher *pub[FORGED];
	struct floe_client *client;
	struct floe_error error;
	struct floe_loan loan;

	for (int i = 0; i < FORGED; i++) {
		said.server++;
		pub[i] = publisher(topic, PUBLISHER(.depth = 2));
		announce(pub[i], &said);
	}
	client = open_client();
	for (int i = 0; i < 8; i++)
		ask_one(client, -1);
	for (int i = 0; i < 8; i++) {
		expect(serve_one(server));
		expect_one_response(client);
	}
	expect_equal(count_client(client).sent, 8);
	expect_equal(count_client(client).servers, 1);
	expect_ended(client);
	floe_server_close(server);
	expect_equal(floe_client_loan(client, 8, &loan), -ENOTCONN);
	expect_equal(floe_client_explain(client, &error), 1);
	expect(strstr(error.text, "does not listen on 't@server."));
	for (int i = 0; i < FORGED; i++)
		floe_publisher_close(pub[i]);
	floe_client_close(client);
}

/* Nothing more of its ring is believed. */
static void a_server_that_breaks_the_rules_ends_its_requests_with_that(void)
{
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	struct floe_response response;

	ask_one(client, -1);
	expect(serve_one(server));
	expect_one_response(client);
	ask_one(client, -1);
	break_ring(find_topic("client"), 0);
	while (floe_client_take(client, &response) != 1)
		;
	expect_equal(response.status, -EPROTO);
	expect_equal(count_client(client).failed, 1);
	expect_equal(count_client(client).servers, 0);
	expect_ended(client);
	floe_client_close(client);
	floe_server_close(server);
}

/* A ring that says it is this server's, as the publisher of this index. */
static struct floe_publisher *forge_ring(const char *topic, unsigned index,
					 const struct announcement *of)
{
	struct floe_publisher *pub = publisher(topic, PUBLISHER(.depth = 2));
	struct segment_shared *segment;
	size_t size;

	segment = map_ring(topic, index, &size);
	segment->sender = of->server;
	store_release(&segment->owner, of->node);
	expect_equal(munmap(segment, size), 0);
	return pub;
}

/* Its server has left, which its client knows before it comes to the response. */
static void a_response_behind_broken_rings_comes_whoever_forges_one(void)
{
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	struct announcement said = find_announced(find_topic("service"));
	const char *topic = find_topic("client");
	struct floe_publisher *pub[1 + BROKEN_MAX] = {forge_ring(topic, 0, &said)};

	for (unsigned i = 1; i <= BROKEN_MAX; i++) {
		pub[i] = publisher(topic, PUBLISHER(.depth = 2));
		break_ring(topic, i);
	}
	ask_one(client, -1);
	expect(serve_one(server));
	floe_server_close(server);
	expect_equal(count_client(client).servers, 0);
	expect_one_response(client);
	expect_ended(client);
	for (unsigned i = 0; i <= BROKEN_MAX; i++)
		floe_publisher_close(pub[i]);
	floe_client_close(client);
}

/* A whole one is there too, or will be. `before`: so many responses came before it is forged. */
static void forge_broken(unsigned before, unsigned after)
{
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	struct announcement said = find_announced(find_topic("service"));
	struct floe_publisher *pub;

	for (unsigned i = 0; i < before; i++) {
		ask_one(client, -1);
		expect(serve_one(server));
		expect_one_response(client);
	}
	pub = forge_ring(find_topic("client"), before > 0, &said);
	break_ring(find_topic("client"), before > 0);
	for (unsigned i = 0; i < after; i++) {
		ask_one(client, -1);
		take_some(client);
		expect_equal(count_client(client).servers, 1);
		expect(serve_one(server));
		expect_one_response(client);
	}
	expect_ended(client);
	expect_equal(count_client(client).failed, 0);
	floe_publisher_close(pub);
	floe_client_close(client);
	floe_server_close(server);
}

static void a_ring_that_is_forged_and_broken_costs_nobody_his_server(void)
{
	for (unsigned before = 0; before < 3; before++)
		for (unsigned after = 1; after < 3; after++)
			forge_broken(before, after);
}

/* It is its own, and shows when it takes: until then that could be anybody's. */
static void break_before_take(bool by_descriptor)
{
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	struct pollfd ready = {.events = POLLIN};
	int r;
	struct floe_response response = {0};
	struct floe_request request;
	struct floe_loan loan;

	expect_equal(floe_client_loan(client, 40, &loan), 1);
	expect_equal(floe_server_take(server, &request), 0);
	break_ring(find_topic("client"), 0);
	if (by_descriptor)
		ready.fd = floe_client_fd(client);
	expect(ready.fd >= 0);
	memset(loan.data, 5, loan.size);
	expect_equal(floe_client_send(client, &loan, -1, NULL), 1);
	take_some(client);
	expect_equal(count_client(client).servers, 1);
	expect_equal(floe_server_take(server, &request), 1);
	/* That there may be news makes it readable as well. */
	do {
		if (by_descriptor)
			expect_equal(poll(&ready, 1, 10000), 1);
		else
			expect_equal(floe_client_wait(client, now_ns() + 60000 * MILLISECONDS), 1);
		r = floe_client_take(client, &response);
	} while (by_descriptor && r == 0);
	expect_equal(r, 1);
	expect_equal(response.status, -EPROTO);
	expect_equal(count_client(client).servers, 0);
	expect_ended(client);
	expect_equal(floe_server_end(server, &request, 0), 0);
	floe_client_close(client);
	floe_server_close(server);
}

static void a_server_that_breaks_the_rules_before_it_takes_ends_its_requests(void)
{
	break_before_take(false);
	break_before_take(true);
}

/* Its server cannot answer it, and answers others. */
static void a_client_whose_topic_is_full_keeps_no_other_waiting(void)
{
	struct floe_server *server = open_server();
	struct floe_client *crowded = open_client();
	struct floe_publisher *pub[FLOE_PUBLISHERS_MAX];
	struct floe_server_counts counts;
	struct floe_client *decent;
	const char *topic = find_topic("client");

	for (int i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		pub[i] = publisher(topic, PUBLISHER(.depth = 1));
	ask_one(crowded, -1);
	decent = open_client();
	ask_one(decent, -1);
	for (int i = 0; i < 10 && !serve_one(server); i++)
		;
	expect_one_response(decent);
	expect_equal(floe_server_count(server, &counts, sizeof(counts)), 0);
	expect_equal(counts.abandoned, 1);
	expect_equal(counts.active, 0);
	for (int i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		floe_publisher_close(pub[i]);
	floe_client_close(decent);
	floe_client_close(crowded);
	floe_server_close(server);
}

/* Another one in its place, with the same in it, under a lock: its descriptor. */
static int lock_topic(const char *topic)
{
	char path[512], pattern[512], made[512 + 8], content[4096];
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	glob_t files;
	ssize_t size;
	int from, to;

	(void)snprintf(pattern, sizeof(pattern), "%s/*/topics/%s/topic", getenv("FLOE_DIR"), topic);
	expect_equal(glob(pattern, 0, NULL, &files), 0);
	(void)snprintf(path, sizeof(path), "%s", files.gl_pathv[0]);
	globfree(&files);
	(void)snprintf(made, sizeof(made), "%s.made", path);
	from = open(path, O_RDONLY | O_CLOEXEC);
	to = open(made, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	size = read(from, content, sizeof(content));
	expect(size > 0);
	expect_equal(write(to, content, (size_t)size), size);
	close(from);
	expect_equal(fcntl(to, F_OFD_SETLK, &all), 0);
	expect_equal(rename(made, path), 0);
	return to;
}

#define SLEEPS 50 /* who waits for the lock, even to clean up, sleeps hundreds of times */

static long count_sleeps(void)
{
	struct rusage usage;

	expect_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_nvcsw;
}

/* As if it were about to be removed. */
static void a_client_that_locks_its_topic_keeps_no_other_waiting(void)
{
	struct floe_server *server = open_server();
	struct floe_client *locked = open_client();
	struct floe_client *decent;
	int lock = lock_topic(find_topic("client"));
	long before = count_sleeps();

	ask_one(locked, -1);
	decent = open_client();
	ask_one(decent, -1);
	for (int i = 0; i < 10 && !serve_one(server); i++)
		;
	expect_one_response(decent);
	expect(count_sleeps() - before < SLEEPS);
	close(lock);
	floe_client_close(decent);
	floe_client_close(locked);
	floe_server_close(server);
}

/* It is another user's, with all that is in it. */
static void give_away(const char *topic, const char *name)
{
	char pattern[512];
	glob_t files;

	(void)snprintf(pattern, sizeof(pattern), "%s/*/topics/%s/%s", getenv("FLOE_DIR"), topic,
		       name);
	expect_equal(glob(pattern, 0, NULL, &files), 0);
	expect_equal(chown(files.gl_pathv[0], SOMEBODY, (gid_t)-1), 0);
	globfree(&files);
}

/* They would leave no room for its server, which would wait for some and answer nobody. */
static void terms_that_a_client_lays_down_keep_no_other_waiting(void)
{
	struct terms_shared terms = {
		.identity = identity_make(TERMS_MAGIC, TERMS_SIGNATURE),
		.memory_max = 1,
	};
	struct floe_server *server;
	struct floe_client *client;
	struct domain domain;
	const char *topic;

	if (geteuid() != 0)
		skip("only root gives files away");
	server = open_server();
	client = open_client();
	topic = find_topic("client");
	expect_equal(domain_init(&domain, NULL, NULL, NULL), 0);
	expect_equal(terms_write(&terms, &domain, topic, 0644, NULL), 0);
	give_away(topic, "terms");
	give_away(topic, "");
	ask_one(client, -1);
	expect(serve_one(server));
	expect_one_response(client);
	terms_remove(&domain, topic);
	floe_client_close(client);
	floe_server_close(server);
}

/* The port of this process with so many holds, to be written. */
static struct port_shared *map_port(uint32_t holds, struct node_shared **ret_node, size_t *ret_size)
{
	struct port_shared *port;
	char pattern[512];
	glob_t files;
	int fd;

	(void)snprintf(pattern, sizeof(pattern), "%s/*/nodes/*", getenv("FLOE_DIR"));
	expect_equal(glob(pattern, 0, NULL, &files), 0);
	expect_equal(files.gl_pathc, 1);
	fd = open(files.gl_pathv[0], O_RDWR | O_CLOEXEC);
	globfree(&files);
	*ret_size = (size_t)lseek(fd, 0, SEEK_END);
	*ret_node = mmap(NULL, *ret_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(*ret_node != MAP_FAILED);
	close(fd);
	port = (struct port_shared *)(void *)(*ret_node)->ports;
	while (port->holds_max != holds)
		port = (struct port_shared *)(void *)((char *)port + port->size);
	return port;
}

/* Sends one response that is not the last; what lending it says. */
static int send_more(struct floe_server *server, struct floe_request *request)
{
	struct floe_loan loan;
	int r = floe_server_loan(server, request, 100, &loan);

	if (r != 1)
		return r;
	memset(loan.data, 1, loan.size);
	return floe_server_send(server, request, &loan, 1);
}

/* He says that he holds one at most, and holds all there are. */
static void an_end_comes_whatever_others_hold(void)
{
	static const struct floe_type large = {.size = 64};
	struct floe_response response;
	struct floe_subscriber *sub;
	struct floe_request request;
	struct floe_server *server;
	struct floe_client *client;
	struct floe_sample sample;
	struct node_shared *node;
	size_t size;
	int r = 1;

	header = &large;
	server = open_server();
	client = open_client();
	ask_one(client, -1);
	expect_equal(floe_server_take(server, &request), 1);
	expect_equal(send_more(server, &request), 1);
	sub = subscriber(find_topic("client"), SUBSCRIBER(.holds_max = 255));
	store_relaxed(&map_port(255, &node, &size)->holds_limit, 1);
	while (r == 1) {
		expect_equal(floe_client_take(client, &response), 1);
		floe_client_release(client, &response);
		r = send_more(server, &request);
		if (r == 1)
			expect_equal(floe_take(sub, &sample), 1);
	}
	expect_equal(r, 0);
	expect_equal(floe_server_end(server, &request, 0), 0);
	expect_equal(floe_client_take(client, &response), 1);
	expect_equal(response.status, 0);
	expect_ended(client);
	expect_equal(munmap(node, size), 0);
	floe_subscriber_close(sub);
	floe_client_close(client);
	floe_server_close(server);
}

/*
 * A server that says again what it said, or answers what another one was asked
 */

/* The last message of that ring once more, as the answer to this request; 0: to the same as before. */
static void say_again(const char *topic, unsigned index, uint64_t request)
{
	size_t size;
	struct segment_shared *segment = map_ring(topic, index, &size);
	uint64_t last = load_relaxed(&segment->head);
	struct slot_shared *from = slots_of(segment) + last % segment->depth;
	struct slot_shared *to = slots_of(segment) + (last + 1) % segment->depth;
	uint64_t what = load_relaxed(&from->what);

	expect(what & SLOT_INLINE);
	if (request)
		what = (what & ~(SLOT_MARK_MASK << SLOT_MARK_SHIFT)) | request << SLOT_MARK_SHIFT;
	memcpy((void *)to->word, (const void *)from->word, sizeof(to->word));
	store_relaxed(&to->what, what);
	store_release(&to->sequence, 2 * last + 2);
	store_release(&segment->head, last + 1);
	expect_equal(munmap(segment, size), 0);
}

static void what_is_answered_twice_is_answered_once(void)
{
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	struct floe_response response;

	ask_one(client, -1);
	expect(serve_one(server));
	expect_one_response(client);
	say_again(find_topic("client"), 0, 0);
	expect_equal(floe_client_take(client, &response), 0);
	expect_equal(count_client(client).late, 1);
	floe_client_close(client);
	floe_server_close(server);
}

static uint64_t ask_and_know(struct floe_client *client)
{
	struct floe_loan loan;
	uint64_t number;

	expect_equal(floe_client_loan(client, 40, &loan), 1);
	memset(loan.data, 5, loan.size);
	expect_equal(floe_client_send(client, &loan, -1, &number), 1);
	return number;
}

static void who_was_not_asked_does_not_answer(void)
{
	struct floe_server *servers[2] = {open_server(), open_server()};
	struct floe_client *client = open_client();
	struct floe_response response;
	struct floe_request request;
	unsigned asked;
	uint64_t number;

	for (unsigned i = 0; i < 2; i++)
		ask_one(client, -1);
	for (unsigned i = 0; i < 2; i++)
		expect(serve_one(servers[i]));
	expect_ended(client);
	number = ask_and_know(client);
	asked = floe_server_take(servers[0], &request) == 1 ? 0 : 1;
	if (asked == 1)
		expect_equal(floe_server_take(servers[1], &request), 1);
	say_again(find_topic("client"), !asked, number);
	expect_equal(floe_client_take(client, &response), 0);
	expect_equal(floe_server_end(servers[asked], &request, -EPERM), 0);
	expect_equal(floe_client_take(client, &response), 1);
	expect_equal(response.request, number);
	expect_equal(response.status, -EPERM);
	floe_client_close(client);
	for (unsigned i = 0; i < 2; i++)
		floe_server_close(servers[i]);
}

/*
 * A server that is gone and leaves a ring that never ends
 */

/* Each slot has a message that may be there one day, and the head has none of them. */
static void make_endless(const char *topic, unsigned index)
{
	size_t size;
	struct segment_shared *segment = map_ring(topic, index, &size);
	uint64_t far = SEQUENCE_MAX / 2 / segment->depth * segment->depth;

	for (uint32_t i = 0; i < segment->depth; i++)
		store_relaxed(&slots_of(segment)[i].sequence, 2 * (far + i));
	expect_equal(munmap(segment, size), 0);
}

/* The server itself announces that. */
static void announce_leaving(const char *topic)
{
	size_t size;
	struct segment_shared *segment = map_ring(topic, 0, &size);
	uint64_t last = load_relaxed(&segment->head);
	struct slot_shared *from = slots_of(segment) + last % segment->depth;
	struct slot_shared *to = slots_of(segment) + (last + 1) % segment->depth;
	struct announcement said;

	memcpy(&said, (const void *)from->word, sizeof(said));
	said.leaving = 1;
	store_relaxed(&to->sequence, 2 * last + 1);
	memcpy((void *)to->word, &said, sizeof(said));
	store_relaxed(&to->what, load_relaxed(&from->what));
	store_release(&to->sequence, 2 * last + 2);
	store_release(&segment->head, last + 1);
	expect_equal(munmap(segment, size), 0);
}

/* Nor is anybody told of it: there is nothing, and it can be waited for. */
static void leave_without_end(bool forged)
{
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	struct announcement said = find_announced(find_topic("service"));
	struct floe_publisher *pub = forged ? forge_ring(find_topic("client"), 0, &said) : NULL;
	struct floe_response response = {0};
	int r = 0;

	ask_one(client, -1);
	expect(serve_one(server));
	expect_one_response(client);
	ask_one(client, -1);
	make_endless(find_topic("client"), forged);
	announce_leaving(find_topic("service"));
	for (int i = 0; i < 1000 && r == 0; i++)
		r = floe_client_take(client, &response);
	expect_equal(r, 1);
	expect_equal(response.status, -EPIPE);
	expect_equal(count_client(client).servers, 0);
	expect_ended(client);
	expect_equal(floe_client_take(client, &response), 0);
	expect_equal(floe_client_wait(client, now_ns() + 10 * MILLISECONDS), 0);
	floe_publisher_close(pub);
	floe_client_close(client);
	floe_server_close(server);
}

static void a_ring_without_end_keeps_no_request_open(void)
{
	leave_without_end(false);
}

static void a_ring_without_end_beside_a_forged_one_keeps_no_request_open(void)
{
	leave_without_end(true);
}

#define REPLACED (FLOE_PUBLISHERS_MAX + 40)

/* In the place of what has this index. It is made as the publisher of the next one. */
static struct floe_publisher *replace_ring(unsigned index, const struct announcement *of)
{
	const char *topic = find_topic("client");
	struct floe_publisher *pub = forge_ring(topic, index + 1, of);
	char pattern[512], path[512];
	struct segment_shared *segment;
	glob_t files;
	size_t size;

	make_endless(topic, index + 1);
	segment = map_ring(topic, index + 1, &size);
	segment->index = index;
	expect_equal(munmap(segment, size), 0);
	(void)snprintf(pattern, sizeof(pattern), "%s/*/topics/%s/pub.%u", getenv("FLOE_DIR"), topic,
		       index + 1);
	expect_equal(glob(pattern, 0, NULL, &files), 0);
	(void)snprintf(path, sizeof(path), "%.*s/pub.%u",
		       (int)(strrchr(files.gl_pathv[0], '/') - files.gl_pathv[0]),
		       files.gl_pathv[0], index);
	expect_equal(rename(files.gl_pathv[0], path), 0);
	globfree(&files);
	return pub;
}

/* At each look of the client there is one that begins where the first one did. */
static void rings_that_are_replaced_for_ever_keep_no_request_open(void)
{
	struct floe_publisher *pub[1 + REPLACED] = {NULL};
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	struct announcement said = find_announced(find_topic("service"));
	struct floe_response response = {0};
	int count = 0;
	int r;

	ask_one(client, -1);
	expect(serve_one(server));
	expect_one_response(client);
	ask_one(client, -1);
	pub[count++] = forge_ring(find_topic("client"), 1, &said);
	make_endless(find_topic("client"), 1);
	announce_leaving(find_topic("service"));
	r = floe_client_take(client, &response);
	while (r == 0 && count <= REPLACED) {
		pub[count++] = replace_ring(1, &said);
		r = floe_client_take(client, &response);
	}
	expect_equal(r, 1);
	expect_equal(response.status, -EPIPE);
	while (count > 0)
		floe_publisher_close(pub[--count]);
	floe_client_close(client);
	floe_server_close(server);
}

/* It is not one that is removed with its client, for its slots never have what comes next. */
static void a_ring_without_end_of_a_client_that_is_gone_is_let_go(void)
{
	struct floe_server *server = open_server();
	struct floe_client *client = open_client();
	struct floe_request request = {0};

	ask_one(client, -1);
	expect(serve_one(server));
	make_endless(find_topic("server"), 0);
	floe_client_close(client);
	for (int i = 0; i < 1000; i++)
		expect_equal(floe_server_take(server, &request), 0);
	expect_equal(floe_server_wait(server, now_ns() + 10 * MILLISECONDS), 0);
	floe_server_close(server);
}

/*
 * Headers that are not what was agreed on
 */

#define LIE_NONE 0
#define LIE_ALL 0xffffffff
static const uint32_t lies[] = {LIE_NONE, 1, 8, 15, 17, 64, FLOE_HEADER_MAX, FLOE_HEADER_MAX + 1,
				LIE_ALL};

static void lie_about_header(const char *topic, unsigned index, uint32_t size)
{
	size_t length;
	struct segment_shared *segment = map_ring(topic, index, &length);

	expect_equal(segment->header_size, attack_header.size);
	segment->header_size = size;
	expect_equal(munmap(segment, length), 0);
}

/* The same in its accord, which is compared with what the other side wants. */
static void lie_twice(const char *topic, unsigned index, uint32_t size)
{
	size_t length;
	struct segment_shared *segment = map_ring(topic, index, &length);
	struct accord_shared *offer =
		(struct accord_shared *)(void *)((char *)segment + segment_accord_offset(segment));

	expect_equal(offer->header.size, attack_header.size);
	offer->header.size = size;
	expect_equal(munmap(segment, length), 0);
	lie_about_header(topic, index, size);
}

/* Until nothing is there: how many were answered, and how often was said that a ring is damaged? */
static int serve_all(struct floe_server *server, int *ret_damaged)
{
	struct floe_request request;
	int served = 0;
	int r;

	*ret_damaged = 0;
	while ((r = floe_server_take(server, &request)) != 0) {
		size_t size;
		const void *beside;

		*ret_damaged += r == -EPROTO;
		expect(r == 1 || r == -EPROTO);
		if (r != 1)
			continue;
		beside = floe_server_request_header(server, &request, &size);
		expect(beside && size == header->size);
		read_all(beside, size);
		expect_equal(floe_server_end(server, &request, 0), 0);
		served++;
	}
	return served;
}

/* Its server has not looked at the ring yet. */
static void a_client_that_lies_about_its_headers_is_not_served(void)
{
	header = &attack_header;
	for (size_t i = 0; i < 2 * COUNT(lies); i++) {
		struct floe_server *server = open_server();
		struct floe_client *liar = open_client();
		struct floe_client *decent = open_client();
		int damaged;

		ask_one(liar, -1);
		ask_one(decent, -1);
		(i % 2 ? lie_twice : lie_about_header)(find_topic("server"), 0, lies[i / 2]);
		expect_equal(serve_all(server, &damaged), 1);
		/* What is possible, and only not what was agreed on, is left alone. */
		expect(damaged == 1 || (i % 2 && damaged == 0));
		ask_one(decent, -1);
		expect_equal(serve_all(server, &damaged), 1);
		expect_equal(damaged, 0);
		floe_client_close(decent);
		floe_client_close(liar);
		floe_server_close(server);
	}
}

/* The server has mapped the ring: how large headers are is known since, and not asked again. */
static void a_header_that_grows_is_what_it_was(void)
{
	header = &attack_header;
	for (size_t i = 0; i < COUNT(lies); i++) {
		struct floe_server *server = open_server();
		struct floe_client *liar = open_client();
		int damaged;

		ask_one(liar, -1);
		expect_equal(serve_all(server, &damaged), 1);
		lie_about_header(find_topic("server"), 0, lies[i]);
		ask_one(liar, -1);
		expect_equal(serve_all(server, &damaged), 1);
		expect_equal(damaged, 0);
		floe_client_close(liar);
		floe_server_close(server);
	}
}

/* A server whose ring of responses cannot be read answers nothing, as one that never does. */
static void a_server_that_lies_about_its_headers_is_not_heard(void)
{
	header = &attack_header;
	for (size_t i = 0; i < 2 * COUNT(lies); i++) {
		struct floe_server *server = open_server();
		struct floe_client *client = open_client();
		struct floe_response response;

		ask_one(client, -1);
		expect(serve_one(server));
		(i % 2 ? lie_twice : lie_about_header)(find_topic("client"), 0, lies[i / 2]);
		expect_equal(floe_client_take(client, &response), 0);
		floe_server_close(server);
		expect_equal(floe_client_wait(client, now_ns() + 60000 * MILLISECONDS), 1);
		expect_equal(floe_client_take(client, &response), 1);
		expect_equal(response.status, -EPIPE);
		expect(!response.data && !floe_client_response_header(client, &response, NULL));
		floe_client_close(client);
	}
}

static void lie_about_place(const char *topic, unsigned index, uint32_t offset)
{
	size_t length;
	struct segment_shared *segment = map_ring(topic, index, &length);

	segment->header_inline = offset;
	expect_equal(munmap(segment, length), 0);
}

static const struct floe_type aligned[] = {
	{.size = 16, .alignment = 16},
	{.name = "named", .size = 16, .alignment = 16},
	{.size = 16, .alignment = 32},
	{.name = "named", .size = 16, .alignment = 32},
};

/* In its slot, of a size that was agreed on, but where it is not aligned. */
static void a_client_whose_headers_are_not_aligned_is_not_served(void)
{
	for (size_t i = 0; i < COUNT(aligned); i++) {
		struct floe_server *server;
		struct floe_client *liar, *decent;
		int damaged;

		header = &aligned[i];
		server = open_server();
		liar = open_client();
		decent = open_client();
		ask_one(liar, -1);
		ask_one(decent, -1);
		lie_about_place(find_topic("server"), 0, 8);
		expect_equal(serve_all(server, &damaged), 1);
		expect_equal(damaged, 1);
		ask_one(decent, -1);
		expect_equal(serve_all(server, &damaged), 1);
		expect_equal(damaged, 0);
		floe_client_close(decent);
		floe_client_close(liar);
		floe_server_close(server);
	}
}

static void a_server_whose_headers_are_not_aligned_is_not_heard(void)
{
	for (size_t i = 0; i < COUNT(aligned); i++) {
		struct floe_server *server;
		struct floe_client *client;
		struct floe_response response;

		header = &aligned[i];
		server = open_server();
		client = open_client();
		ask_one(client, -1);
		expect(serve_one(server));
		lie_about_place(find_topic("client"), 0, 8);
		expect_equal(floe_client_take(client, &response), 0);
		floe_client_close(client);
		floe_server_close(server);
	}
}

/* Who wants no header reads it as it is. */
static void a_publisher_whose_headers_are_not_aligned_is_refused(void)
{
	for (size_t i = 0; i < COUNT(aligned); i++) {
		const struct floe_type *wanted = &aligned[i];
		struct floe_publisher *pub = publisher(NAME, PUBLISHER(.header = wanted));
		struct floe_subscriber *sub;

		lie_about_place(NAME, 0, 8);
		expect_equal(try_subscriber(NAME, SUBSCRIBER(.header = wanted), "not aligned"),
			     -EPROTO);
		sub = subscriber(NAME, NULL);
		publish(pub, 8, 1);
		receive(sub, 8, 1);
		floe_subscriber_close(sub);
		lie_about_place(NAME, 0, 32);
		sub = subscriber(NAME, SUBSCRIBER(.header = wanted));
		publish(pub, 8, 2);
		receive(sub, 8, 2);
		floe_subscriber_close(sub);
		floe_publisher_close(pub);
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_notifier_that_writes_nonsense_hurts_nobody),
		TEST(a_notifier_of_many_tebibytes_of_nothing_is_left_out),
		TEST(a_board_of_many_tebibytes_of_nothing_is_left_out),
		TEST(a_boards_writer_that_writes_nonsense_hurts_nobody),
		TEST(a_server_that_announces_nonsense_hurts_nobody),
		TEST(a_server_that_answers_nonsense_hurts_nobody),
		TEST(a_client_that_asks_nonsense_hurts_nobody),
		TEST(responses_that_nobody_asked_for_keep_nobody_in_one_call),
		TEST(a_flood_of_responses_hides_no_end),
		TEST(requests_of_nobody_keep_no_server_in_one_call),
		TEST(a_client_is_told_by_edges_of_the_rest_of_a_flood),
		TEST(a_server_is_told_by_edges_of_the_rest_of_a_flood),
		TEST(servers_that_come_and_go_keep_nobody_in_one_call),
		TEST(a_response_behind_broken_rings_comes),
		TEST(a_hint_that_lies_leaves_no_server_out),
		TEST(a_number_that_two_announce_cuts_nobody_off),
		TEST(a_server_that_is_announced_twice_and_left_once_answers_all),
		TEST(a_server_that_left_is_gone_whoever_announces_it),
		TEST(a_server_that_left_is_gone_whoever_announces_it_later),
		TEST(who_polls_hears_of_a_server_that_left_whoever_announces_it),
		TEST(who_polls_hears_of_a_server_that_died_whoever_announces_it),
		TEST(who_announces_servers_that_are_none_gets_no_requests),
		TEST(a_server_that_breaks_the_rules_ends_its_requests_with_that),
		TEST(a_response_behind_broken_rings_comes_whoever_forges_one),
		TEST(a_ring_that_is_forged_and_broken_costs_nobody_his_server),
		TEST(a_server_that_breaks_the_rules_before_it_takes_ends_its_requests),
		TEST(a_client_whose_topic_is_full_keeps_no_other_waiting),
		TEST(a_client_that_locks_its_topic_keeps_no_other_waiting),
		TEST(terms_that_a_client_lays_down_keep_no_other_waiting),
		TEST(an_end_comes_whatever_others_hold),
		TEST(what_is_answered_twice_is_answered_once),
		TEST(who_was_not_asked_does_not_answer),
		TEST(a_ring_without_end_keeps_no_request_open),
		TEST(a_ring_without_end_beside_a_forged_one_keeps_no_request_open),
		TEST(rings_that_are_replaced_for_ever_keep_no_request_open),
		TEST(a_ring_without_end_of_a_client_that_is_gone_is_let_go),
		TEST(a_client_that_lies_about_its_headers_is_not_served),
		TEST(a_header_that_grows_is_what_it_was),
		TEST(a_server_that_lies_about_its_headers_is_not_heard),
		TEST(a_client_whose_headers_are_not_aligned_is_not_served),
		TEST(a_server_whose_headers_are_not_aligned_is_not_heard),
		TEST(a_publisher_whose_headers_are_not_aligned_is_refused),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
