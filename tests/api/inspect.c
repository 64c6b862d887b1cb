/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What can be seen from outside agrees with what is open, of the living and of the dead; looking
 * takes nobody's place; cleaning removes what the dead left, and nothing else.
 */

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <floe/inspect.h>

#include "asleep.h"
#include "folder.h"
#include "peer.h"
#include "steps.h"

#define CHUNK 1000

static struct floe_view *view(void)
{
	struct floe_error error = {""};
	struct floe_view *opened = NULL;
	int r = floe_view_open(&opened, NULL, NULL, &error);

	if (r < 0)
		printf("# view: %s\n", error.text);
	expect_equal(r, 0);
	return opened;
}

static int count_topics(struct floe_view *v)
{
	return floe_view_topics(v, NULL, sizeof(struct floe_topic_info), 0);
}

static int count_nodes(struct floe_view *v)
{
	return floe_view_nodes(v, NULL, sizeof(struct floe_node_info), 0);
}

static struct floe_topic_info topic_info(struct floe_view *v, const char *name)
{
	static struct floe_topic_info topics[64];
	int n = floe_view_topics(v, topics, sizeof(topics[0]), COUNT(topics));

	expect(n >= 0);
	for (int i = 0; i < n; i++)
		if (!strcmp(topics[i].name, name))
			return topics[i];
	frame_fail(__FILE__, __LINE__, name);
}

/* The only one there is. */
static struct floe_publisher_info publisher_info(struct floe_view *v, const char *topic)
{
	struct floe_publisher_info info;

	expect_equal(floe_view_publishers(v, topic, &info, sizeof(info), 1), 1);
	return info;
}

static struct floe_subscriber_info subscriber_info(struct floe_view *v, const char *topic)
{
	struct floe_subscriber_info info;

	expect_equal(floe_view_subscribers(v, topic, &info, sizeof(info), 1), 1);
	return info;
}

static struct floe_node_info node_info(struct floe_view *v)
{
	struct floe_node_info info;

	expect_equal(floe_view_nodes(v, &info, sizeof(info), 1), 1);
	return info;
}

/*
 * Lists
 */

static void a_domain_that_does_not_exist_is_empty(void)
{
	struct floe_view *v = view();

	expect_equal(count_topics(v), 0);
	expect_equal(count_nodes(v), 0);
	expect_equal(floe_view_publishers(v, "t", NULL, 8, 0), -ENOENT);
	expect_equal(floe_view_subscribers(v, "t", NULL, 8, 0), -ENOENT);
	expect_equal(floe_view_clean(v, 0, NULL, NULL), 0);
	floe_view_close(v);
	expect_folder_empty();
}

static void a_view_sees_topics_come_and_go(void)
{
	struct floe_view *v = view();
	struct floe_publisher *pub;
	struct floe_subscriber *sub;

	pub = publisher("one", NULL);
	expect_equal(count_topics(v), 1);
	sub = subscriber("two", NULL);
	expect_equal(count_topics(v), 2);
	expect_equal(count_nodes(v), 1);
	expect_equal(topic_info(v, "one").publishers, 1);
	expect_equal(topic_info(v, "one").subscribers, 0);
	expect_equal(topic_info(v, "two").publishers, 0);
	expect_equal(topic_info(v, "two").subscribers, 1);
	expect_equal(topic_info(v, "two").state, FLOE_STATE_ALIVE);
	expect_equal(topic_info(v, "two").leftovers, 0);
	floe_publisher_close(pub);
	expect_equal(count_topics(v), 1);
	floe_subscriber_close(sub);
	expect_equal(count_topics(v), 0);
	expect_equal(count_nodes(v), 0);
	floe_view_close(v);
}

static void the_path_of_a_view_is_the_domains_folder(void)
{
	struct floe_view *v = view();
	struct floe_publisher *pub = publisher("t", NULL);
	struct stat st;

	expect(!strncmp(floe_view_path(v), getenv("FLOE_DIR"), strlen(getenv("FLOE_DIR"))));
	expect_equal(stat(floe_view_path(v), &st), 0);
	expect(S_ISDIR(st.st_mode));
	floe_publisher_close(pub);
	floe_view_close(v);
}

static void a_publisher_is_seen_as_it_is(void)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 7, .payload_max = 5000,
							      .loans_max = 3, .mode = 0640,
							      .flags = FLOE_TIMESTAMPS));
	struct floe_view *v = view();
	struct floe_publisher_info info;
	struct floe_loan loan;

	publish(pub, CHUNK, 1);
	publish(pub, CHUNK, 2);
	expect_equal(floe_loan(pub, CHUNK, &loan), 1);
	info = publisher_info(v, "t");
	expect(info.index < FLOE_PUBLISHERS_MAX);
	expect_equal(info.state, FLOE_STATE_ALIVE);
	expect_equal(info.pid, getpid());
	expect_equal(info.uid, getuid());
	expect_equal(info.mode & 0777, 0640);
	expect_equal(info.flags, FLOE_TIMESTAMPS);
	expect_equal(info.sequence, 2);
	expect_equal(info.depth, 7);
	expect_equal(info.payload_max, 5000);
	expect_equal(info.loans, 1);
	expect_equal(info.loans_max, 3);
	expect_equal(info.chunks, publisher_counts(pub).chunks);
	expect_equal(info.would_block, 0);
	expect(info.memory >= info.chunks * 5000);
	expect(strlen(info.process) > 0);
	expect(!strcmp(info.type, ""));
	expect_equal(info.node, node_info(v).id);

	floe_view_close(v);
	floe_publisher_close(pub);
}

/* The view reckons them from what was lent, sent and discarded. */
static void loans_are_seen_until_they_are_sent_or_discarded(void)
{
	const struct floe_publisher_options *options = PUBLISHER(.loans_max = 3);
	struct floe_publisher *pub = publisher("t", options);
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct floe_view *v = view();
	struct floe_loan loans[3];

	for (size_t i = 0; i < COUNT(loans); i++)
		expect_equal(floe_loan(pub, i ? CHUNK : 8, &loans[i]), 1);
	expect_equal(publisher_info(v, "t").loans, 3);
	floe_discard(pub, &loans[0]);
	expect_equal(publisher_info(v, "t").loans, 2);
	expect_equal(floe_publish(pub, &loans[1]), 1);
	expect_equal(publisher_info(v, "t").loans, 1);

	/* The subscriber keeps the ring, with one loan out; the next publisher starts with none. */
	floe_publisher_close(pub);
	pub = publisher("t", options);
	expect_equal(publisher_info(v, "t").generation, 2);
	expect_equal(publisher_info(v, "t").loans, 0);

	floe_view_close(v);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/* Their cursors say nothing any more. */
static void what_came_from_those_who_left_stays_counted(void)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 4));
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct floe_view *v = view();

	for (uint64_t i = 1; i <= 3; i++) {
		publish(pub, CHUNK, i);
		(void)receive(sub, CHUNK, i);
	}
	floe_publisher_close(pub);
	/* Another depth is another ring, and the old one is let go. */
	pub = publisher("t", PUBLISHER(.depth = 5));
	publish(pub, CHUNK, 7);
	(void)receive(sub, CHUNK, 7);
	expect_equal(subscriber_info(v, "t").received, 4);
	expect_equal(subscriber_info(v, "t").lost, 0);

	floe_view_close(v);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_subscriber_is_seen_as_it_is(void)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 4));
	struct floe_subscriber *sub = subscriber("t", SUBSCRIBER(.holds_max = 6));
	struct floe_view *v = view();
	struct floe_subscriber_info info;

	for (uint64_t i = 1; i <= 10; i++)
		publish(pub, CHUNK, i);
	take(sub, CHUNK, 7);
	info = subscriber_info(v, "t");
	expect(info.index < FLOE_SUBSCRIBERS_MAX);
	expect_equal(info.state, FLOE_STATE_ALIVE);
	expect_equal(info.pid, getpid());
	expect_equal(info.uid, getuid());
	expect_equal(info.policy, FLOE_POLICY_KEEP_LAST);
	expect_equal(info.sleeping, 0);
	expect_equal(info.received, 1);
	expect_equal(info.lost, 6);
	expect_equal(info.held, 1);
	expect_equal(info.holds_max, 6);
	expect_equal(info.behind, 3);
	expect_equal(info.node, node_info(v).id);

	floe_view_close(v);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void who_drops_the_newest_is_seen_with_its_lane(void)
{
	const struct floe_publisher_options *options = PUBLISHER(.depth = 4, .payload_max = CHUNK,
								 .lanes_max = 2, .lane_depth = 3);
	struct floe_publisher *pub = publisher("t", options);
	struct floe_subscriber *sub = subscriber("t",
						 SUBSCRIBER(.policy = FLOE_POLICY_DROP_NEWEST));
	struct floe_view *v = view();
	struct floe_subscriber_info infos[2];
	struct floe_subscriber *few;

	expect_equal(publisher_info(v, "t").lanes_max, 2);
	expect_equal(publisher_info(v, "t").lane_depth, 3);
	expect_equal(publisher_info(v, "t").lanes_dropped, 0);
	for (uint64_t i = 1; i <= 10; i++)
		publish(pub, CHUNK, i);
	expect_equal(subscriber_info(v, "t").policy, FLOE_POLICY_DROP_NEWEST);
	expect_equal(subscriber_info(v, "t").behind, 3);
	expect_equal(subscriber_info(v, "t").queue_max, 0);
	expect_equal(publisher_info(v, "t").lanes_dropped, 7);
	take(sub, CHUNK, 1);
	expect_equal(subscriber_info(v, "t").received, 1);
	expect_equal(subscriber_info(v, "t").held, 1);
	expect_equal(subscriber_info(v, "t").behind, 2);
	publish(pub, CHUNK, 11);
	for (uint64_t i = 2; i <= 3; i++)
		(void)receive(sub, CHUNK, i);
	expect_equal(subscriber_info(v, "t").lost, 0);
	(void)receive(sub, CHUNK, 11);
	expect_equal(subscriber_info(v, "t").lost, 7);
	expect_equal(subscriber_info(v, "t").behind, 0);

	few = subscriber("t", SUBSCRIBER(.policy = FLOE_POLICY_DROP_NEWEST, .depth = 2));
	for (uint64_t i = 12; i <= 20; i++)
		publish(pub, CHUNK, i);
	expect_equal(floe_view_subscribers(v, "t", infos, sizeof(infos[0]), 2), 2);
	for (size_t i = 0; i < 2; i++)
		expect_equal(infos[i].behind, infos[i].queue_max ? infos[i].queue_max : 3);
	expect_equal(infos[0].queue_max + infos[1].queue_max, 2);
	expect_equal(publisher_info(v, "t").lanes_dropped, 7 + 6 + 7);

	/* They are the ring's, as its sequence is. */
	floe_publisher_close(pub);
	pub = publisher("t", options);
	expect_equal(publisher_info(v, "t").generation, 2);
	expect_equal(publisher_info(v, "t").lanes_dropped, 7 + 6 + 7);

	floe_view_close(v);
	floe_subscriber_close(few);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/* Its cursor says nothing yet of a publisher that it has not looked for. */
static void a_lane_is_seen_before_its_subscriber_looks(void)
{
	struct floe_subscriber *sub = subscriber("t",
						 SUBSCRIBER(.policy = FLOE_POLICY_DROP_NEWEST));
	struct floe_publisher *pub = publisher("t", PUBLISHER(.lanes_max = 1, .lane_depth = 3));
	struct floe_view *v = view();

	publish(pub, 8, 1);
	expect_equal(subscriber_info(v, "t").behind, 1);
	for (uint64_t i = 2; i <= 5; i++)
		publish(pub, 8, i);
	expect_equal(subscriber_info(v, "t").behind, 3);
	expect_equal(publisher_info(v, "t").lanes_dropped, 2);

	/* Whoever comes next has none of that. */
	floe_subscriber_close(sub);
	sub = subscriber("t", SUBSCRIBER(.policy = FLOE_POLICY_DROP_NEWEST));
	expect_equal(subscriber_info(v, "t").behind, 0);
	floe_view_close(v);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_node_is_seen_as_it_is(void)
{
	struct floe_subscriber *one = subscriber("a", NULL), *two = subscriber("b", NULL);
	struct floe_view *v = view();
	struct floe_node_info info = node_info(v);

	expect_equal(info.state, FLOE_STATE_ALIVE);
	expect_equal(info.pid, getpid());
	expect_equal(info.uid, getuid());
	expect_equal(info.subscribers, 2);
	expect(info.memory > 0);
	expect(strlen(info.process) > 0);
	floe_view_close(v);
	floe_subscriber_close(one);
	floe_subscriber_close(two);
}

static void a_topic_is_seen_as_it_is(void)
{
	static const struct floe_type type = {"image", 64, 32, 77, "width height bytes"};
	struct floe_publisher *typed = publisher("t", PUBLISHER(.type = &type));
	struct floe_publisher *plain = publisher("t", NULL);
	struct floe_view *v = view();
	struct floe_topic_info info;
	char schema[64] = "";

	publish(typed, 64, 1);
	publish(plain, 64, 1);
	publish(plain, 64, 2);
	info = topic_info(v, "t");
	expect_equal(info.publishers, 2);
	expect_equal(info.published, 3);
	expect(!strcmp(info.type.name, "image"));
	expect_equal(info.type.size, 64);
	expect_equal(info.type.alignment, 32);
	expect_equal(info.type.hash, 77);
	expect_equal(floe_view_schema(v, "t", schema, sizeof(schema)),
		     (ssize_t)strlen(type.schema));
	expect(!strcmp(schema, type.schema));
	expect_equal(floe_view_schema(v, "t", schema, 6), (ssize_t)strlen(type.schema));
	expect(!strcmp(schema, "width"));

	floe_view_close(v);
	floe_publisher_close(plain);
	floe_publisher_close(typed);
}

static void a_list_fills_no_more_than_it_is_given(void)
{
	struct floe_publisher *pubs[5];
	struct floe_view *v = view();
	/* A caller compiled with a larger struct. */
	struct {
		struct floe_publisher_info known;
		uint64_t tail[4];
	} infos[5];

	for (size_t i = 0; i < COUNT(pubs); i++)
		pubs[i] = publisher("t", NULL);
	memset(infos, 0x5a, sizeof(infos));
	expect_equal(floe_view_publishers(v, "t", &infos[0].known, sizeof(infos[0]), 3), 5);
	for (size_t i = 0; i < 3; i++)
		expect_equal(infos[i].known.pid, getpid());
	for (const unsigned char *byte = (void *)&infos[3]; byte < (unsigned char *)&infos[5];
	     byte++)
		expect_equal(*byte, 0x5a);

	floe_view_close(v);
	for (size_t i = 0; i < COUNT(pubs); i++)
		floe_publisher_close(pubs[i]);
}

static void a_list_for_an_older_program_is_cut_to_its_size(void)
{
	struct floe_publisher *pub = publisher("t", NULL);
	struct floe_view *v = view();
	unsigned char room[sizeof(struct floe_publisher_info)];

	memset(room, 0x5a, sizeof(room));
	expect_equal(floe_view_publishers(v, "t", (void *)room, 16, 1), 1);
	for (size_t i = 16; i < sizeof(room); i++)
		expect_equal(room[i], 0x5a);
	floe_view_close(v);
	floe_publisher_close(pub);
}

static void indexes_are_those_of_the_samples(void)
{
	struct floe_publisher *pubs[3];
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct floe_publisher_info infos[3];
	struct floe_view *v = view();
	struct floe_sample sample;

	for (size_t i = 0; i < 3; i++) {
		pubs[i] = publisher("t", NULL);
		for (uint64_t j = 0; j <= i; j++)
			publish(pubs[i], CHUNK, j);
	}
	expect_equal(floe_view_publishers(v, "t", infos, sizeof(infos[0]), 3), 3);
	while (floe_take(sub, &sample) == 1) {
		int whom = floe_sample_publisher(sub, &sample);

		for (size_t i = 0; i < 3; i++)
			if (infos[i].index == (uint32_t)whom) {
				expect(infos[i].sequence >= sample.sequence);
				infos[i].loans++; /* zero before: counts what arrived */
			}
		floe_release(sub, &sample);
	}
	for (size_t i = 0; i < 3; i++)
		expect_equal(infos[i].loans, infos[i].sequence);

	floe_view_close(v);
	floe_subscriber_close(sub);
	for (size_t i = 0; i < 3; i++)
		floe_publisher_close(pubs[i]);
}

static void looking_changes_nothing(void)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 4));
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct floe_view *v = view();

	for (uint64_t i = 0; i < 100; i++) {
		publish(pub, CHUNK, i);
		topic_info(v, "t");
		publisher_info(v, "t");
		subscriber_info(v, "t");
		expect_equal(floe_view_clean(v, 0, NULL, NULL), 0);
		receive(sub, CHUNK, i);
	}
	expect_equal(publisher_counts(pub).wakes, 0);
	floe_view_close(v);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_folder_empty();
}

static void sleep_for_a_message(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber("t", SUBSCRIBER(.spin_ns = 1));

	(void)argument;
	tell(wire, 1);
	expect_equal(floe_wait(sub, -1), 1);
	floe_subscriber_close(sub);
}

static void a_sleeper_is_seen_sleeping(void)
{
	struct peer peer = peer_start(sleep_for_a_message, NULL);
	struct floe_publisher *pub = publisher("t", NULL);
	struct floe_view *v = view();

	hear(peer.wire);
	until_asleep(peer.pid);
	expect_equal(subscriber_info(v, "t").sleeping, 1);
	publish(pub, 8, 1);
	peer_end(&peer);
	floe_view_close(v);
	floe_publisher_close(pub);
}

/*
 * The dead
 */

static void use_everything(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("t", NULL);
	struct floe_subscriber *sub = subscriber("t", NULL);

	(void)argument;
	for (uint64_t i = 1; i <= 5; i++)
		publish(pub, CHUNK, i);
	take(sub, CHUNK, 1);
	tell(wire, 1);
	hear(wire);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void leave_dead(void)
{
	struct peer peer = peer_start(use_everything, NULL);

	hear(peer.wire);
	peer_kill(&peer);
}

static void the_dead_are_seen_as_dead(void)
{
	struct floe_view *v = view();
	struct floe_topic_info info;

	leave_dead();
	info = topic_info(v, "t");
	expect_equal(info.state, FLOE_STATE_DEAD);
	expect_equal(info.publishers, 0);
	expect_equal(info.subscribers, 0);
	expect_equal(info.leftovers, 2);
	expect_equal(info.published, 5);
	expect_equal(publisher_info(v, "t").state, FLOE_STATE_DEAD);
	expect_equal(publisher_info(v, "t").sequence, 5);
	expect_equal(subscriber_info(v, "t").state, FLOE_STATE_DEAD);
	expect_equal(subscriber_info(v, "t").held, 1);
	expect_equal(subscriber_info(v, "t").received, 1);
	expect_equal(node_info(v).state, FLOE_STATE_DEAD);
	floe_view_close(v);
}

static void the_stopped_are_seen_as_alive(void)
{
	struct peer peer = peer_start(use_everything, NULL);
	struct floe_view *v = view();

	hear(peer.wire);
	kill(peer.pid, SIGSTOP);
	expect_equal(publisher_info(v, "t").state, FLOE_STATE_ALIVE);
	expect_equal(subscriber_info(v, "t").state, FLOE_STATE_ALIVE);
	expect_equal(node_info(v).state, FLOE_STATE_ALIVE);
	expect_equal(floe_view_clean(v, 0, NULL, NULL), 0);
	kill(peer.pid, SIGCONT);
	tell(peer.wire, 1);
	peer_end(&peer);
	floe_view_close(v);
}

static void a_closed_publisher_is_seen_as_closed(void)
{
	struct floe_publisher *pub = publisher("t", NULL);
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct floe_view *v = view();

	publish(pub, CHUNK, 1);
	floe_publisher_close(pub);
	expect_equal(publisher_info(v, "t").state, FLOE_STATE_CLOSED);
	expect_equal(topic_info(v, "t").state, FLOE_STATE_ALIVE);
	expect_equal(topic_info(v, "t").publishers, 0);
	expect_equal(topic_info(v, "t").subscribers, 1);
	receive(sub, CHUNK, 1);
	floe_subscriber_close(sub);
	floe_view_close(v);
}

static void adoption_counts_generations(void)
{
	struct floe_view *v = view();
	uint64_t generation;
	struct floe_publisher *pub;

	leave_dead();
	generation = publisher_info(v, "t").generation;
	pub = publisher("t", NULL);
	expect_equal(publisher_info(v, "t").generation, generation + 1);
	expect_equal(publisher_info(v, "t").pid, getpid());
	expect_equal(publisher_info(v, "t").state, FLOE_STATE_ALIVE);
	floe_publisher_close(pub);
	floe_view_close(v);
}

/*
 * Cleaning
 */

static int sentences;

static void hear_sentence(void *user, const char *sentence)
{
	expect(user == &sentences);
	expect(strlen(sentence) > 10);
	sentences++;
}

static void clean_removes_all_that_the_dead_left(void)
{
	struct floe_view *v = view();
	int found;

	leave_dead();
	expect(folder_count_files() > 0);
	found = floe_view_clean(v, 0, hear_sentence, &sentences);
	expect(found > 0);
	expect_equal(sentences, found);
	expect_equal(count_topics(v), 0);
	expect_equal(count_nodes(v), 0);
	expect_folder_empty();
	expect_equal(floe_view_clean(v, 0, hear_sentence, &sentences), 0);
	floe_view_close(v);
}

static void a_dry_run_only_tells(void)
{
	static struct folder before, after;
	struct floe_view *v = view();
	int found;

	leave_dead();
	folder_list(&before);
	found = floe_view_clean(v, 1, hear_sentence, &sentences);
	folder_list(&after);
	expect(found > 0);
	expect_equal(sentences, found);
	expect_equal(after.count, before.count);
	for (size_t i = 0; i < after.count; i++)
		expect_equal(after.entry[i].inode, before.entry[i].inode);
	expect_equal(floe_view_clean(v, 1, NULL, NULL), found);
	expect_equal(floe_view_clean(v, 0, NULL, NULL), found);
	expect_folder_empty();
	floe_view_close(v);
}

static void clean_leaves_the_living_alone(void)
{
	struct floe_publisher *pub = publisher("t", NULL);
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct floe_view *v = view();
	struct floe_sample held;
	uint64_t lost;

	publish(pub, CHUNK, 1);
	held = take(sub, CHUNK, 1);
	leave_dead();
	drain(sub, &lost);
	floe_view_clean(v, 0, NULL, NULL);
	expect_equal(topic_info(v, "t").publishers, 1);
	expect_equal(topic_info(v, "t").subscribers, 1);
	expect(is_filled(held.data, CHUNK, 1));
	publish(pub, CHUNK, 2);
	receive(sub, CHUNK, 2);
	floe_view_close(v);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_folder_empty();
}

/* What a dead publisher sent belongs to the subscribers that are still there. */
static void clean_leaves_what_the_living_still_read(void)
{
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct floe_view *v = view();

	leave_dead();
	floe_view_clean(v, 0, NULL, NULL);
	for (uint64_t i = 1; i <= 5; i++)
		receive(sub, CHUNK, i);
	expect_nothing(sub);
	floe_subscriber_close(sub);
	floe_view_clean(v, 0, NULL, NULL);
	expect_folder_empty();
	floe_view_close(v);
}

static void only_the_first_of_two_finds_something_to_clean(void)
{
	for (int round = 0; round < 20; round++) {
		struct floe_view *views[2] = {view(), view()};

		leave_dead();
		expect(floe_view_clean(views[0], 0, NULL, NULL) > 0);
		expect_equal(floe_view_clean(views[1], 0, NULL, NULL), 0);
		floe_view_close(views[0]);
		floe_view_close(views[1]);
		expect_folder_empty();
	}
}

static void clean_once(int wire, void *argument)
{
	struct floe_view *v = view();
	int found;

	(void)argument;
	hear(wire);
	found = floe_view_clean(v, 0, NULL, NULL);
	/* Not "no such file": that somebody else was faster is no failure. */
	expect_equal(found < 0 ? found : 0, 0);
	floe_view_close(v);
}

static void processes_that_clean_at_once_do_not_disturb_each_other(void)
{
	for (int round = 0; round < 30; round++) {
		struct peer peers[3];

		leave_dead();
		for (size_t i = 0; i < COUNT(peers); i++)
			peers[i] = peer_start(clean_once, NULL);
		for (size_t i = 0; i < COUNT(peers); i++)
			tell(peers[i].wire, 1);
		for (size_t i = 0; i < COUNT(peers); i++)
			peer_end(&peers[i]);
		expect_folder_empty();
	}
}

/*
 * Observers
 */

static struct floe_observer *observer(struct floe_view *v, uint64_t history)
{
	struct floe_observer_options options = {.size = sizeof(options), .history = history};
	struct floe_observer *opened = NULL;

	expect_equal(floe_observer_open(&opened, v, "t", &options), 0);
	expect(opened);
	return opened;
}

static void observe(struct floe_observer *o, size_t size, uint64_t seed, uint64_t sequence)
{
	struct floe_sample sample;

	expect_equal(floe_observer_next(o, 0, &sample), 1);
	expect_equal(sample.size, size);
	expect_equal(sample.sequence, sequence);
	expect(is_filled(sample.data, size, seed));
}

static void an_observer_sees_what_flows(void)
{
	struct floe_publisher *pub = publisher("t", NULL);
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 0);
	struct floe_sample sample;

	expect_equal(floe_observer_next(o, 0, &sample), 0);
	for (uint64_t i = 1; i <= 1000; i++) {
		publish(pub, i * 3, i);
		observe(o, i * 3, i, i);
		expect_equal(floe_observer_next(o, 0, &sample), 0);
	}
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(pub);
}

static void an_observer_is_no_subscriber(void)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 2));
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 0);

	for (uint64_t i = 1; i <= 100; i++)
		publish(pub, CHUNK, i);
	expect_equal(topic_info(v, "t").subscribers, 0);
	expect_equal(floe_view_subscribers(v, "t", NULL, sizeof(struct floe_subscriber_info), 0),
		     0);
	expect_equal(publisher_counts(pub).would_block, 0);
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(pub);
}

static void an_observer_starts_with_history(void)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 4));
	struct floe_view *v = view();
	struct floe_observer *o;
	struct floe_sample sample;

	for (uint64_t i = 1; i <= 10; i++)
		publish(pub, CHUNK, i);
	o = observer(v, 3);
	for (uint64_t i = 8; i <= 10; i++)
		observe(o, CHUNK, i, i);
	expect_equal(floe_observer_next(o, 0, &sample), 0);
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(pub);
}

static void what_an_observer_lost_is_counted(void)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 4));
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 0);
	struct floe_sample sample;

	for (uint64_t i = 1; i <= 10; i++)
		publish(pub, CHUNK, i);
	expect_equal(floe_observer_next(o, 0, &sample), 1);
	expect_equal(sample.sequence, 7);
	expect_equal(sample.lost, 6);
	expect(is_filled(sample.data, CHUNK, 7));
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(pub);
}

static void an_observer_may_peek(void)
{
	struct floe_publisher *pub = publisher("t", NULL);
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 0);
	struct floe_sample sample;

	publish(pub, CHUNK, 1);
	publish(pub, 8, 2);
	expect_equal(floe_observer_next(o, 1, &sample), 1);
	expect(!sample.data);
	expect_equal(sample.size, CHUNK);
	expect_equal(sample.sequence, 1);
	expect_equal(floe_observer_next(o, 1, &sample), 1);
	expect(!sample.data);
	expect_equal(sample.size, 8);
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(pub);
}

/* With 4 messages in the ring, the 4th after it takes its place. */
static void what_is_borrowed_says_how_long_it_will_be_there(void)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 4));
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 0);
	struct floe_sample sample;

	publish(pub, CHUNK, 1);
	expect_equal(floe_observer_borrow(o, &sample), 1);
	expect_equal(sample.sequence, 1);
	expect(is_filled(sample.data, CHUNK, 1));
	for (int left = 4; left > 0; left--) {
		expect_equal(floe_observer_left(o, &sample), left);
		expect_equal(floe_observer_has(o, &sample), 1);
		publish(pub, CHUNK, 2);
	}
	expect_equal(floe_observer_left(o, &sample), 0);
	expect_equal(floe_observer_has(o, &sample), 0);
	expect_equal(floe_view_subscribers(v, "t", NULL, sizeof(struct floe_subscriber_info), 0),
		     0);
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(pub);
}

/* Also one that is not the last that was borrowed. */
static void what_is_borrowed_is_there_until_it_is_overwritten(void)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 4));
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 0);
	struct floe_sample samples[2];

	for (uint64_t i = 0; i < 2; i++) {
		publish(pub, CHUNK, i);
		expect_equal(floe_observer_borrow(o, &samples[i]), 1);
	}
	for (uint64_t i = 2; i < 6; i++) {
		expect_equal(floe_observer_has(o, &samples[0]), i < 5);
		expect_equal(floe_observer_has(o, &samples[1]), 1);
		publish(pub, CHUNK, i);
	}
	expect_equal(floe_observer_has(o, &samples[1]), 0);
	expect_equal(floe_observer_has(NULL, &samples[1]), -EINVAL);
	expect_equal(floe_observer_has(o, NULL), -EINVAL);
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(pub);
}

static void what_is_borrowed_from_a_slot_stays(void)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 1));
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 0);
	struct floe_sample sample;

	publish(pub, 8, 1);
	expect_equal(floe_observer_borrow(o, &sample), 1);
	publish(pub, 8, 2);
	publish(pub, 8, 3);
	expect_equal(floe_observer_left(o, &sample), INT_MAX);
	expect_equal(floe_observer_has(o, &sample), 1);
	expect(is_filled(sample.data, 8, 1));
	expect_equal(floe_observer_borrow(o, &sample), 1);
	expect_equal(sample.sequence, 3);
	expect_equal(sample.lost, 1);
	expect_equal(floe_observer_borrow(o, &sample), 0);
	expect_equal(floe_observer_borrow(NULL, &sample), -EINVAL);
	expect_equal(floe_observer_borrow(o, NULL), -EINVAL);
	expect_equal(floe_observer_left(NULL, &sample), -EINVAL);
	expect_equal(floe_observer_left(o, NULL), -EINVAL);
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(pub);
}

/* The address is looked for, not touched. */
static void what_is_borrowed_is_gone_with_its_publisher(void)
{
	struct floe_publisher *pub = publisher("t", NULL);
	struct floe_publisher *other;
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 0);
	struct floe_sample sample;
	struct floe_sample next;

	publish(pub, CHUNK, 1);
	expect_equal(floe_observer_borrow(o, &sample), 1);
	expect(floe_observer_left(o, &sample) > 0);
	floe_publisher_close(pub);
	other = publisher("t", PUBLISHER(.depth = 3));
	expect_equal(floe_observer_borrow(o, &next), 0);
	usleep(100000);
	expect_equal(floe_observer_borrow(o, &next), 0);
	expect_equal(floe_observer_left(o, &sample), 0);
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(other);
}

/* The next ring begins with the same sequences, and may be mapped where this one was. */
static void what_is_borrowed_is_not_taken_for_what_comes_in_its_place(void)
{
	struct floe_publisher *other = publisher("t", NULL);
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 0);
	struct floe_sample earlier = {0};

	for (uint64_t i = 0; i < 4; i++) {
		struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 4));
		struct floe_sample sample;

		publish(pub, CHUNK, i);
		expect_equal(floe_observer_borrow(o, &sample), 1);
		expect_equal(sample.sequence, 1);
		expect_equal(sample.ticket % FLOE_PUBLISHERS_MAX, 1);
		if (i > 0) {
			earlier.data = sample.data;
			expect_equal(floe_observer_left(o, &earlier), 0);
			expect_equal(floe_observer_has(o, &earlier), 0);
			expect(!floe_observer_header(o, &earlier, NULL));
		}
		expect(floe_observer_left(o, &sample) > 0);
		expect_equal(floe_observer_has(o, &sample), 1);
		earlier = sample;
		floe_publisher_close(pub);
		expect_equal(floe_observer_borrow(o, &sample), 0);
	}
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(other);
}

/* A publisher stays on the topic, or the topic goes with the one that ends, and is made again. */
static void borrow_from_one_that_ends(bool is_alone)
{
	struct floe_publisher *other = is_alone ? NULL : publisher("t", NULL);
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 4));
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 0);
	struct floe_sample kept;
	struct floe_sample sample;

	publish(pub, CHUNK, 7);
	expect_equal(floe_observer_borrow(o, &kept), 1);
	expect_equal(floe_observer_keep(o, &kept, 1), 1);
	expect_equal(floe_observer_keep(o, &kept, 1), 1);
	floe_publisher_close(pub);
	expect_equal(floe_observer_borrow(o, &sample), is_alone ? -ENOENT : 0);
	for (uint64_t i = 0; i < 3; i++) {
		pub = publisher("t", PUBLISHER(.depth = 4));
		publish(pub, CHUNK, i);
		while (floe_observer_borrow(o, &sample) != 1)
			usleep(1000);
		expect(sample.ticket != kept.ticket);
		expect_equal(sample.sequence, 1);
		expect(is_filled(sample.data, CHUNK, i));
		expect(is_filled(kept.data, CHUNK, 7));
		expect_equal(floe_observer_left(o, &kept), 4);
		expect_equal(floe_observer_has(o, &kept), 1);
		floe_publisher_close(pub);
		expect_equal(floe_observer_borrow(o, &sample), is_alone ? -ENOENT : 0);
	}
	expect_equal(floe_observer_keep(o, &kept, 0), 0);
	expect_equal(floe_observer_left(o, &kept), 0);
	expect_equal(floe_observer_keep(o, &kept, 1), 0);
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(other);
}

static void a_ring_that_is_kept_stays_when_its_publisher_goes(void)
{
	borrow_from_one_that_ends(false);
}

static void a_ring_that_is_kept_stays_when_its_topic_goes(void)
{
	borrow_from_one_that_ends(true);
}

/* One is let go of before its publisher ends, the other by the end of the observer. */
static void what_is_kept_is_let_go_of_in_the_end(void)
{
	struct floe_publisher *pub[2] = {publisher("t", NULL), publisher("t", NULL)};
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 0);
	struct floe_sample samples[2];
	struct floe_sample inline_one;

	for (unsigned i = 0; i < 2; i++) {
		publish(pub[i], CHUNK, i);
		expect_equal(floe_observer_borrow(o, &samples[i]), 1);
		expect_equal(floe_observer_keep(o, &samples[i], 1), 1);
	}
	publish(pub[0], 8, 2);
	expect_equal(floe_observer_borrow(o, &inline_one), 1);
	expect_equal(floe_observer_keep(o, &inline_one, 1), 0);
	expect_equal(floe_observer_keep(o, &samples[0], 0), 0);
	expect(floe_observer_left(o, &samples[0]) > 0);
	floe_publisher_close(pub[0]);
	expect_equal(floe_observer_borrow(o, &inline_one), 0);
	expect_equal(floe_observer_left(o, &samples[0]), 0);
	floe_publisher_close(pub[1]);
	expect_equal(floe_observer_borrow(o, &inline_one), -ENOENT);
	expect(floe_observer_left(o, &samples[1]) > 0);
	expect_equal(floe_observer_keep(NULL, &samples[1], 1), -EINVAL);
	expect_equal(floe_observer_keep(o, NULL, 1), -EINVAL);
	floe_observer_close(o);
	floe_view_close(v);
}

/* Between two looks of the observer. What was there before is read to its end, and what comes after once. */
static void a_topic_that_is_made_again_is_read_once(void)
{
	struct floe_publisher *pub = publisher("t", NULL);
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 0);
	uint64_t wanted = 2;

	publish(pub, CHUNK, 1);
	observe(o, CHUNK, 1, 1);
	publish(pub, CHUNK, 2);
	floe_publisher_close(pub);
	pub = publisher("t", NULL);
	publish(pub, CHUNK, 3);
	publish(pub, CHUNK, 4);
	for (unsigned i = 0; i < 100; i++) {
		struct floe_sample sample;

		if (floe_observer_next(o, 0, &sample) == 1) {
			expect_equal(sample.lost, 0);
			expect(is_filled(sample.data, CHUNK, wanted++));
		}
		usleep(1000);
	}
	expect_equal(wanted, 5);
	publish(pub, CHUNK, 5);
	observe(o, CHUNK, 5, 3);
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(pub);
}

/* The block may be unmapped by then, and is, so that a look at it would be a signal. */
static void what_is_borrowed_is_gone_with_its_block(void)
{
	struct floe_publisher_options options = *PUBLISHER(.depth = 4);
	struct floe_sample samples[2];
	struct floe_publisher *pub;
	struct floe_view *v = view();
	struct floe_observer *o;

	options.memory_size = (size_t)floe_publisher_memory_size(&options);
	options.memory = mmap(NULL, options.memory_size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(options.memory != MAP_FAILED);
	pub = publisher("t", &options);
	o = observer(v, 0);
	for (uint64_t i = 0; i < 2; i++) {
		publish(pub, CHUNK, i);
		expect_equal(floe_observer_borrow(o, &samples[i]), 1);
		expect(is_filled(samples[i].data, CHUNK, i));
	}
	expect_equal(floe_observer_left(o, &samples[0]), 3);
	expect_equal(floe_observer_has(o, &samples[0]), 1);
	expect_equal(floe_observer_has(o, &samples[1]), 1);
	floe_publisher_close(pub);
	expect_equal(munmap(options.memory, options.memory_size), 0);
	for (uint64_t i = 0; i < 2; i++) {
		expect_equal(floe_observer_has(o, &samples[i]), 0);
		expect_equal(floe_observer_left(o, &samples[i]), 0);
	}
	floe_observer_close(o);
	floe_view_close(v);
}

/* All that there is: messages of one publisher each time, from `first` on; 0 at the end. */
static uint64_t borrow_all(struct floe_observer *o, size_t size, uint64_t first)
{
	struct floe_sample samples[100];
	int r;

	while ((r = floe_observer_borrow_many(o, samples, COUNT(samples))) > 0) {
		expect(r <= 100);
		for (int i = 0; i < r; i++) {
			expect_equal(samples[i].sequence, first + (uint64_t)i);
			expect_equal(samples[i].lost, 0);
			expect_equal(samples[i].ticket, samples[0].ticket);
			expect_equal(samples[i].size, size);
			expect(is_filled(samples[i].data, size, first + (uint64_t)i));
		}
		expect_equal(floe_observer_has_many(o, samples, (size_t)r), r);
		first += (uint64_t)r;
	}
	expect_equal(r, 0);
	return first;
}

/* The ring ends in the middle of what is borrowed together. */
static void several_are_borrowed_together(void)
{
	const size_t sizes[] = {8, 48, CHUNK};
	struct floe_view *v = view();

	for (size_t k = 0; k < COUNT(sizes); k++) {
		struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 50 + k));
		struct floe_observer *o = observer(v, 0);
		uint64_t next = 1;

		for (uint64_t n = 0; n < 200; n += 45) {
			for (uint64_t i = 0; i < 45; i++)
				publish(pub, sizes[k], next + i);
			expect_equal(borrow_all(o, sizes[k], next), next + 45);
			next += 45;
		}
		floe_observer_close(o);
		floe_publisher_close(pub);
	}
	floe_view_close(v);
}

static void no_more_are_borrowed_than_are_there_and_were_asked_for(void)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 3));
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 0);
	struct floe_sample samples[8];

	for (uint64_t i = 1; i <= 3; i++)
		publish(pub, CHUNK, i);
	expect_equal(floe_observer_borrow_many(o, samples, 2), 2);
	expect_equal(samples[0].sequence, 1);
	expect_equal(floe_observer_borrow_many(o, samples, COUNT(samples)), 1);
	expect_equal(samples[0].sequence, 3);
	expect_equal(floe_observer_borrow_many(o, samples, COUNT(samples)), 0);
	expect_equal(floe_observer_borrow_many(o, samples, 0), -EINVAL);
	expect_equal(floe_observer_borrow_many(o, NULL, 1), -EINVAL);
	expect_equal(floe_observer_borrow_many(NULL, samples, 1), -EINVAL);
	expect_equal(floe_observer_has_many(o, NULL, 1), -EINVAL);
	expect_equal(floe_observer_has_many(NULL, samples, 1), -EINVAL);
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(pub);
}

static void of_several_it_is_known_which_are_still_there(void)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 16));
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 0);
	struct floe_sample samples[16];

	for (uint64_t i = 1; i <= 13; i++)
		publish(pub, CHUNK, i);
	expect_equal(borrow_all(o, CHUNK, 1), 14);
	for (uint64_t i = 14; i <= 23; i++)
		publish(pub, i % 2 ? 8 : CHUNK, i);
	expect_equal(floe_observer_borrow_many(o, samples, COUNT(samples)), 10);
	for (uint64_t gone = 0; gone <= 10; gone++) {
		for (uint64_t i = 0; i < 10; i++) {
			bool is_there = i >= gone || samples[i].size == 8;

			expect_equal(floe_observer_has(o, &samples[i]), is_there);
			if (samples[i].size == 8)
				expect(is_filled(samples[i].data, 8, 14 + i));
		}
		/* Number 0 is in the ring, number 1 in the observer's memory, and so on. */
		expect_equal(floe_observer_has_many(o, samples, 10), gone ? 0 : 10);
		if (gone < 9)
			expect_equal(floe_observer_has_many(o, samples + gone, 10 - gone),
				     10 - gone);
		expect_equal(floe_observer_has_many(o, samples + 1, 2), gone < 3 ? 2 : 1);
		for (uint64_t i = 0; i < (gone ? 1 : 7); i++)
			publish(pub, CHUNK, 100);
	}
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(pub);
}

static void what_was_lost_is_told_with_the_first_of_several(void)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 8));
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 0);
	struct floe_sample samples[8];
	uint64_t lost = 0, taken = 0;
	int r;

	for (uint64_t i = 1; i <= 20; i++)
		publish(pub, CHUNK, i);
	while ((r = floe_observer_borrow_many(o, samples, COUNT(samples))) > 0) {
		for (int i = 0; i < r; i++) {
			lost += samples[i].lost;
			expect_equal(samples[i].sequence, lost + ++taken);
		}
	}
	expect(lost >= 12);
	expect_equal(lost + taken, 20);
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(pub);
}

/* One never has nothing, one has what comes alone, one is silent. */
static void who_is_borrowed_from_together_keeps_no_other_from_his_turn(void)
{
	struct floe_view *v = view();
	struct floe_publisher *fast = publisher("t", PUBLISHER(.depth = 64));
	struct floe_publisher *silent = publisher("t", NULL);
	struct floe_publisher *slow = publisher("t", PUBLISHER(.depth = 16));
	struct floe_observer *o = observer(v, 0);
	uint64_t from_fast = 0, from_slow = 0;
	struct floe_sample samples[8];

	for (uint64_t i = 0; i < 6; i++) {
		struct floe_loan loans[2];

		for (int k = 0; k < 2; k++)
			expect_equal(floe_loan(slow, CHUNK, &loans[k]), 1);
		expect(floe_publish_parts(slow, loans, 2) >= 0);
	}
	for (uint64_t i = 0; i < 40; i++) {
		int r;

		for (uint64_t k = 1; k <= 4; k++)
			publish(fast, CHUNK, 4 * i + k);
		r = floe_observer_borrow_many(o, samples, COUNT(samples));
		expect(r > 0);
		if (is_filled(samples[0].data, CHUNK, samples[0].sequence))
			from_fast += (uint64_t)r;
		else
			from_slow += (uint64_t)r;
	}
	expect_equal(from_slow, 12);
	/* What had to wait while a part had its turn has been caught up with. */
	expect_equal(from_fast, 160);
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(slow);
	floe_publisher_close(silent);
	floe_publisher_close(fast);
}

static void an_observer_tells_publishers_apart(void)
{
	struct floe_view *v = view();
	struct floe_publisher *pubs[2] = {publisher("t", NULL), publisher("t", NULL)};
	struct floe_observer *o = observer(v, 0);
	uint64_t seen[FLOE_PUBLISHERS_MAX] = {0}, publishers = 0;
	struct floe_sample sample;

	for (uint64_t i = 0; i < 10; i++)
		publish(pubs[i % 2], CHUNK, i);
	while (floe_observer_next(o, 0, &sample) == 1) {
		expect(sample.ticket < FLOE_PUBLISHERS_MAX);
		expect_equal(sample.sequence, ++seen[sample.ticket]);
	}
	for (size_t i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		publishers += seen[i] == 5;
	expect_equal(publishers, 2);
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(pubs[0]);
	floe_publisher_close(pubs[1]);
}

static void an_observer_finds_new_publishers(void)
{
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 0);
	struct floe_publisher *pub = publisher("t", NULL);

	publish(pub, CHUNK, 1);
	observe(o, CHUNK, 1, 1);
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void an_observer_reads_what_the_dead_left(void)
{
	struct floe_view *v = view();
	struct floe_observer *o;

	leave_dead();
	o = observer(v, 10);
	for (uint64_t i = 1; i <= 5; i++)
		observe(o, CHUNK, i, i);
	floe_observer_close(o);
	floe_view_close(v);
}

static void publish_fast(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = 4));

	(void)argument;
	tell(wire, 1);
	hear(wire);
	for (uint64_t i = 1; i <= 100000; i++)
		publish(pub, 100 + i % 100, i);
	tell(wire, 1);
	hear(wire);
	floe_publisher_close(pub);
}

/* Copies what is being overwritten meanwhile: each message is whole, each other one is counted. */
static void an_observer_of_a_fast_publisher_sees_whole_messages(void)
{
	struct peer peer = peer_start(publish_fast, NULL);
	struct floe_view *v = view();
	struct floe_observer *o;
	struct floe_sample sample;
	uint64_t last = 0;

	hear(peer.wire);
	o = observer(v, 0);
	tell(peer.wire, 1);
	while (last < 100000) {
		if (floe_observer_next(o, 0, &sample) == 0)
			continue;
		expect_equal(sample.sequence, last + 1 + sample.lost);
		expect_equal(sample.size, 100 + sample.sequence % 100);
		expect(is_filled(sample.data, sample.size, sample.sequence));
		last = sample.sequence;
	}
	hear(peer.wire);
	tell(peer.wire, 1);
	peer_end(&peer);
	floe_observer_close(o);
	floe_view_close(v);
}

/* What was copied of those that were still there afterwards is what they were. */
static void who_borrows_from_a_fast_publisher_knows_what_is_whole(void)
{
	struct peer peer = peer_start(publish_fast, NULL);
	struct floe_view *v = view();
	struct floe_observer *o;
	struct floe_sample samples[4];
	unsigned char copies[4][200];
	uint64_t last = 0;

	hear(peer.wire);
	o = observer(v, 0);
	tell(peer.wire, 1);
	while (last < 100000) {
		int r = floe_observer_borrow_many(o, samples, COUNT(samples));
		int whole;

		for (int i = 0; i < r; i++) {
			expect(samples[i].size < sizeof(copies[i]));
			memcpy(copies[i], samples[i].data, samples[i].size);
			expect_equal(samples[i].sequence, last + 1 + samples[i].lost);
			last = samples[i].sequence;
		}
		whole = floe_observer_has_many(o, samples, (size_t)r);
		expect(whole >= 0 && whole <= r);
		for (int i = 0; i < whole; i++)
			expect(is_filled(copies[i], 100 + samples[i].sequence % 100,
					 samples[i].sequence));
	}
	hear(peer.wire);
	tell(peer.wire, 1);
	peer_end(&peer);
	floe_observer_close(o);
	floe_view_close(v);
}

static void use_what_is_the_parents(int wire, void *argument)
{
	void *const *handles = argument;
	struct floe_topic_info topic;
	struct floe_node_info node;
	struct floe_sample sample;

	(void)wire;
	expect_equal(floe_view_topics(handles[0], &topic, sizeof(topic), 1), -EINVAL);
	expect_equal(floe_view_nodes(handles[0], &node, sizeof(node), 1), -EINVAL);
	expect_equal(floe_observer_next(handles[1], 0, &sample), -EINVAL);
	floe_observer_close(handles[1]);
	floe_view_close(handles[0]);
}

static void a_child_after_fork_is_refused(void)
{
	struct floe_publisher *pub = publisher("t", NULL);
	struct floe_view *v = view();
	struct floe_observer *o = observer(v, 1);
	void *handles[] = {v, o};
	struct peer peer;

	publish(pub, 1000, 1);
	peer = peer_start(use_what_is_the_parents, handles);
	peer_end(&peer);
	observe(o, 1000, 1, 1);
	floe_observer_close(o);
	floe_view_close(v);
	floe_publisher_close(pub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_child_after_fork_is_refused),
		TEST(a_domain_that_does_not_exist_is_empty),
		TEST(a_view_sees_topics_come_and_go),
		TEST(the_path_of_a_view_is_the_domains_folder),
		TEST(a_publisher_is_seen_as_it_is),
		TEST(loans_are_seen_until_they_are_sent_or_discarded),
		TEST(what_came_from_those_who_left_stays_counted),
		TEST(a_subscriber_is_seen_as_it_is),
		TEST(who_drops_the_newest_is_seen_with_its_lane),
		TEST(a_lane_is_seen_before_its_subscriber_looks),
		TEST(a_node_is_seen_as_it_is),
		TEST(a_topic_is_seen_as_it_is),
		TEST(a_list_fills_no_more_than_it_is_given),
		TEST(a_list_for_an_older_program_is_cut_to_its_size),
		TEST(indexes_are_those_of_the_samples),
		TEST(looking_changes_nothing),
		TEST(a_sleeper_is_seen_sleeping),
		TEST(the_dead_are_seen_as_dead),
		TEST(the_stopped_are_seen_as_alive),
		TEST(a_closed_publisher_is_seen_as_closed),
		TEST(adoption_counts_generations),
		TEST(clean_removes_all_that_the_dead_left),
		TEST(a_dry_run_only_tells),
		TEST(clean_leaves_the_living_alone),
		TEST(clean_leaves_what_the_living_still_read),
		TEST(only_the_first_of_two_finds_something_to_clean),
		TEST(processes_that_clean_at_once_do_not_disturb_each_other),
		TEST(an_observer_sees_what_flows),
		TEST(an_observer_is_no_subscriber),
		TEST(an_observer_starts_with_history),
		TEST(what_an_observer_lost_is_counted),
		TEST(an_observer_may_peek),
		TEST(what_is_borrowed_says_how_long_it_will_be_there),
		TEST(what_is_borrowed_is_there_until_it_is_overwritten),
		TEST(what_is_borrowed_from_a_slot_stays),
		TEST(what_is_borrowed_is_gone_with_its_publisher),
		TEST(what_is_borrowed_is_not_taken_for_what_comes_in_its_place),
		TEST(a_ring_that_is_kept_stays_when_its_publisher_goes),
		TEST(a_ring_that_is_kept_stays_when_its_topic_goes),
		TEST(what_is_kept_is_let_go_of_in_the_end),
		TEST(a_topic_that_is_made_again_is_read_once),
		TEST(what_is_borrowed_is_gone_with_its_block),
		TEST(several_are_borrowed_together),
		TEST(no_more_are_borrowed_than_are_there_and_were_asked_for),
		TEST(of_several_it_is_known_which_are_still_there),
		TEST(what_was_lost_is_told_with_the_first_of_several),
		TEST(who_borrows_from_a_fast_publisher_knows_what_is_whole),
		TEST(who_is_borrowed_from_together_keeps_no_other_from_his_turn),
		TEST(an_observer_tells_publishers_apart),
		TEST(an_observer_finds_new_publishers),
		TEST(an_observer_reads_what_the_dead_left),
		TEST(an_observer_of_a_fast_publisher_sees_whole_messages),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
