/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Ports for any threads: who is inside one of them keeps nobody out of another, nor of one without a lock,
 * nor of opening and closing. One thread stands for both: a lock of all would be its own.
 */

#include <floe/floe.h>

#include "api/safe.h"
#include "frame/frame.h"

#define SAFE_PUBLISHER \
	(&(struct floe_publisher_options){.size = sizeof(struct floe_publisher_options), \
					  .flags = FLOE_THREAD_SAFE})
#define SAFE_SUBSCRIBER \
	(&(struct floe_subscriber_options){.size = sizeof(struct floe_subscriber_options), \
					   .flags = FLOE_THREAD_SAFE})

static void send_and_receive(struct floe_publisher *pub, struct floe_subscriber *sub)
{
	struct floe_sample sample;
	struct floe_loan loan;

	expect_equal(floe_loan(pub, 8, &loan), 1);
	expect_equal(floe_publish(pub, &loan), 1);
	expect_equal(floe_wait(sub, 0), 1);
	expect_equal(floe_take(sub, &sample), 1);
	floe_release(sub, &sample);
}

static void a_lock_is_of_one_port(void)
{
	struct floe_publisher *held_pub, *pub, *plain;
	struct floe_subscriber *held_sub, *sub;
	struct safe *inside[2];

	expect_equal(floe_publisher_open(&held_pub, "t", SAFE_PUBLISHER), 0);
	expect_equal(floe_subscriber_open(&held_sub, "t", SAFE_SUBSCRIBER), 0);
	inside[0] = safe_enter(held_pub, HANDLE_SAFE_PUBLISHER);
	inside[1] = safe_enter(held_sub, HANDLE_SAFE_SUBSCRIBER);
	expect(inside[0] && inside[1]);
	expect(!lock_try(&inside[0]->lock) && !lock_try(&inside[1]->lock));
	expect_equal(floe_publisher_open(&pub, "t", SAFE_PUBLISHER), 0);
	expect_equal(floe_subscriber_open(&sub, "t", SAFE_SUBSCRIBER), 0);
	expect_equal(floe_publisher_open(&plain, "t", NULL), 0);
	send_and_receive(pub, sub);
	send_and_receive(plain, sub);
	floe_publisher_close(plain);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	(void)safe_leave(inside[1], 0);
	(void)safe_leave(inside[0], 0);
	send_and_receive(held_pub, held_sub);
	floe_subscriber_close(held_sub);
	floe_publisher_close(held_pub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_lock_is_of_one_port),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
