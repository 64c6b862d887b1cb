/* SPDX-License-Identifier: Apache-2.0 */

/* What the public calls do when system calls of one kind fail, or when the kernel lacks them. */
#include "unit/failing_cast.h"

#include <floe/service.h>

#include <fcntl.h>
#include <glob.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "api/service.h"
#include "channel/segment_layout.h"
#include "registry/topic_layout.h"

/*
 * Calls by their names
 */

/* One publisher is opened with the n-th call of this kind failing: it works, or the errno is
 * passed up as it is, with a sentence. */
static void open_without(enum failing_call call, int code)
{
	title = "a writer alone";
	failing_os_begin();
	for (uint64_t at = 1;; at++) {
		tried = (struct failing_plan){.call = call, .at = at, .code = code};
		failing_os_plan(tried);
		open_writer(0, &small);
		(void)say(0);
		if (failing_os.failed == 0)
			break;
		let_all_through();
		expect_all_to_talk();
		close_all();
		expect_equal(failing_os.descriptors, 0);
	}
	expect(cast.writer[0]);
	close_all();
	failing_os_end();
}

static void open_fails(void)
{
	open_without(FAILING_open, -EMFILE);
}

static void link_fd_fails(void)
{
	open_without(FAILING_link_fd, -ENOSPC);
}

static void map_fails(void)
{
	open_without(FAILING_map, -ENOMEM);
}

static void reserve_fails(void)
{
	open_without(FAILING_reserve, -ENOSPC);
}

static void try_lock_fails(void)
{
	open_without(FAILING_try_lock, -ENOLCK);
}

static void advise_fails(void)
{
	open_without(FAILING_advise, -ENOMEM);
}

static void truncate_fails(void)
{
	open_without(FAILING_truncate, -ENOSPC);
}

/* The growth that failed is tried again when it is needed; until then the reason is told. */
static void what_could_not_grow_grows_later(void)
{
	struct floe_loan loan;
	size_t held = 0;
	int r;

	title = __func__;
	tried = (struct failing_plan){
		.call = FAILING_reserve, .at = 1, .code = -ENOSPC, .stays = true};
	failing_os_begin();
	open_writer(0, &small);
	open_reader(0, &(struct floe_subscriber_options){.holds_max = 30});
	failing_os_plan(tried);
	while (held < 30 && say(0))
		held += (size_t)hear_one(&cast.reader[0]);
	expect(held < 30);
	r = floe_loan(cast.writer[0], 64, &loan);
	expect_equal(r, -ENOSPC);
	let_all_through();
	for (; held < 30; held++) {
		expect_equal(say(0), 1);
		expect_equal(hear_one(&cast.reader[0]), 1);
	}
	forget(&cast.reader[0]);
	close_all();
	failing_os_end();
}

static void ask(struct floe_client *c, char what)
{
	struct floe_loan loan;

	expect_equal(floe_client_loan(c, 1, &loan), 1);
	*(char *)loan.data = what;
	expect_equal(floe_client_send(c, &loan, -1, NULL), 1);
}

static void answer(struct floe_server *s, struct floe_request *request, struct floe_client *c,
		   char what)
{
	struct floe_response response;
	struct floe_loan loan;

	expect_equal(*(const char *)request->data, what);
	expect_equal(floe_server_loan(s, request, 1, &loan), 1);
	*(char *)loan.data = what;
	expect_equal(floe_server_send(s, request, &loan, 0), 1);
	expect_equal(floe_client_take(c, &response), 1);
	expect_equal(*(const char *)response.data, what);
	floe_client_release(c, &response);
}

/* Where the server is told that somebody came or went: what is no count, so that it takes straight from whom it
 * asks next, though there are others, and reads once more who is there. */
static void forge_hint(void)
{
	uint64_t hint = UINT64_MAX;
	char pattern[512];
	glob_t files;
	int fd;

	(void)snprintf(pattern, sizeof(pattern), "%s/*/topics/echo@server.*/topic",
		       getenv("FLOE_DIR"));
	expect_equal(glob(pattern, 0, NULL, &files), 0);
	expect_equal(files.gl_pathc, 1);
	fd = open(files.gl_pathv[0], O_WRONLY | O_CLOEXEC);
	globfree(&files);
	expect(fd >= 0);
	expect_equal(
		pwrite(fd, &hint, sizeof(hint), offsetof(struct topic_shared, hints.publishers)),
		sizeof(hint));
	close(fd);
}

/* A request whose client cannot be answered yet waits, and nobody overtakes it; also not who was served
 * before, two at a time, so that a place lies ready for his. */
static void expect_no_overtaking(bool forged)
{
	struct floe_server *s;
	struct floe_client *known, *new;
	struct floe_request request[2];

	tried = (struct failing_plan){
		.call = FAILING_reserve, .at = 1, .code = -ENOSPC, .stays = true};
	failing_os_begin();
	expect_equal(floe_server_open(&s, "echo", NULL), 0);
	expect_equal(floe_client_open(&known, "echo", NULL), 0);
	ask(known, 'a');
	ask(known, 'b');
	expect_equal(floe_server_take(s, &request[0]), 1);
	expect_equal(floe_server_take(s, &request[1]), 1);
	answer(s, &request[0], known, 'a');
	answer(s, &request[1], known, 'b');
	expect_equal(floe_client_open(&new, "echo", NULL), 0);
	ask(new, 'c');
	failing_os_plan(tried);
	expect_equal(floe_server_take(s, &request[0]), -ENOSPC);
	if (forged)
		forge_hint();
	ask(known, 'd');
	expect_equal(floe_server_take(s, &request[0]), -ENOSPC);
	let_all_through();
	expect_equal(floe_server_take(s, &request[0]), 1);
	expect_equal(floe_server_take(s, &request[1]), 1);
	answer(s, &request[0], new, 'c');
	answer(s, &request[1], known, 'd');
	floe_client_close(new);
	floe_client_close(known);
	floe_server_close(s);
	failing_os_end();
}

static void what_cannot_be_answered_yet_is_not_overtaken(void)
{
	title = __func__;
	expect_no_overtaking(false);
}

static void a_hint_that_lies_lets_nobody_overtake(void)
{
	title = __func__;
	expect_no_overtaking(true);
}

/* His ring can be made by now, and is when the server reads who is there: what he asked first comes first. */
static void a_hint_that_lies_lets_nobody_overtake_himself(void)
{
	struct floe_request request[2];
	struct floe_client *c;
	struct floe_server *s;

	title = __func__;
	tried = (struct failing_plan){
		.call = FAILING_reserve, .at = 1, .code = -ENOSPC, .stays = true};
	failing_os_begin();
	expect_equal(floe_server_open(&s, "echo", NULL), 0);
	expect_equal(floe_client_open(&c, "echo", NULL), 0);
	ask(c, 'a');
	failing_os_plan(tried);
	expect_equal(floe_server_take(s, &request[0]), -ENOSPC);
	ask(c, 'b');
	let_all_through();
	forge_hint();
	expect(floe_server_fd(s) >= 0);
	expect_equal(floe_server_take(s, &request[0]), 1);
	expect_equal(floe_server_take(s, &request[1]), 1);
	answer(s, &request[0], c, 'a');
	answer(s, &request[1], c, 'b');
	floe_client_close(c);
	floe_server_close(s);
	failing_os_end();
}

/* Whoever was not to be answered when he was met is as soon as it may be. */
static void who_could_not_be_answered_when_he_came_is_when_he_asks(void)
{
	struct floe_request request;
	struct floe_client *c;
	struct floe_server *s;

	title = __func__;
	tried = (struct failing_plan){
		.call = FAILING_reserve, .at = 1, .code = -ENOSPC, .stays = true};
	failing_os_begin();
	expect_equal(floe_server_open(&s, "echo", NULL), 0);
	expect_equal(floe_client_open(&c, "echo", NULL), 0);
	ask(c, 'a');
	failing_os_plan(tried);
	/* It has seen him, and asks for no request yet. */
	expect_equal(floe_server_wait(s, 0), 1);
	let_all_through();
	expect_equal(floe_server_take(s, &request), 1);
	answer(s, &request, c, 'a');
	floe_client_close(c);
	floe_server_close(s);
	failing_os_end();
}

static void find_one(const char *pattern, char *ret_path, size_t size)
{
	char whole[256];
	glob_t files;

	(void)snprintf(whole, sizeof(whole), "%s/*/topics/%s", getenv("FLOE_DIR"), pattern);
	expect_equal(glob(whole, 0, NULL, &files), 0);
	expect_equal(files.gl_pathc, 1);
	(void)snprintf(ret_path, size, "%s", files.gl_pathv[0]);
	globfree(&files);
}

/* Who announces himself as a server says which number he has. */
static uint64_t find_server(void)
{
	struct floe_subscriber_options o = {.size = sizeof(o), .history = 1};
	struct announcement said;
	struct floe_sample sample;
	struct floe_subscriber *sub;

	expect_equal(floe_subscriber_open(&sub, "echo@service", &o), 0);
	expect_equal(floe_take(sub, &sample), 1);
	expect_equal(sample.size, sizeof(said));
	memcpy(&said, sample.data, sizeof(said));
	floe_release(sub, &sample);
	floe_subscriber_close(sub);
	return said.server;
}

/* A ring on the client's topic that says it is the server's, whose slots say what no sequence can be. */
static struct floe_publisher *forge_broken_ring(void)
{
	struct segment_shared *segment;
	struct floe_publisher *pub;
	struct slot_shared *slots;
	char path[256];
	size_t size;
	int fd;

	find_one("echo@client.*", path, sizeof(path));
	expect_equal(floe_publisher_open(&pub, strrchr(path, '/') + 1, NULL), 0);
	find_one("echo@client.*/pub.*", path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	size = (size_t)lseek(fd, 0, SEEK_END);
	segment = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(segment != MAP_FAILED);
	close(fd);
	segment->sender = find_server();
	slots = (struct slot_shared *)(void *)((char *)segment + segment->slots_offset);
	for (uint32_t i = 0; i < segment->depth; i++)
		store_relaxed(&slots[i].sequence, UINT64_MAX - 1);
	expect_equal(munmap(segment, size), 0);
	return pub;
}

/* It keeps a request, and has no ring of its own among those in its name. */
static void a_forger_takes_no_server_that_cannot_answer_yet(void)
{
	struct floe_client_counts counts;
	struct floe_response response;
	struct floe_request request;
	struct floe_publisher *pub;
	struct floe_client *c;
	struct floe_server *s;

	title = __func__;
	tried = (struct failing_plan){
		.call = FAILING_reserve, .at = 1, .code = -ENOSPC, .stays = true};
	failing_os_begin();
	expect_equal(floe_server_open(&s, "echo", NULL), 0);
	expect_equal(floe_client_open(&c, "echo", NULL), 0);
	ask(c, 'a');
	failing_os_plan(tried);
	expect_equal(floe_server_take(s, &request), -ENOSPC);
	let_all_through();
	pub = forge_broken_ring();
	for (int i = 0; i < 10; i++) {
		int r = floe_client_take(c, &response);

		expect(r == 0 || r == -EPROTO);
		os->sleep_ns(1000000);
	}
	expect_equal(floe_client_count(c, &counts, sizeof(counts)), 0);
	expect_equal(counts.servers, 1);
	expect_equal(floe_server_take(s, &request), 1);
	answer(s, &request, c, 'a');
	floe_publisher_close(pub);
	floe_client_close(c);
	floe_server_close(s);
	failing_os_end();
}

/* What the system says when it has no more of something, for the moment. */
static void no_lack_costs_a_request(void)
{
	static const int lacks[] = {-ENOSPC, -EDQUOT, -ENOMEM, -EMFILE,
				    -ENFILE, -EAGAIN, -ENOLCK, -EINTR};

	title = __func__;
	for (size_t i = 0; i < FLOE_COUNT(lacks); i++) {
		struct floe_request request;
		struct floe_client *c;
		struct floe_server *s;

		tried = (struct failing_plan){
			.call = FAILING_reserve, .at = 1, .code = lacks[i], .stays = true};
		failing_os_begin();
		expect_equal(floe_server_open(&s, "echo", NULL), 0);
		expect_equal(floe_client_open(&c, "echo", NULL), 0);
		ask(c, 'a');
		failing_os_plan(tried);
		expect_equal(floe_server_take(s, &request), lacks[i]);
		let_all_through();
		expect_equal(floe_server_take(s, &request), 1);
		answer(s, &request, c, 'a');
		floe_client_close(c);
		floe_server_close(s);
		failing_os_end();
	}
}

/* A second process that keeps the topic in use until the descriptor that is returned is closed. */
static int start_resident(pid_t *ret_pid)
{
	int ready[2], leave[2];
	char byte;

	expect_equal(pipe(ready), 0);
	expect_equal(pipe(leave), 0);
	*ret_pid = fork();
	expect(*ret_pid >= 0);
	if (*ret_pid == 0) {
		close(leave[1]);
		open_reader(0, &(struct floe_subscriber_options){0});
		expect_equal(write(ready[1], "r", 1), 1);
		expect_equal(read(leave[0], &byte, 1), 0);
		close_all();
		_exit(0);
	}
	expect_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	close(leave[0]);
	return leave[1];
}

static int count_readers(void)
{
	struct floe_view *view;
	int count;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	count = floe_view_subscribers(view, TOPIC, NULL, 0, 0);
	floe_view_close(view);
	return count;
}

/* The process that could not remove its place ends, the topic goes on. */
static void a_place_that_was_left_is_cleaned(void)
{
	int leave, status;
	pid_t pid;

	title = __func__;
	tried = (struct failing_plan){.call = FAILING_open, .at = 1, .code = -EMFILE};
	failing_os_begin();
	leave = start_resident(&pid);
	open_reader(0, &(struct floe_subscriber_options){0});
	expect_equal(count_readers(), 2);
	failing_os_plan(tried);
	close_reader(0);
	expect_equal(failing_os.failed, 1);
	let_all_through();
	clean();
	expect_equal(count_readers(), 1);
	close(leave);
	expect_equal(waitpid(pid, &status, 0), pid);
	expect_equal(status, 0);
	failing_os_end();
}

/*
 * Kernels that lack a call: two processes talk all the same.
 */

#define ROUNDS 20
#define PAUSE_NS 2000000
/* Half of the time after which who sleeps looks for itself. */
#define SOON_NS 250000000
#define PATIENCE_NS ((int64_t)60000000000)

/* Takes a message at a time and tells so; the last ones it lets lie for a while. */
static void listen_to_all(int told, int64_t sleep_ns)
{
	struct reader *reader = &cast.reader[0];

	open_reader(0, &(struct floe_subscriber_options){.policy = FLOE_POLICY_RELIABLE});
	expect_equal(write(told, "r", 1), 1);
	for (uint64_t count = 0; count < ROUNDS + small.depth + 1; count++) {
		if (count == ROUNDS)
			os->sleep_ns(10 * PAUSE_NS);
		while (floe_wait(reader->sub, os->now_ns() + sleep_ns) == 0)
			;
		expect(hear_one(reader));
		expect_equal(reader->held[0].lost, 0);
		forget(reader);
		expect_equal(write(told, "m", 1), 1);
	}
	close_all();
}

static pid_t start_listener(int *ret_told, int64_t sleep_ns)
{
	int ends[2];
	char byte;
	pid_t pid;

	expect_equal(pipe(ends), 0);
	pid = fork();
	expect(pid >= 0);
	if (pid == 0) {
		listen_to_all(ends[1], sleep_ns);
		_exit(0);
	}
	close(ends[1]);
	*ret_told = ends[0];
	expect_equal(read(*ret_told, &byte, 1), 1);
	return pid;
}

/* Messages are heard soon, by somebody who sleeps; and who is blocked goes on. A busy machine may be late
 * now and then, a sleeper that nobody wakes always is. */
static void talk_to(int told)
{
	int soon = 0;
	char byte;

	for (int i = 0; i < ROUNDS; i++) {
		int64_t begin;

		os->sleep_ns(PAUSE_NS);
		begin = os->now_ns();
		expect_equal(say(0), 1);
		expect_equal(read(told, &byte, 1), 1);
		soon += os->now_ns() - begin < SOON_NS;
	}
	expect(soon > ROUNDS / 2);
	for (size_t i = 0; i < small.depth; i++)
		expect_equal(say(0), 1);
	expect_equal(floe_publisher_wait(cast.writer[0], os->now_ns() + PATIENCE_NS), 1);
	expect_equal(say(0), 1);
}

/* sleep_ns: how long one sleep of the listener may take */
static void talk_without(struct failing_plan plan, int64_t sleep_ns)
{
	int status, told;
	pid_t pid;

	title = "two processes";
	tried = plan;
	failing_os_begin();
	failing_os_plan(plan);
	pid = start_listener(&told, sleep_ns);
	open_writer(0, &small);
	talk_to(told);
	expect_equal(waitpid(pid, &status, 0), pid);
	expect_equal(status, 0);
	close(told);
	expect(failing_os.failed > 0);
	close_all();
	failing_os_end();
}

static void without_registering_for_barriers_messages_flow(void)
{
	talk_without(
		(struct failing_plan){
			.call = FAILING_barrier_register, .at = 1, .code = -ENOSYS, .stays = true},
		PATIENCE_NS);
}

static void without_barriers_messages_flow(void)
{
	talk_without(
		(struct failing_plan){
			.call = FAILING_barrier_all, .at = 1, .code = -EPERM, .stays = true},
		PATIENCE_NS);
}

static void without_waiting_in_the_kernel_messages_flow(void)
{
	talk_without(
		(struct failing_plan){
			.call = FAILING_wait_any, .at = 1, .code = -ENOSYS, .stays = true},
		PATIENCE_NS);
}

static void without_wakes_messages_are_found_in_the_end(void)
{
	talk_without(
		(struct failing_plan){
			.call = FAILING_wake, .at = 1, .code = -EFAULT, .stays = true},
		PAUSE_NS);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(open_fails),
		TEST(link_fd_fails),
		TEST(map_fails),
		TEST(reserve_fails),
		TEST(try_lock_fails),
		TEST(advise_fails),
		TEST(truncate_fails),
		TEST(what_could_not_grow_grows_later),
		TEST(what_cannot_be_answered_yet_is_not_overtaken),
		TEST(a_hint_that_lies_lets_nobody_overtake),
		TEST(a_hint_that_lies_lets_nobody_overtake_himself),
		TEST(who_could_not_be_answered_when_he_came_is_when_he_asks),
		TEST(no_lack_costs_a_request),
		TEST(a_forger_takes_no_server_that_cannot_answer_yet),
		TEST(a_place_that_was_left_is_cleaned),
		TEST(without_registering_for_barriers_messages_flow),
		TEST(without_barriers_messages_flow),
		TEST(without_waiting_in_the_kernel_messages_flow),
		TEST(without_wakes_messages_are_found_in_the_end),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
