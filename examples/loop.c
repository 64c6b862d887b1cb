/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One loop for everything: a topic, standard input and a clock, in one io_uring whose memory is this
 * program's. Lines of standard input are published; what comes on the topic is printed. It ends with
 * the input, or after ten seconds.
 */

#include <floe/uring.h>
#include <stdio.h>
#include <string.h>

enum {
	TOPIC,
	INPUT,
	CLOCK
};

static _Alignas(4096) char memory[16384]; /* floe_uring_memory_size() of it is used */
static struct io_uring ring;
static struct floe_publisher *pub;
static struct floe_subscriber *sub;
static char line[256];

static void wait_for(int what)
{
	static struct __kernel_timespec ten_seconds = {.tv_sec = 10};
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (what == TOPIC)
		floe_uring_prep_topic(sqe, sub);
	else if (what == INPUT)
		io_uring_prep_read(sqe, 0, line, sizeof(line), (__u64)-1);
	else
		io_uring_prep_timeout(sqe, &ten_seconds, 0, 0);
	io_uring_sqe_set_data64(sqe, (__u64)what);
}

static void print_messages(void)
{
	struct floe_sample sample;

	while (floe_take(sub, &sample) == 1) {
		printf("heard: %.*s", (int)sample.size, (const char *)sample.data);
		floe_release(sub, &sample);
	}
}

static void publish(size_t size)
{
	struct floe_loan loan;

	if (floe_loan(pub, size, &loan) == 1) {
		memcpy(loan.data, line, size);
		floe_publish(pub, &loan);
	}
}

/* 0: that was all */
static int handle(int what, int result)
{
	if (what == TOPIC)
		print_messages();
	else if (what == INPUT && result > 0)
		publish((size_t)result);
	else
		return 0;
	wait_for(what);
	return 1;
}

static void run(void)
{
	struct io_uring_cqe *cqe;
	int more = 1;

	wait_for(TOPIC);
	wait_for(INPUT);
	wait_for(CLOCK);
	while (more && io_uring_submit_and_wait(&ring, 1) >= 0 &&
	       io_uring_peek_cqe(&ring, &cqe) == 0) {
		more = handle((int)cqe->user_data, cqe->res);
		io_uring_cqe_seen(&ring, cqe);
	}
	print_messages();
}

int main(void)
{
	struct io_uring_params params = {0};
	int r = floe_uring_init_mem(8, &ring, &params, memory, sizeof(memory));

	if (r < 0) {
		fprintf(stderr, "loop: %s\n", floe_uring_explain(r));
		return 1;
	}
	if (floe_publisher_open(&pub, "loop", NULL) < 0 ||
	    floe_subscriber_open(&sub, "loop", NULL) < 0)
		return 1;
	run();
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	return floe_uring_exit(&ring, FLOE_URING_SAFE) < 0;
}
