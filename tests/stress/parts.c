/* SPDX-License-Identifier: Apache-2.0 */
#include "stress/parts.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "api/steps.h"
#include "frame/frame.h"

#define MILLISECONDS ((int64_t)1000000)

/*
 * ThreadSanitizer watches addresses. A hold is written in the subscriber's mapping of its file
 * and read in the publisher's, so it must be told that a release comes before the loan that
 * finds the chunk free. Everything else it sees by itself.
 */
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *address);
void __tsan_release(void *address);
static char released;
#define before_release() __tsan_release(&released)
#define after_loan() __tsan_acquire(&released)
#else
#define before_release() ((void)0)
#define after_loan() ((void)0)
#endif

struct stage *stage_create(unsigned players)
{
	struct stage *stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_barrierattr_t shared;

	expect(stage != MAP_FAILED);
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	expect_equal(pthread_barrier_init(&stage->open, &shared, players), 0);
	expect_equal(pthread_barrier_init(&stage->close, &shared, players), 0);
	pthread_barrierattr_destroy(&shared);
	return stage;
}

void stage_destroy(struct stage *stage)
{
	/* Not pthread_barrier_destroy: it waits for all who met there, and some were killed. */
	munmap(stage, sizeof(*stage));
}

static void meet_to_close(struct stage *stage)
{
	if (stage->close_together)
		pthread_barrier_wait(&stage->close);
}

static void pause_sometimes(unsigned pauses, uint64_t *seed)
{
	if (pauses && random_next(seed) % pauses == 0)
		nanosleep(&(struct timespec){.tv_nsec = (long)(random_next(seed) % 100000)}, NULL);
}

/*
 * Publisher
 */

static void send_message(struct floe_publisher *pub, const struct message *message, uint64_t *seed)
{
	size_t size = message_size(seed);
	struct floe_loan loan;
	int r;

	expect_equal(floe_loan(pub, size, &loan), 1);
	after_loan();
	message_write(loan.data, size, message);
	while ((r = floe_publish(pub, &loan)) == 0)
		expect(floe_publisher_wait(pub, now_ns() + 5 * MILLISECONDS) >= 0);
	expect_equal(r, 1);
}

/* A loan that is given back must leave no trace. */
static void discard_sometimes(struct floe_publisher *pub, uint64_t *seed)
{
	struct floe_loan loan;

	if (random_next(seed) % 16)
		return;
	expect_equal(floe_loan(pub, message_size(seed), &loan), 1);
	after_loan();
	memset(loan.data, 0xdd, loan.size);
	floe_discard(pub, &loan);
}

static void publish_all(struct floe_publisher *pub, const struct publisher_part *part)
{
	struct message message = {.writer = part->writer};
	uint64_t seed = part->seed;

	do {
		message.number++;
		message.is_last = message.number == part->count ||
				  (part->count == 0 && atomic_load(&part->stage->stop));
		send_message(pub, &message, &seed);
		atomic_store(&part->stage->sent[part->writer], message.number);
		discard_sometimes(pub, &seed);
		pause_sometimes(part->pauses, &seed);
	} while (!message.is_last);
}

void play_publisher(const struct publisher_part *part)
{
	struct floe_publisher *pub = publisher(PARTS_TOPIC, &part->options);

	pthread_barrier_wait(&part->stage->open);
	publish_all(pub, part);
	meet_to_close(part->stage);
	floe_publisher_close(pub);
}

void play_substitute(const struct publisher_part *part)
{
	struct floe_publisher *pub = publisher(PARTS_TOPIC, &part->options);

	publish_all(pub, part);
	floe_publisher_close(pub);
}

/*
 * Subscriber
 */

struct reading {
	struct floe_subscriber *sub;
	struct account account[FLOE_PUBLISHERS_MAX];
	struct floe_sample held[FLOE_HOLDS_MAX];
	size_t held_count;
	uint64_t received;
	uint64_t lost;
	uint64_t lasts;
	uint64_t seen[LIVES_MAX]; /* by writer: the last of its messages */
};

static void release_one(struct reading *reading, uint64_t *seed)
{
	size_t i = random_next(seed) % reading->held_count;
	struct floe_sample *sample = &reading->held[i];

	/* It is what it was when it was taken. */
	(void)message_read(sample->data, sample->size);
	before_release();
	floe_release(reading->sub, sample);
	*sample = reading->held[--reading->held_count];
}

/* What floe_take says; what it took is held, and in the account. */
static int take_one(struct reading *reading)
{
	struct floe_sample *sample = &reading->held[reading->held_count];
	int r = floe_take(reading->sub, sample), whom;
	const struct message *message;

	if (r != 1)
		return r;
	whom = floe_sample_publisher(reading->sub, sample);
	expect(whom >= 0);
	expect(whom < FLOE_PUBLISHERS_MAX);
	account_add(&reading->account[whom], sample);
	message = &reading->account[whom].last;
	expect(message->writer < LIVES_MAX);
	reading->seen[message->writer] = message->number;
	reading->lasts += message->is_last;
	reading->received++;
	reading->lost += sample->lost;
	reading->held_count++;
	return 1;
}

/* Takes the next one, and makes room by chance or when there is none. */
static void read_step(struct reading *reading, uint64_t *seed)
{
	int r = take_one(reading);

	if (r == 0) {
		while (reading->held_count)
			release_one(reading, seed);
		expect(floe_wait(reading->sub, now_ns() + 5 * MILLISECONDS) >= 0);
		return;
	}
	expect(r == 1 || r == -ENOBUFS);
	if (r == -ENOBUFS || random_next(seed) % 4)
		release_one(reading, seed);
}

/* The library counts as we do. */
static void expect_counts(const struct reading *reading)
{
	struct floe_subscriber_counts counts = subscriber_counts(reading->sub);

	expect_equal(counts.received, reading->received);
	expect_equal(counts.lost, reading->lost);
	expect_equal(counts.held, reading->held_count);
}

/* Who joined before the first message has got, or lost, each of them. */
static void expect_exact(const struct reading *reading)
{
	for (size_t i = 0; i < FLOE_PUBLISHERS_MAX; i++) {
		const struct account *account = &reading->account[i];

		expect_equal(account->received + account->lost, account->sequence);
	}
	expect_counts(reading);
}

/* What each writer has sent arrived, and nothing else: who is killed between sending and saying
 * so has sent one more. */
static void expect_everything(const struct reading *reading, const struct stage *stage)
{
	expect_equal(reading->lost, 0);
	for (size_t i = 0; i < LIVES_MAX; i++) {
		uint64_t sent = atomic_load(&stage->sent[i]);

		expect(reading->seen[i] == sent || reading->seen[i] == sent + 1);
	}
}

void play_subscriber(const struct subscriber_part *part)
{
	struct reading reading = {.sub = subscriber(PARTS_TOPIC, &part->options)};
	uint64_t seed = part->seed;

	pthread_barrier_wait(&part->stage->open);
	while (reading.lasts < part->publishers) {
		read_step(&reading, &seed);
		pause_sometimes(part->pauses, &seed);
	}
	expect_exact(&reading);
	if (part->options.policy == FLOE_POLICY_RELIABLE)
		expect_everything(&reading, part->stage);
	meet_to_close(part->stage);
	floe_subscriber_close(reading.sub);
}

/* A take that was overtaken all the while finds nothing, and what it lost is said by the next that
 * finds something. */
static void visit_once(const struct subscriber_part *part, uint64_t *seed)
{
	struct floe_subscriber_options options = part->options;
	struct reading reading = {0};

	options.history = random_next(seed) % 20;
	options.holds_max = 1 + random_next(seed) % 12;
	options.policy = random_next(seed) % 4 == 0 ? FLOE_POLICY_RELIABLE : FLOE_POLICY_KEEP_LAST;
	reading.sub = subscriber(PARTS_TOPIC, &options);
	for (uint64_t n = random_next(seed) % 100; n > 0; n--)
		read_step(&reading, seed);
	while (reading.lost != subscriber_counts(reading.sub).lost)
		read_step(&reading, seed);
	expect_counts(&reading);
	floe_subscriber_close(reading.sub);
}

void play_visitor(const struct subscriber_part *part)
{
	uint64_t seed = part->seed;

	while (!atomic_load(&part->stage->stop)) {
		visit_once(part, &seed);
		pause_sometimes(2, &seed);
	}
}
