/* SPDX-License-Identifier: Apache-2.0 */
#include "peer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frame/frame.h"

struct peer peer_start(void (*life)(int wire, void *argument), void *argument)
{
	struct peer peer;
	int wire[2];

	expect_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wire), 0);
	fflush(stdout);
	peer.pid = fork();
	expect(peer.pid >= 0);
	if (peer.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(wire[0]);
		life(wire[1], argument);
		fflush(stdout);
		_exit(0);
	}
	close(wire[1]);
	peer.wire = wire[0];
	return peer;
}

static int reap(struct peer *peer)
{
	int status = 0;

	while (waitpid(peer->pid, &status, 0) < 0)
		expect_equal(errno, EINTR);
	close(peer->wire);
	peer->pid = 0;
	return status;
}

void peer_end(struct peer *peer)
{
	int status = reap(peer);

	expect(WIFEXITED(status));
	expect_equal(WEXITSTATUS(status), 0);
}

void peer_kill(struct peer *peer)
{
	int status;

	kill(peer->pid, SIGKILL);
	status = reap(peer);
	expect(WIFSIGNALED(status));
	expect_equal(WTERMSIG(status), SIGKILL);
}

void tell(int wire, uint64_t word)
{
	expect_equal(send(wire, &word, sizeof(word), MSG_NOSIGNAL), (ssize_t)sizeof(word));
}

uint64_t hear(int wire)
{
	uint64_t word = 0;
	ssize_t n;

	do {
		n = recv(wire, &word, sizeof(word), 0);
	} while (n < 0 && errno == EINTR);
	expect_equal(n, (ssize_t)sizeof(word));
	return word;
}

uint64_t ask(int wire, uint64_t word)
{
	tell(wire, word);
	return hear(wire);
}
