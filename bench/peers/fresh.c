/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two fresh processes, each with one end: how long until the first message is there, and what the two
 * look like while they stay.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ends.h"

extern char **environ;

struct child {
	pid_t pid;
	int in, out; /* its standard input to write to, its standard output to read from */
};

/* The child gets one end of each pipe; ours are closed on its exec. */
static void make_pipes(int in[2], int out[2])
{
	if (pipe(in) < 0 || pipe(out) < 0)
		fail("cannot make a pipe: %s", strerror(errno));
	for (int i = 0; i < 2; i++) {
		fcntl(in[i], F_SETFD, FD_CLOEXEC);
		fcntl(out[i], F_SETFD, FD_CLOEXEC);
	}
}

static struct child start_child(const struct task *task, const char *work)
{
	char payload[24], depth[24], count[24], from[24];
	char *arguments[] = {(char *)(uintptr_t)task->program,
			     (char *)(uintptr_t)work,
			     "--dir",
			     (char *)(uintptr_t)session_dir(),
			     "--payload",
			     payload,
			     "--depth",
			     depth,
			     "--count",
			     count,
			     "--from",
			     from,
			     task->channel.sleeps ? "--sleep" : NULL,
			     NULL};
	posix_spawn_file_actions_t actions;
	struct child child;
	int in[2], out[2], error;

	snprintf(payload, sizeof(payload), "%zu", task->channel.payload);
	snprintf(depth, sizeof(depth), "%u", task->channel.depth);
	snprintf(count, sizeof(count), "%" PRIu64, task->count);
	snprintf(from, sizeof(from), "%" PRIu64, task->from);
	make_pipes(in, out);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	error = posix_spawn(&child.pid, task->program, &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error)
		fail("cannot start %s: %s", task->program, strerror(error));
	close(in[0]);
	close(out[1]);
	child.in = in[1];
	child.out = out[0];
	return child;
}

/* What a child says when it is done: when it came to its own code, when its end was open, and when the
 * first message was sent, or there. */
struct moments {
	int64_t begun_ns, open_ns, done_ns;
};

static struct moments read_moments(const struct child *child)
{
	struct moments moments;
	char text[96];
	ssize_t size = read(child->out, text, sizeof(text) - 1);

	text[size > 0 ? size : 0] = '\0';
	if (sscanf(text, "%" SCNd64 " %" SCNd64 " %" SCNd64, &moments.begun_ns, &moments.open_ns,
		   &moments.done_ns) != 3)
		fail("a process ended before its time");
	return moments;
}

static void end_child(struct child *child)
{
	close(child->in);
	waitpid(child->pid, NULL, 0);
	close(child->out);
}

void work_first(const struct task *task)
{
	int64_t start_ns = now_ns();
	struct child receiver = start_child(task, "receive");
	struct child sender = start_child(task, "send");
	int64_t started_ns = now_ns();
	struct moments there = read_moments(&receiver);
	struct moments sent = read_moments(&sender);

	end_child(&receiver);
	end_child(&sender);
	printf("{\"value\": %" PRId64 ", \"unit\": \"ns\", \"started\": %" PRId64
	       ", \"begun\": %" PRId64 ", \"receiver_open\": %" PRId64 ", \"sender_open\": %" PRId64
	       ", \"sent\": %" PRId64 "}\n",
	       there.done_ns - start_ns, started_ns - start_ns, sent.begun_ns - start_ns,
	       there.open_ns - there.begun_ns, sent.open_ns - sent.begun_ns,
	       sent.done_ns - start_ns);
}

/* Until standard input ends. The two may be killed meanwhile. */
void work_stay(const struct task *task)
{
	struct child receiver = start_child(task, "receive");
	struct child sender = start_child(task, "send");
	char unused;

	read_moments(&receiver);
	read_moments(&sender);
	printf("{\"pids\": [%d, %d]}\n", (int)sender.pid, (int)receiver.pid);
	fflush(stdout);
	while (read(0, &unused, 1) > 0)
		;
	end_child(&sender);
	end_child(&receiver);
}

/*
 * The two. Each says when it is done, and stays until its standard input ends.
 */

static void stay(const struct moments *moments)
{
	char unused;

	printf("%" PRId64 " %" PRId64 " %" PRId64 "\n", moments->begun_ns, moments->open_ns,
	       moments->done_ns);
	fflush(stdout);
	while (read(0, &unused, 1) > 0)
		;
}

void work_send(const struct task *task)
{
	struct moments moments = {.begun_ns = now_ns()};
	struct peer_sender *sender;

	peer_enter("sender");
	sender = peer_sender_open(&task->channel, 0);
	moments.open_ns = now_ns();
	peer_sender_meet(sender);
	for (uint64_t number = 1; number <= task->count; number++)
		send_number(sender, task, task->from + number);
	moments.done_ns = now_ns();
	stay(&moments);
	peer_sender_close(sender);
	peer_leave();
}

void work_receive(const struct task *task)
{
	struct moments moments = {.begun_ns = now_ns()};
	struct peer_receiver *receiver;

	peer_enter("receiver");
	receiver = peer_receiver_open(&task->channel, 0);
	moments.open_ns = now_ns();
	peer_receiver_meet(receiver);
	for (uint64_t next = task->from + 1; next <= task->from + task->count;) {
		uint64_t number = receive_number(receiver, task);

		if (number <= task->from) /* what one who was killed has left */
			continue;
		if (number != next++)
			fail("another message came than the next");
		moments.done_ns = moments.done_ns ? moments.done_ns : now_ns();
	}
	stay(&moments);
	peer_receiver_close(receiver);
	peer_leave();
}
