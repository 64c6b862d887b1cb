/* SPDX-License-Identifier: Apache-2.0 */

/* An alarm rings when a word of its is woken, is silent otherwise, and when the system refuses
 * something it either says so or rings: it is never silent and deaf. */

#include "uring/alarm.h"

#include <errno.h>
#include <limits.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frame/frame.h"
#include "unit/failing_os.h"

#define COUNT 65

static struct alarm bell; /* of this test */
static uint32_t *words;   /* others could have them mapped */

static void setup(void)
{
	words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(words != MAP_FAILED);
	expect_equal(alarm_open(&bell, false), 0);
	if (bell.timed)
		skip("io_uring cannot wait on futex words here (it can from Linux 6.7 on)");
}

static void finish(void)
{
	alarm_close(&bell);
	munmap(words, 4096);
}

static int set(unsigned count, bool anew)
{
	struct os_wait list[COUNT];

	for (unsigned i = 0; i < count; i++)
		list[i] = (struct os_wait){&words[i], words[i]};
	return alarm_set(&bell, list, count, anew);
}

static void change(unsigned i)
{
	__atomic_add_fetch(&words[i], 1, __ATOMIC_SEQ_CST);
	(void)os_real.wake(&words[i], INT_MAX);
}

static bool is_readable(void)
{
	struct pollfd entry = {.fd = bell.fd, .events = POLLIN};

	return poll(&entry, 1, 0) == 1;
}

/* Whoever looks at the descriptor and whoever asks the alarm see the same. */
static void expect_ringing(bool rings)
{
	expect_equal(is_readable(), rings);
	expect_equal(alarm_rings(&bell), rings);
}

static void each_word_makes_it_ring(void)
{
	setup();
	expect_equal(set(COUNT, true), 1);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < COUNT; i++) {
			expect_ringing(false);
			change(i);
			expect_ringing(true);
			expect_equal(set(COUNT, false), 1);
		}
	}
	finish();
}

static void what_is_not_waited_for_is_silent(void)
{
	setup();
	expect_equal(set(3, true), 1);
	change(3);
	expect_ringing(false);
	change(2);
	expect_ringing(true);
	expect_equal(set(2, true), 1);
	change(2);
	expect_ringing(false);
	change(1);
	expect_ringing(true);
	finish();
}

static void a_word_that_has_changed_is_told_at_once(void)
{
	struct os_wait list[2];

	setup();
	list[0] = (struct os_wait){&words[0], 0};
	list[1] = (struct os_wait){&words[1], 7};
	expect_equal(alarm_set(&bell, list, 2, true), 0);
	expect_equal(set(2, false), 1);
	expect_ringing(false);
	finish();
}

static void a_wake_without_a_change_rings_once(void)
{
	setup();
	expect_equal(set(2, true), 1);
	(void)os_real.wake(&words[1], INT_MAX);
	expect_ringing(true);
	/* The word is what it was: that it was woken becomes known when it is set. */
	expect_equal(set(2, false), 0);
	expect_equal(set(2, false), 1);
	expect_ringing(false);
	change(1);
	expect_ringing(true);
	finish();
}

static void who_saw_it_ring_is_told_anew(void)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	setup();
	expect_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, bell.fd, &event), 0);
	expect_equal(set(2, true), 1);
	alarm_ring(&bell);
	expect_equal(epoll_wait(epoll, &event, 1, 0), 1);
	alarm_ring(&bell);
	expect_equal(epoll_wait(epoll, &event, 1, 0), 0);
	alarm_ring_anew(&bell);
	expect_equal(epoll_wait(epoll, &event, 1, 0), 1);
	expect_equal(set(2, false), 1);
	expect_ringing(false);
	finish();
	close(epoll);
}

static void it_can_be_rung_by_hand(void)
{
	setup();
	expect_equal(set(2, true), 1);
	alarm_ring(&bell);
	alarm_ring(&bell);
	expect_ringing(true);
	expect_equal(set(2, false), 1);
	expect_ringing(false);
	change(0);
	expect_ringing(true);
	finish();
}

static int change_and_clear(int fd)
{
	change(0);
	return os_real.clear_event(fd);
}

/* After what was completed has been made visible, and before the event is cleared. */
static void a_wake_while_it_is_being_set_is_not_swallowed(void)
{
	struct os late = os_real;

	setup();
	expect_equal(set(2, true), 1);
	late.clear_event = change_and_clear;
	os = &late;
	expect_equal(set(2, true), 0);
	os = &os_real;
	expect_equal(is_readable(), alarm_rings(&bell));
	expect_equal(set(2, false), 1);
	expect_ringing(false);
	finish();
}

/* As of a waker whose wake was found before it says so: the flag stays. */
static void late_news_make_nothing_ring(void)
{
	setup();
	expect_equal(set(2, true), 1);
	*(uint32_t *)(uintptr_t)bell.queue.flags |= IORING_SQ_TASKRUN;
	expect(alarm_rings(&bell) && !is_readable());
	expect_equal(set(2, false), 1);
	expect(!is_readable());
	alarm_ring(&bell);
	expect(is_readable());
	finish();
}

static void *set_in_a_thread(void *argument)
{
	*(int *)argument = set(2, false);
	return NULL;
}

static void another_thread_may_set_it(void)
{
	pthread_t thread;
	int r = -1;

	setup();
	expect_equal(set(2, true), 1);
	change(0);
	expect_equal(pthread_create(&thread, NULL, set_in_a_thread, &r), 0);
	expect_equal(pthread_join(thread, NULL), 0);
	expect_equal(r, 1);
	/* That thread is gone, and with it what it waited for: this is told. */
	expect_ringing(true);
	while (set(2, false) != 1)
		;
	expect_ringing(false);
	change(1);
	expect_ringing(true);
	finish();
}

/* Every call fails once, and then all from there on: no descriptor and no mapping is left. */
static void expect_clean_failure(int code, bool stays)
{
	int r;

	for (uint64_t n = 1;; n++) {
		failing_os_begin();
		failing_os_plan((struct failing_plan){.at = n, .code = code, .stays = stays});
		r = alarm_open(&bell, false);
		if (r == 0) {
			r = set(2, true);
			expect(r == 1 || r == code || bell.timed);
			if (r != 1)
				expect_equal(set(2, false), stays ? code : 1);
		}
		alarm_close(&bell);
		expect_equal(failing_os.descriptors, 0);
		expect_equal(failing_os.mapped, 0);
		if (failing_os.failed == 0)
			break;
	}
	failing_os_end();
}

static void a_failing_call_leaves_nothing_behind(void)
{
	setup();
	alarm_close(&bell);
	expect_clean_failure(-EMFILE, false);
	expect_clean_failure(-EPERM, false);
	expect_clean_failure(-ENOMEM, true);
	finish();
}

static void expect_timer_when(enum failing_call call, int code)
{
	failing_os_begin();
	failing_os_plan((struct failing_plan){.call = call, .at = 1, .code = code});
	expect_equal(alarm_open(&bell, false), 0);
	expect(bell.timed);
	expect_equal(failing_os.descriptors, 1);
	expect_equal(failing_os.mapped, 0);
	alarm_close(&bell);
	failing_os_end();
}

static void a_timer_takes_the_place_of_what_is_refused(void)
{
	expect_timer_when(FAILING_ring_setup, -EPERM);
	expect_timer_when(FAILING_ring_setup, -ENOSYS);
	expect_timer_when(FAILING_ring_setup, -ENOMEM);
	expect_timer_when(FAILING_ring_enter, -EACCES);
	expect_timer_when(FAILING_ring_register, -EINVAL);
}

static void the_timer_rings_after_a_while(void)
{
	struct pollfd entry = {.events = POLLIN};

	expect_equal(alarm_open(&bell, true), 0);
	entry.fd = bell.fd;
	expect_equal(set(0, true), 1);
	expect_equal(poll(&entry, 1, -1), 1);
	expect(alarm_rings(&bell));
	expect_equal(set(0, false), 1);
	alarm_ring(&bell);
	expect(alarm_rings(&bell));
	expect_equal(poll(&entry, 1, -1), 1);
	alarm_close(&bell);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(each_word_makes_it_ring),
		TEST(late_news_make_nothing_ring),
		TEST(what_is_not_waited_for_is_silent),
		TEST(a_word_that_has_changed_is_told_at_once),
		TEST(a_wake_without_a_change_rings_once),
		TEST(who_saw_it_ring_is_told_anew),
		TEST(it_can_be_rung_by_hand),
		TEST(a_wake_while_it_is_being_set_is_not_swallowed),
		TEST(another_thread_may_set_it),
		TEST(a_failing_call_leaves_nothing_behind),
		TEST(a_timer_takes_the_place_of_what_is_refused),
		TEST(the_timer_rings_after_a_while),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
