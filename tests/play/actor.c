/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A subscriber that does what it is told, line by line, for the scripts here:
 *
 *	actor [keep-last | reliable | drop-newest] TOPIC [HOLDS_MAX]
 *	actor answer SERVICE
 *	actor lend TOPIC LOANS_MAX
 *	actor offer TOPIC
 *	actor forbid setup | enter COMMAND...
 *
 *	take     takes the next message and gives it back; prints it, or "empty"
 *	hold     the same, but keeps it
 *	release  gives back all that it kept
 *
 * It prints "ready" when it has joined, and leaves at the end of its input. The second form is a
 * server: it answers "no" with an error, "never" and "never-ever" not at all, the latter it prints;
 * "twice" with two responses, and all else with the same and an exclamation mark. It stays until it is
 * killed. The third is a publisher:
 *
 *	lend     a loan of 1000 bytes, which it keeps; prints 1, or why not
 *	trace    the same, and the place is told
 *	publish  publishes the one that it lent last
 *
 * The fourth is a publisher with headers and attributes, of which it publishes one message; it
 * stays until the end of its input. The fifth becomes the command, for which this io_uring call is forbidden, as
 * in a container.
 */

#include <floe/floe.h>
#include <floe/service.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct floe_sample kept[FLOE_HOLDS_MAX];
static size_t kept_count;

static void give_back_all(struct floe_subscriber *subscriber)
{
	while (kept_count > 0)
		floe_release(subscriber, &kept[--kept_count]);
}

static void take(struct floe_subscriber *subscriber, int keep)
{
	struct floe_sample sample;
	int r = floe_take(subscriber, &sample);

	if (r <= 0) {
		printf("%s\n", r ? strerror(-r) : "empty");
		return;
	}
	printf("%.*s\n", (int)sample.size, (const char *)sample.data);
	if (keep && kept_count < FLOE_HOLDS_MAX)
		kept[kept_count++] = sample;
	else
		floe_release(subscriber, &sample);
}

static void obey(struct floe_subscriber *subscriber, const char *order)
{
	if (!strcmp(order, "take\n"))
		take(subscriber, 0);
	else if (!strcmp(order, "hold\n"))
		take(subscriber, 1);
	else if (!strcmp(order, "release\n"))
		give_back_all(subscriber);
	else
		printf("what?\n");
}

static void respond(struct floe_server *server, struct floe_request *request, int more)
{
	struct floe_loan loan;

	if (floe_server_loan(server, request, request->size + 1, &loan) != 1)
		return;
	memcpy(loan.data, request->data, request->size);
	((char *)loan.data)[request->size] = '!';
	(void)floe_server_send(server, request, &loan, more);
}

static int says(const struct floe_request *request, const char *word)
{
	return request->size == strlen(word) && !memcmp(request->data, word, request->size);
}

static int answer(const char *service)
{
	struct floe_request request;
	struct floe_server *server;

	if (floe_server_open(&server, service, NULL) < 0)
		return 1;
	printf("ready\n");
	(void)fflush(stdout);
	while (floe_server_wait(server, -1) >= 0) {
		if (floe_server_take(server, &request) != 1)
			continue;
		if (says(&request, "no"))
			(void)floe_server_end(server, &request, -ENOENT);
		else if (says(&request, "twice"))
			respond(server, &request, 1);
		else if (says(&request, "never-ever"))
			(void)puts("never-ever");
		(void)fflush(stdout);
		if (request.data && !says(&request, "never") && !says(&request, "never-ever"))
			respond(server, &request, 0);
	}
	return 1;
}

static struct floe_loan lent[FLOE_LOANS_MAX];
static size_t lent_count;

static void lend(struct floe_publisher *publisher, const char *order)
{
	struct floe_loan loan;
	int r;

	if (!strcmp(order, "trace\n"))
		r = floe_loan_traced(publisher, 1000, &loan, __FILE__, __LINE__);
	else
		r = floe_loan(publisher, 1000, &loan);
	if (r == 1)
		lent[lent_count++] = loan;
	printf("%s\n", r < 0 ? strerror(-r) : "1");
}

static void publish(struct floe_publisher *publisher)
{
	if (lent_count > 0)
		printf("%d\n", floe_publish(publisher, &lent[--lent_count]));
	else
		printf("what?\n");
}

static int lend_as_told(const char *topic, size_t loans_max)
{
	const struct floe_publisher_options options = {.size = sizeof(options),
						       .loans_max = loans_max};
	struct floe_publisher *publisher;
	char order[64];

	if (floe_publisher_open(&publisher, topic, &options) < 0)
		return 1;
	printf("ready\n");
	(void)fflush(stdout);
	while (fgets(order, sizeof(order), stdin)) {
		if (!strcmp(order, "publish\n"))
			publish(publisher);
		else
			lend(publisher, order);
		(void)fflush(stdout);
	}
	floe_publisher_close(publisher);
	return 0;
}

static int offer(const char *topic)
{
	static const struct floe_type stamp = {.name = "stamp", .size = 24};
	static const struct floe_attribute attributes[] = {{"frame", "map"}, {"unit", "m/s"}};
	struct floe_publisher_options options = {.size = sizeof(options),
						 .header = &stamp,
						 .attributes = attributes,
						 .attributes_count = 2};
	struct floe_publisher *publisher;
	struct floe_loan loan;

	if (floe_publisher_open(&publisher, topic, &options) < 0 ||
	    floe_loan(publisher, 5, &loan) != 1)
		return 1;
	memcpy(loan.data, "hello", 5);
	memset(floe_loan_header(publisher, &loan), 'h', stamp.size);
	(void)floe_publish(publisher, &loan);
	printf("ready\n");
	(void)fflush(stdout);
	(void)getchar();
	floe_publisher_close(publisher);
	return 0;
}

static int forbid(const char *what, char **command)
{
	uint32_t call = strcmp(what, "setup") ? SYS_io_uring_enter : SYS_io_uring_setup;
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof(program) / sizeof(program[0]), program};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		return 1;
	(void)execv(command[0], command);
	return 1;
}

int main(int argc, char **argv)
{
	struct floe_error error = {0};
	struct floe_subscriber_options options = {.size = sizeof(options), .error = &error};
	struct floe_subscriber *subscriber;
	char order[64];

	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "answer"))
		return answer(argv[2]);
	if (!strcmp(argv[1], "lend") && argc > 3)
		return lend_as_told(argv[2], (size_t)atoi(argv[3]));
	if (!strcmp(argv[1], "offer"))
		return offer(argv[2]);
	if (!strcmp(argv[1], "forbid") && argc > 3)
		return forbid(argv[2], argv + 3);
	if (!strcmp(argv[1], "reliable"))
		options.policy = FLOE_POLICY_RELIABLE;
	if (!strcmp(argv[1], "drop-newest"))
		options.policy = FLOE_POLICY_DROP_NEWEST;
	if (argc > 3)
		options.holds_max = (size_t)atoi(argv[3]);
	if (floe_subscriber_open(&subscriber, argv[2], &options) < 0) {
		(void)fprintf(stderr, "actor: %s\n", error.text);
		return 1;
	}

	printf("ready\n");
	(void)fflush(stdout);
	while (fgets(order, sizeof(order), stdin)) {
		obey(subscriber, order);
		(void)fflush(stdout);
	}
	give_back_all(subscriber);
	floe_subscriber_close(subscriber);
	return 0;
}
