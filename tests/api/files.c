/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files in the domain's folder that are not what they must be: they are refused with an error,
 * or their contents are lies that are told apart from messages; nobody crashes, nobody hangs.
 *
 * A peer makes a publisher and a subscriber, some of it is damaged while the peer lives or after
 * it was killed, and then every call that reads files is made in a further process, whose end
 * tells of a crash.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <floe/inspect.h>

#include "folder.h"
#include "peer.h"
#include "steps.h"

#define CHUNK 1000
#define PAYLOAD_MAX 4096
#define GEOMETRY PUBLISHER(.depth = 8, .payload_max = PAYLOAD_MAX)

static struct folder files, before;

/*
 * Calls that read files
 */

/* Reads every byte, so that memory that is not there shows. */
static void read_through(const struct floe_sample *sample)
{
	static volatile unsigned char sink;
	const unsigned char *bytes = sample->data;

	expect(sample->size > 0);
	for (size_t i = 0; i < sample->size; i++)
		sink = (unsigned char)(sink + bytes[i]);
}

/* Takes until nothing is there, at most `attempts` times; returns the first error or 0. */
static int take_some(struct floe_subscriber *sub, int attempts)
{
	struct floe_sample sample;
	int first = 0;

	for (int i = 0; i < attempts; i++) {
		int r = floe_take(sub, &sample);

		expect(r == 0 || r == 1 || r == -EPROTO || r == -EACCES);
		if (r == 0)
			break;
		if (r == 1) {
			read_through(&sample);
			floe_release(sub, &sample);
		} else if (!first) {
			first = r;
		}
	}
	return first;
}

static void join_and_take(void)
{
	struct floe_error error = {""};
	struct floe_subscriber *sub = NULL;
	int r;

	r = floe_subscriber_open(&sub, "t", SUBSCRIBER(.history = 8, .error = &error));
	expect(r == 0 || (r < 0 && strlen(error.text) > 10));
	if (r == 0) {
		take_some(sub, 1000);
		floe_wait(sub, now_ns());
	}
	floe_subscriber_close(sub);
}

static void join_and_publish(void)
{
	struct floe_error error = {""};
	struct floe_publisher *pub = NULL;
	struct floe_publisher_options options = *GEOMETRY;
	int r;

	options.error = &error;
	r = floe_publisher_open(&pub, "t", &options);
	expect(r == 0 || (r < 0 && strlen(error.text) > 10));
	for (uint64_t i = 0; r == 0 && i < 50; i++)
		try_publish(pub, i % 2 ? CHUNK : 8, i);
	floe_publisher_close(pub);
}

static void observe(struct floe_view *view)
{
	struct floe_observer *observer = NULL;
	struct floe_observer_options options = {.size = sizeof(options), .history = 8};
	struct floe_sample sample;

	if (floe_observer_open(&observer, view, "t", &options) < 0)
		return;
	for (int i = 0; i < 100; i++)
		if (floe_observer_next(observer, 0, &sample) == 1)
			read_through(&sample);
	floe_observer_close(observer);
}

static void look_at_everything(void)
{
	static struct floe_node_info nodes[16];
	static struct floe_topic_info topics[16];
	static struct floe_publisher_info publishers[FLOE_PUBLISHERS_MAX];
	static struct floe_subscriber_info subscribers[16];
	static char schema[100];
	struct floe_error error = {""};
	struct floe_view *view = NULL;
	int r;

	r = floe_view_open(&view, NULL, NULL, &error);
	expect(r == 0 || (r < 0 && strlen(error.text) > 10));
	if (r < 0)
		return;
	floe_view_nodes(view, nodes, sizeof(nodes[0]), COUNT(nodes));
	floe_view_topics(view, topics, sizeof(topics[0]), COUNT(topics));
	floe_view_publishers(view, "t", publishers, sizeof(publishers[0]), COUNT(publishers));
	floe_view_subscribers(view, "t", subscribers, sizeof(subscribers[0]), COUNT(subscribers));
	floe_view_schema(view, "t", schema, sizeof(schema));
	observe(view);
	floe_view_clean(view, 1, NULL, NULL);
	floe_view_clean(view, 0, NULL, NULL);
	floe_view_close(view);
}

static void do_everything(int wire, void *argument)
{
	(void)wire;
	(void)argument;
	look_at_everything();
	join_and_take();
	join_and_publish();
	look_at_everything();
}

/* Everything that reads files is done and ends well; `what` is printed if it does not. */
static void expect_all_survive(const char *what, size_t detail, const char *path)
{
	struct peer peer = peer_start(do_everything, NULL);
	int status;

	expect_equal(waitpid(peer.pid, &status, 0), peer.pid);
	close(peer.wire);
	if (status)
		printf("# status 0x%x after %s %zu of %s\n", (unsigned)status, what, detail, path);
	expect_equal(status, 0);
}

/*
 * Something to damage
 */

static void publish_and_stay(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("t", GEOMETRY);
	struct floe_subscriber *sub = subscriber("t", NULL);

	(void)argument;
	for (uint64_t i = 1; i <= 6; i++)
		publish(pub, i % 2 ? CHUNK : 8, i);
	take(sub, CHUNK, 1);
	tell(wire, 1);
	hear(wire);
}

/* Who made the files: still there, or not. */
enum owner {
	LIVING,
	DEAD
};

/* Damages the i-th file in one way; false: no more ways. */
typedef bool damage_call(const char *path, size_t way);

/* All ways of `damage` on all files, each on fresh ones. */
static void survive(damage_call *damage, const char *what, enum owner owner)
{
	size_t file = 0, way = 0;

	for (;;) {
		struct peer peer = peer_start(publish_and_stay, NULL);
		const char *path;
		bool damaged;

		hear(peer.wire);
		if (owner == DEAD)
			peer_kill(&peer);
		folder_list(&files);
		path = folder_file(&files, file);
		damaged = path && damage(path, way);
		if (damaged)
			expect_all_survive(what, way, path);
		if (owner == LIVING)
			peer_kill(&peer);
		folder_wipe();
		if (!path)
			break;
		file += !damaged;
		way = damaged ? way + 1 : 0;
	}
	expect(file >= 2);
}

static uint64_t size_of(const char *path)
{
	struct stat st;

	expect_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

/* A living owner's memory may not be cut off under its feet by anybody but its own user; what
 * reads it afterwards must still not fall over the end of it. */
static bool cut(const char *path, size_t way)
{
	static const uint64_t sizes[] = {0, 1, 8, 63, 64, 100, 4095, 4096, 4097, 8192};
	uint64_t size = size_of(path);

	if (way >= COUNT(sizes))
		return false;
	expect_equal(truncate(path, (off_t)(sizes[way] < size ? sizes[way] : size / 2)), 0);
	return true;
}

static bool flip(const char *path, size_t way)
{
	unsigned char byte;

	if (way >= 64 || way >= size_of(path))
		return false;
	byte = file_read_byte(path, way) ^ 0xff;
	file_write(path, way, &byte, 1);
	return true;
}

/* Words that are too large, negative, or almost right; from `begin` on. */
static bool set_word(const char *path, size_t way, uint64_t begin, uint64_t end)
{
	static const uint64_t words[] = {0, 0xffffffff, UINT64_MAX, (uint64_t)1 << 63};
	uint64_t offset = begin + way / COUNT(words) * 8;

	if (offset >= end || offset + 8 > size_of(path))
		return false;
	file_write(path, offset, &words[way % COUNT(words)], 8);
	return true;
}

static bool set_early_word(const char *path, size_t way)
{
	return set_word(path, way, 0, 128);
}

static bool set_later_word(const char *path, size_t way)
{
	return set_word(path, way, 128, 320);
}

static bool scramble(const char *path, size_t way)
{
	static unsigned char noise[16384];
	uint64_t seed = 20260509 + way, size = size_of(path);

	if (way >= 6)
		return false;
	fill(noise, sizeof(noise), random_next(&seed));
	/* From the start; then sparing the identity, the geometry, the head. */
	for (uint64_t at = way * 64; at < size && at < 65536; at += sizeof(noise))
		file_write(path, at, noise,
			   size - at < sizeof(noise) ? (size_t)(size - at) : sizeof(noise));
	return true;
}

static bool replace(const char *path, size_t way)
{
	if (way >= 6)
		return false;
	expect_equal(unlink(path), 0);
	switch (way) {
	case 0:
		expect_equal(mkdir(path, 0700), 0);
		break;
	case 1:
		expect_equal(symlink("/dev/null", path), 0);
		break;
	case 2:
		expect_equal(symlink(path, path), 0);
		break;
	case 3:
		expect_equal(symlink("/etc/passwd", path), 0);
		break;
	case 4:
		expect_equal(mkfifo(path, 0600), 0);
		break;
	default:
		close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0));
	}
	return true;
}

static void files_that_the_dead_left_cut_off_are_survived(void)
{
	survive(cut, "cut", DEAD);
}

static void files_that_the_dead_left_with_a_flipped_byte_are_survived(void)
{
	survive(flip, "flipped byte", DEAD);
}

static void files_of_the_living_with_a_flipped_byte_are_survived(void)
{
	survive(flip, "flipped byte", LIVING);
}

static void files_that_the_dead_left_with_a_wrong_early_word_are_survived(void)
{
	survive(set_early_word, "early word", DEAD);
}

static void files_that_the_dead_left_with_a_wrong_later_word_are_survived(void)
{
	survive(set_later_word, "later word", DEAD);
}

static void files_that_the_dead_left_full_of_noise_are_survived(void)
{
	survive(scramble, "noise", DEAD);
}

static void files_of_the_living_full_of_noise_are_survived(void)
{
	survive(scramble, "noise", LIVING);
}

static void things_that_are_no_files_are_survived(void)
{
	survive(replace, "replacement", DEAD);
	survive(replace, "replacement", LIVING);
}

/*
 * What exactly is said
 */

/* The publisher's file of a peer that was killed after six messages. */
static const char *leave_a_dead_ring(void)
{
	struct peer peer;

	folder_list(&before);
	peer = peer_start(publish_and_stay, NULL);
	hear(peer.wire);
	folder_list(&files);
	peer_kill(&peer);
	return folder_new_file(&before, &files);
}

static void flip_bit(const char *path, uint64_t offset)
{
	unsigned char byte = file_read_byte(path, offset) ^ 1;

	file_write(path, offset, &byte, 1);
}

/* Identity: eight bytes of magic, the format, the signature of the layout. */
#define IDENTITY_SIZE 16

static void joining_beside_a_ring_of_another_layout_says_so(void)
{
	for (uint64_t offset = 0; offset < IDENTITY_SIZE; offset++) {
		flip_bit(leave_a_dead_ring(), offset);
		expect_equal(try_subscriber("t", NULL, "pub.0"), -EPROTO);
		folder_wipe();
	}
}

static void joining_beside_a_ring_that_was_cut_off_says_so(void)
{
	static const off_t sizes[] = {0, 1, 63, 64, 1000};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		expect_equal(truncate(leave_a_dead_ring(), sizes[i]), 0);
		expect_equal(try_subscriber("t", NULL, "pub.0"), -EPROTO);
		folder_wipe();
	}
}

static void a_payload_that_was_cut_off_is_refused_and_not_touched(void)
{
	struct floe_subscriber *sub;

	expect_equal(truncate(leave_a_dead_ring(), 4096), 0);
	sub = subscriber("t", SUBSCRIBER(.history = 8));
	expect_equal(take_some(sub, 100), -EPROTO);
	expect_nothing(sub);
	floe_subscriber_close(sub);
}

static void who_was_there_is_told_once_of_a_bad_ring_and_goes_on(void)
{
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 3));

	for (uint64_t offset = 0; offset < IDENTITY_SIZE; offset++) {
		const char *path = leave_a_dead_ring();

		flip_bit(path, offset);
		publish(pub, CHUNK, offset);
		expect_equal(floe_take(sub, &(struct floe_sample){0}), -EPROTO);
		receive(sub, CHUNK, offset);
		expect_nothing(sub);
		unlink(path);
	}
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

/* It is found when the descriptor is made, and said by the take that follows. */
static void who_asks_for_a_descriptor_is_told_of_a_bad_ring_as_well(void)
{
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct pollfd entry = {.events = POLLIN};

	flip_bit(leave_a_dead_ring(), 0);
	entry.fd = floe_subscriber_fd(sub);
	expect_equal(poll(&entry, 1, -1), 1);
	expect_equal(floe_take(sub, &(struct floe_sample){0}), -EPROTO);
	expect_nothing(sub);
	floe_subscriber_close(sub);
}

static void a_publisher_finds_a_place_beside_a_bad_ring(void)
{
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct floe_publisher *pub;

	flip_bit(leave_a_dead_ring(), 0);
	pub = publisher("t", GEOMETRY);
	publish(pub, CHUNK, 1);
	expect_equal(floe_take(sub, &(struct floe_sample){0}), -EPROTO);
	receive(sub, CHUNK, 1);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void clean_removes_a_bad_ring_that_nobody_uses(void)
{
	struct floe_view *view;

	flip_bit(leave_a_dead_ring(), 0);
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect(floe_view_clean(view, 0, NULL, NULL) > 0);
	floe_view_close(view);
	expect_folder_empty();
}

/*
 * Lies while reading
 */

/*
 * A folder that somebody removes
 */

/* What floe_loan or floe_publish says. */
static int attempt(struct floe_publisher *pub, uint64_t seed)
{
	struct floe_loan loan;
	int r = floe_loan(pub, 200, &loan);

	if (r < 1)
		return r;
	fill(loan.data, 200, seed);
	r = floe_publish(pub, &loan);
	floe_discard(pub, &loan);
	return r;
}

static void remove_all(const char *like)
{
	struct folder all;

	folder_list(&all);
	for (size_t i = all.count; i-- > 0;)
		if (strstr(all.entry[i].path, like))
			expect_equal(remove(all.entry[i].path), 0);
}

static void remove_topic(void)
{
	remove_all("/topics/gone");
}

/* Who is there cannot be known any more: what was lent, and what is held, stays what it is. */
static void a_publisher_whose_folder_is_gone_says_so(void)
{
	struct floe_publisher *pub = publisher("gone", NULL);
	struct floe_subscriber *sub = subscriber("gone", NULL);
	struct floe_loan loan;

	expect_equal(floe_loan(pub, 8, &loan), 1);
	folder_wipe();
	expect_equal(floe_publish(pub, &loan), -ESTALE);
	expect_equal(floe_publish(pub, &loan), -ESTALE);
	expect_equal(floe_publisher_wait(pub, -1), -ESTALE);
	floe_discard(pub, &loan);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	pub = publisher("gone", NULL);
	publish(pub, 8, 1);
	floe_publisher_close(pub);
	expect_folder_empty();
}

/* Those who have met go on. */
static void who_has_met_before_the_folder_went_goes_on(void)
{
	struct floe_publisher *pub = publisher("gone", NULL);
	struct floe_subscriber *sub = subscriber("gone", NULL);

	publish(pub, 200, 1);
	receive(sub, 200, 1);
	folder_wipe();
	publish(pub, 200, 2);
	receive(sub, 200, 2);
	expect_nothing(sub);
	floe_subscriber_close(sub);
	expect_equal(attempt(pub, 3), -ESTALE);
	floe_publisher_close(pub);
	expect_folder_empty();
}

/* Others have opened the same topic meanwhile: theirs is another one, and what is held of ours stays. */
static void another_topic_of_the_name_is_not_taken_for_ours(void)
{
	struct floe_publisher *pub = publisher(
		"gone", PUBLISHER(.depth = 1, .loans_max = 1, .holds_max = 1));
	struct floe_subscriber *sub = subscriber("gone", NULL);
	struct floe_subscriber *late, *other;
	struct floe_sample sample, next;
	int r = 1;

	publish(pub, 200, 1);
	sample = take(sub, 200, 1);
	late = subscriber("gone", NULL);
	remove_topic();
	other = subscriber("gone", NULL);
	for (uint64_t i = 2; i < 20 && r == 1; i++)
		r = attempt(pub, i);
	expect_equal(r, -ESTALE);
	expect(is_filled(sample.data, 200, 1));
	expect_equal(floe_take(other, &next), 0);
	floe_release(sub, &sample);
	floe_subscriber_close(late);
	floe_subscriber_close(other);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_folder_empty();
}

static void expect_no_more_loans(struct floe_publisher *pub)
{
	uint64_t chunks = publisher_counts(pub).chunks;

	expect_equal(floe_publisher_limit_loans(pub, 200), -ESTALE);
	expect_equal(publisher_counts(pub).chunks, chunks);
	expect_equal(floe_publisher_limit_loans(pub, 1), 0);
}

/* Its file cannot be found any more, so there would be no chunks for them. */
static void a_publisher_that_has_lost_its_name_is_not_allowed_more_loans(void)
{
	struct floe_publisher *pub = publisher(
		"gone", PUBLISHER(.payload_max = 200, .loans_max = 1, .loans_ceiling = 200));
	struct floe_publisher *other;

	remove_all("/topics/gone/pub.");
	expect_no_more_loans(pub);
	other = publisher("gone", NULL);
	expect_no_more_loans(pub);
	floe_publisher_close(other);
	remove_topic();
	expect_no_more_loans(pub);
	other = publisher("gone", NULL);
	expect_no_more_loans(pub);
	floe_publisher_close(other);
	floe_publisher_close(pub);
	expect_folder_empty();
}

/* It takes what there is, then says so. */
static void a_subscriber_whose_folder_is_gone_says_so(void)
{
	struct floe_subscriber *sub = subscriber("gone", NULL);
	struct floe_publisher *pub = publisher("gone", NULL);
	struct floe_sample sample;

	publish(pub, 8, 1);
	receive(sub, 8, 1);
	publish(pub, 8, 2);
	floe_publisher_close(pub);
	folder_wipe();
	receive(sub, 8, 2);
	expect_equal(floe_take(sub, &sample), -ESTALE);
	expect_equal(floe_wait(sub, -1), -ESTALE);
	floe_subscriber_close(sub);
	expect_folder_empty();
}

static void publish_steadily(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("t", GEOMETRY);

	(void)argument;
	for (uint64_t i = 1; i <= 8; i++)
		publish(pub, i % 2 ? CHUNK : 8, i);
	tell(wire, 1);
	hear(wire);
}

/* One lie: some random bytes, or one word of a kind that a reader must not believe. */
static void lie(const char *path, uint64_t size, uint64_t *seed)
{
	static const uint64_t words[] = {0, 1, 2, 16, 18, UINT64_MAX, (uint64_t)1 << 63, 4096};
	uint64_t noise[8], word = words[random_next(seed) % COUNT(words)];
	/* Head and slots are in the first few kilobytes; the rest is payload. */
	uint64_t range = size < 4096 ? size : 4096;
	uint64_t at = random_next(seed) % (range - sizeof(noise)) & ~(uint64_t)7;

	for (size_t i = 0; i < COUNT(noise); i++)
		noise[i] = random_next(seed);
	if (random_next(seed) % 2)
		file_write(path, at, noise, sizeof(noise));
	else
		file_write(path, at, &word, sizeof(word));
}

static void a_publisher_that_writes_nonsense_harms_nobody(void)
{
	uint64_t seed = random_seed();
	struct peer peer;
	const char *path;

	for (int round = 0; round < 30; round++) {
		struct floe_subscriber *sub;
		struct floe_view *view;

		folder_list(&before);
		peer = peer_start(publish_steadily, NULL);
		hear(peer.wire);
		folder_list(&files);
		path = folder_new_file(&before, &files);
		sub = subscriber("t", SUBSCRIBER(.history = 8));
		expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
		for (int i = 0; i < 200; i++) {
			lie(path, size_of(path), &seed);
			take_some(sub, 20);
			observe(view);
		}
		floe_view_close(view);
		floe_subscriber_close(sub);
		peer_kill(&peer);
		folder_wipe();
	}
}

static void an_honest_publisher_is_heard_beside_a_liar(void)
{
	uint64_t seed = random_seed();
	struct floe_subscriber *sub;
	struct floe_publisher *pub;
	struct floe_sample sample;
	struct peer peer;
	const char *path;
	uint64_t heard = 0;

	folder_list(&before);
	peer = peer_start(publish_steadily, NULL);
	hear(peer.wire);
	folder_list(&files);
	path = folder_new_file(&before, &files);
	pub = publisher("t", PUBLISHER(.depth = 16));
	sub = subscriber("t", NULL);
	for (uint64_t i = 1; i <= 2000; i++) {
		lie(path, size_of(path), &seed);
		publish(pub, 2000, i);
		for (int attempt = 0; attempt < 20 && heard < i; attempt++) {
			if (floe_take(sub, &sample) != 1)
				continue;
			heard += sample.size == 2000 && is_filled(sample.data, 2000, heard + 1);
			floe_release(sub, &sample);
		}
		expect_equal(heard, i);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	peer_kill(&peer);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(files_that_the_dead_left_cut_off_are_survived),
		TEST(files_that_the_dead_left_with_a_flipped_byte_are_survived),
		TEST(files_of_the_living_with_a_flipped_byte_are_survived),
		TEST(files_that_the_dead_left_with_a_wrong_early_word_are_survived),
		TEST(files_that_the_dead_left_with_a_wrong_later_word_are_survived),
		TEST(files_that_the_dead_left_full_of_noise_are_survived),
		TEST(files_of_the_living_full_of_noise_are_survived),
		TEST(things_that_are_no_files_are_survived),
		TEST(joining_beside_a_ring_of_another_layout_says_so),
		TEST(joining_beside_a_ring_that_was_cut_off_says_so),
		TEST(a_payload_that_was_cut_off_is_refused_and_not_touched),
		TEST(who_was_there_is_told_once_of_a_bad_ring_and_goes_on),
		TEST(who_asks_for_a_descriptor_is_told_of_a_bad_ring_as_well),
		TEST(a_publisher_finds_a_place_beside_a_bad_ring),
		TEST(clean_removes_a_bad_ring_that_nobody_uses),
		TEST(a_publisher_whose_folder_is_gone_says_so),
		TEST(who_has_met_before_the_folder_went_goes_on),
		TEST(another_topic_of_the_name_is_not_taken_for_ours),
		TEST(a_publisher_that_has_lost_its_name_is_not_allowed_more_loans),
		TEST(a_subscriber_whose_folder_is_gone_says_so),
		TEST(a_publisher_that_writes_nonsense_harms_nobody),
		TEST(an_honest_publisher_is_heard_beside_a_liar),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
