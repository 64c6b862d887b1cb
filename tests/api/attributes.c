/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Attributes: what publishers say about themselves, what subscribers insist on, and that whoever comes
 * second is told in one sentence what does not fit, and with whom.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <floe/inspect.h>
#include <floe/service.h>

#include "folder.h"
#include "peer.h"
#include "steps.h"

#define ATTRIBUTES(...) \
	.attributes = (const struct floe_attribute[]){__VA_ARGS__}, \
	.attributes_count = sizeof((const struct floe_attribute[]){__VA_ARGS__}) / \
			    sizeof(struct floe_attribute)

/* clang-format off */
#define MAP {"frame", "map"}
#define ODOM {"frame", "odom"}
#define UNIT {"unit", "m/s"}
#define ANY_FRAME {"frame", NULL}
/* clang-format on */

static int count_attributes(const char *topic, uint32_t index, struct floe_attribute_info *ret)
{
	struct floe_view *view;
	int r;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	r = floe_view_attributes(view, topic, index, ret, sizeof(*ret), FLOE_ATTRIBUTES_MAX);
	floe_view_close(view);
	return r;
}

static void everybody_can_read_them(void)
{
	struct floe_attribute_info info[FLOE_ATTRIBUTES_MAX];
	struct floe_publisher *pub = publisher("pose",
					       PUBLISHER(ATTRIBUTES(MAP, UNIT, {"empty", ""})));
	struct floe_publisher *silent = publisher("pose", NULL);

	expect_equal(count_attributes("pose", 0, info), 3);
	expect_equal(strcmp(info[0].key, "frame"), 0);
	expect_equal(strcmp(info[0].value, "map"), 0);
	expect_equal(strcmp(info[1].value, "m/s"), 0);
	expect_equal(strcmp(info[2].key, "empty"), 0);
	expect_equal(strcmp(info[2].value, ""), 0);
	expect_equal(count_attributes("pose", 1, info), 0);
	expect_equal(count_attributes("pose", 2, info), -ENOENT);
	expect_equal(count_attributes("none", 0, info), -ENOENT);
	floe_publisher_close(silent);
	floe_publisher_close(pub);
	expect_folder_empty();
}

static void as_many_and_as_long_as_is_promised(void)
{
	struct floe_attribute attributes[FLOE_ATTRIBUTES_MAX];
	static char key[FLOE_ATTRIBUTES_MAX][FLOE_ATTRIBUTE_KEY_MAX + 2];
	static char value[FLOE_ATTRIBUTE_VALUE_MAX + 2];
	struct floe_attribute_info info[FLOE_ATTRIBUTES_MAX];
	struct floe_publisher_options o = *PUBLISHER(.attributes = attributes,
						     .attributes_count = FLOE_ATTRIBUTES_MAX);
	struct floe_subscriber_options s = *SUBSCRIBER(.attributes = attributes,
						       .attributes_count = FLOE_ATTRIBUTES_MAX);
	struct floe_publisher *pub;
	struct floe_subscriber *sub;

	memset(value, 'v', FLOE_ATTRIBUTE_VALUE_MAX);
	for (int i = 0; i < FLOE_ATTRIBUTES_MAX; i++) {
		memset(key[i], 'a' + i, FLOE_ATTRIBUTE_KEY_MAX);
		attributes[i] = (struct floe_attribute){key[i], value};
	}
	pub = publisher("full", &o);
	sub = subscriber("full", &s);
	expect_equal(count_attributes("full", 0, info), FLOE_ATTRIBUTES_MAX);
	for (int i = 0; i < FLOE_ATTRIBUTES_MAX; i++) {
		expect_equal(strcmp(info[i].key, key[i]), 0);
		expect_equal(strcmp(info[i].value, value), 0);
	}
	expect_equal(floe_subscriber_memory_size(&s), floe_subscriber_memory_size(NULL) + 2944);
	publish(pub, 100, 1);
	receive(sub, 100, 1);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);

	value[FLOE_ATTRIBUTE_VALUE_MAX] = 'v';
	expect_equal(try_publisher("full", &o, "longer than 256 bytes"), -EINVAL);
	value[FLOE_ATTRIBUTE_VALUE_MAX] = 0;
	key[3][FLOE_ATTRIBUTE_KEY_MAX] = 'x';
	expect_equal(try_publisher("full", &o, "longer than 64 bytes"), -EINVAL);
	expect_equal(try_subscriber("full", &s, "longer than 64 bytes"), -EINVAL);
}

static void what_is_no_attribute_is_refused(void)
{
	static const struct {
		struct floe_attribute attribute;
		const char *word;
	} odd[] = {
		{{NULL, "x"}, "is NULL"},
		{{"", "x"}, "is empty"},
		{{"a=b", "x"}, "has a '='"},
		{{"a/b", "x"}, "slash"},
		{{".", "x"}, "means a folder"},
		{{"..", "x"}, "means a folder"},
		{{"a\nb", "x"}, "control character"},
		{{"a", "x\x1b"}, "control character"},
		{{"a", "\xff"}, "not UTF-8"},
	};
	struct floe_attribute nine[FLOE_ATTRIBUTES_MAX + 1] = {{"a", "b"}};

	for (size_t i = 0; i < COUNT(odd); i++) {
		expect_equal(
			try_publisher("t", PUBLISHER(ATTRIBUTES(odd[i].attribute)), odd[i].word),
			-EINVAL);
		expect_equal(
			try_subscriber("t", SUBSCRIBER(ATTRIBUTES(odd[i].attribute)), odd[i].word),
			-EINVAL);
	}
	expect_equal(try_publisher("t", PUBLISHER(ATTRIBUTES(ANY_FRAME)), "value is NULL"),
		     -EINVAL);
	expect_equal(try_publisher("t", PUBLISHER(ATTRIBUTES(MAP, UNIT, ODOM)),
				   "two attributes 'frame'"),
		     -EINVAL);
	expect_equal(try_publisher("t", PUBLISHER(.attributes = nine, .attributes_count = 9),
				   "at most 8"),
		     -EINVAL);
	expect_equal(try_publisher("t", PUBLISHER(.attributes = nine), "belong together"), -EINVAL);
	expect_equal(try_subscriber("t", SUBSCRIBER(.attributes_count = 1), "belong together"),
		     -EINVAL);
}

static void a_subscriber_gets_what_it_insists_on(void)
{
	struct floe_publisher *pub = publisher("pose", PUBLISHER(ATTRIBUTES(MAP, UNIT)));
	struct floe_subscriber *sub = subscriber("pose", SUBSCRIBER(ATTRIBUTES(UNIT, MAP)));
	struct floe_subscriber *any = subscriber("pose", SUBSCRIBER(ATTRIBUTES(ANY_FRAME)));

	publish(pub, 100, 1);
	receive(sub, 100, 1);
	receive(any, 100, 1);
	expect_equal(try_subscriber("pose", SUBSCRIBER(ATTRIBUTES(ODOM)),
				    "topic 'pose': the attribute 'frame' is 'odom' here, 'map' at "
				    "publisher 0"),
		     -EPROTOTYPE);
	expect_equal(try_subscriber("pose", SUBSCRIBER(ATTRIBUTES({"rate", NULL})),
				    "the attribute 'rate' is wanted here, publisher 0 has none of "
				    "that name"),
		     -EPROTOTYPE);
	expect_equal(try_subscriber("pose", SUBSCRIBER(ATTRIBUTES(UNIT, {"rate", "5"})),
				    "the attribute 'rate' is wanted here"),
		     -EPROTOTYPE);
	floe_subscriber_close(any);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_folder_empty();
}

static void a_publisher_that_lacks_it_comes_too_late(void)
{
	struct floe_subscriber *sub = subscriber("pose",
						 SUBSCRIBER(ATTRIBUTES(MAP, {"unit", NULL})));
	struct floe_publisher *pub;

	expect_equal(try_publisher("pose", NULL,
				   "wants the attribute 'frame', here is none of that "
				   "name"),
		     -EPROTOTYPE);
	expect_equal(try_publisher("pose", PUBLISHER(ATTRIBUTES(ODOM, UNIT)),
				   "the attribute 'frame' is 'odom' here, 'map' at subscriber 0 of "
				   "process"),
		     -EPROTOTYPE);
	expect_equal(
		try_publisher("pose", PUBLISHER(ATTRIBUTES(MAP)), "wants the attribute 'unit'"),
		-EPROTOTYPE);
	pub = publisher("pose", PUBLISHER(ATTRIBUTES(MAP, UNIT)));
	publish(pub, 8, 1);
	receive(sub, 8, 1);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
	/* A port that was used with wishes is not one without. */
	sub = subscriber("pose", NULL);
	pub = publisher("pose", NULL);
	publish(pub, 8, 2);
	receive(sub, 8, 2);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void a_wish_takes_no_room_of_a_neighbour(void)
{
	struct floe_subscriber *first = subscriber("pose", NULL);
	struct floe_subscriber *next = subscriber("next", NULL);
	struct floe_subscriber *sub;
	struct floe_publisher *pub;

	floe_subscriber_close(first);
	sub = subscriber("pose", SUBSCRIBER(ATTRIBUTES(MAP)));
	pub = publisher("next", NULL);
	publish(pub, 100, 1);
	receive(next, 100, 1);
	expect_equal(try_publisher("pose", PUBLISHER(ATTRIBUTES(ODOM)), "'map' at"), -EPROTOTYPE);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
	floe_subscriber_close(next);
}

static void two_publishers_do_not_contradict_each_other(void)
{
	struct floe_publisher *pub = publisher("pose", PUBLISHER(ATTRIBUTES(MAP)));
	struct floe_publisher *other;

	expect_equal(try_publisher("pose", PUBLISHER(ATTRIBUTES(ODOM)),
				   "'odom' here, 'map' at publisher 0"),
		     -EPROTOTYPE);
	other = publisher("pose", PUBLISHER(ATTRIBUTES(UNIT)));
	expect_equal(try_subscriber("pose", SUBSCRIBER(ATTRIBUTES(MAP)), "publisher 1 has none"),
		     -EPROTOTYPE);
	floe_publisher_close(other);
	floe_publisher_close(pub);
}

static void two_subscribers_do_not_want_different_things(void)
{
	static const struct floe_type stamp = {.name = "stamp", .size = 24};
	static const struct floe_type note = {.name = "note", .size = 24};
	struct floe_subscriber *sub = subscriber("pose",
						 SUBSCRIBER(.header = &stamp, ATTRIBUTES(MAP)));

	expect_equal(try_subscriber("pose", SUBSCRIBER(ATTRIBUTES(ODOM)),
				    "'odom' here, 'map' at subscriber 0 of process"),
		     -EPROTOTYPE);
	expect_equal(try_subscriber("pose", SUBSCRIBER(.header = &note), "is 'stamp'"),
		     -EPROTOTYPE);
	floe_subscriber_close(subscriber("pose", SUBSCRIBER(ATTRIBUTES(ANY_FRAME, UNIT))));
	floe_subscriber_close(sub);
	expect_equal(floe_subscriber_memory_size(SUBSCRIBER(ATTRIBUTES(MAP))),
		     floe_subscriber_memory_size(NULL) + 512);
}

static void a_publisher_in_a_block_is_asked_as_well(void)
{
	static const struct floe_type header = {.name = "stamp", .size = 24};
	static const struct floe_type type = {.name = "pose", .size = 100};
	static const struct floe_type other = {.name = "note", .size = 100};
	struct floe_publisher_options o = *PUBLISHER(.type = &type, .depth = 4, .payload_max = 100,
						     ATTRIBUTES(MAP));
	struct floe_publisher *pub;
	struct floe_subscriber *sub;

	o.memory_size = (size_t)floe_publisher_memory_size(&o);
	o.memory = aligned_alloc(64, (o.memory_size + 63) & ~(size_t)63);
	pub = publisher("pose", &o);
	expect_equal(try_subscriber("pose", SUBSCRIBER(ATTRIBUTES(ODOM)),
				    "'odom' here, 'map' at publisher 0"),
		     -EPROTOTYPE);
	expect_equal(try_subscriber("pose", SUBSCRIBER(.header = &header), "publisher 0 has none"),
		     -EPROTOTYPE);
	expect_equal(try_subscriber("pose", SUBSCRIBER(.type = &other), "of publisher 0 is 'pose'"),
		     -EPROTOTYPE);
	expect_equal(try_publisher("pose", PUBLISHER(ATTRIBUTES(ODOM)), "'map' at publisher 0"),
		     -EPROTOTYPE);
	sub = subscriber("pose", SUBSCRIBER(.type = &type, ATTRIBUTES(MAP)));
	publish(pub, 100, 1);
	receive(sub, 100, 1);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	free(o.memory);
	expect_folder_empty();
}

static void publish_and_wait(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("pose", PUBLISHER(.depth = 4, ATTRIBUTES(ODOM)));

	(void)argument;
	publish(pub, 100, 1);
	tell(wire, 1);
	(void)hear(wire);
}

static void insist_and_wait(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber("pose", SUBSCRIBER(ATTRIBUTES(ODOM)));

	(void)argument;
	(void)sub;
	tell(wire, 1);
	(void)hear(wire);
}

/* What the dead meant binds nobody, but what they left is as they said. */
static void the_dead_bind_nobody(void)
{
	struct peer dead = peer_start(publish_and_wait, NULL);
	struct peer picky = peer_start(insist_and_wait, NULL);
	struct floe_subscriber *sub;
	struct floe_publisher *pub;

	expect_equal(hear(dead.wire), 1);
	expect_equal(hear(picky.wire), 1);
	expect_equal(try_publisher("pose", PUBLISHER(ATTRIBUTES(MAP)), "'map' here, 'odom' at"),
		     -EPROTOTYPE);
	peer_kill(&dead);
	peer_kill(&picky);
	sub = subscriber("pose", SUBSCRIBER(.history = 4, ATTRIBUTES(MAP)));
	expect_nothing(sub);
	pub = publisher("pose", PUBLISHER(.depth = 4, ATTRIBUTES(MAP)));
	expect_equal(publisher_counts(pub).published, 0);
	publish(pub, 100, 2);
	receive(sub, 100, 2);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
	expect_folder_empty();
}

/* Its place is still there, for the sake of what others read. */
static void who_was_closed_binds_nobody(void)
{
	struct floe_publisher *pub = publisher("pose", PUBLISHER(ATTRIBUTES(MAP, UNIT)));
	struct floe_publisher *out = publisher("out", PUBLISHER(.depth = 4, .relays_max = 16));
	struct floe_subscriber *shares = subscriber("pose", SUBSCRIBER(ATTRIBUTES(UNIT)));
	struct floe_subscriber *passes = subscriber("pose", SUBSCRIBER(ATTRIBUTES(UNIT)));
	struct floe_subscriber *sub = subscriber("out", NULL);
	struct floe_shared_sample *shared;
	struct floe_publisher *plain;
	struct floe_sample sample;

	publish(pub, 1000, 1);
	sample = take(shares, 1000, 1);
	expect_equal(floe_sample_share(shares, &sample, &shared), 0);
	sample = take(passes, 1000, 1);
	expect_equal(floe_republish(out, passes, &sample), 1);
	expect_equal(try_publisher("pose", NULL, "wants the attribute 'unit'"), -EPROTOTYPE);
	floe_subscriber_close(shares);
	expect_equal(try_publisher("pose", NULL, "wants the attribute 'unit'"), -EPROTOTYPE);
	floe_subscriber_close(passes);
	plain = publisher("pose", NULL);
	floe_publisher_close(plain);
	expect_equal(floe_shared_sample_unref(shared), 1);
	plain = publisher("pose", NULL);
	receive(sub, 1000, 1);
	floe_publisher_close(plain);
	floe_subscriber_close(sub);
	floe_publisher_close(out);
	floe_publisher_close(pub);
	expect_folder_empty();
}

static void a_ring_is_adopted_with_the_same_attributes_only(void)
{
	struct peer dead = peer_start(publish_and_wait, NULL);
	struct floe_attribute_info info[FLOE_ATTRIBUTES_MAX];
	struct floe_subscriber *sub;
	struct floe_publisher *pub;

	expect_equal(hear(dead.wire), 1);
	sub = subscriber("pose", SUBSCRIBER(.history = 4, ATTRIBUTES(ANY_FRAME)));
	peer_kill(&dead);
	expect_equal(count_attributes("pose", 0, info), 1);
	pub = publisher("pose", PUBLISHER(.depth = 4, ATTRIBUTES({"frame", "odon"})));
	expect_equal(publisher_counts(pub).published, 0);
	floe_publisher_close(pub);
	pub = publisher("pose", PUBLISHER(.depth = 4, ATTRIBUTES(ODOM)));
	expect_equal(publisher_counts(pub).published, 1);
	receive(sub, 100, 1);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

/* A schema lies in front of them, a header beside them. */
static void they_lie_between_schema_and_ring(void)
{
	static const struct floe_type header = {.name = "stamp", .size = 24};
	static char schema[200];
	struct floe_attribute_info info[FLOE_ATTRIBUTES_MAX];

	for (size_t length = 0; length < 130; length++) {
		struct floe_type type = {.name = "pose", .schema = schema};
		struct floe_publisher_options o = *PUBLISHER(.type = &type, .header = &header,
							     ATTRIBUTES(MAP, UNIT));
		struct floe_publisher *pub;
		struct floe_subscriber *sub;

		memset(schema, 's', length);
		pub = publisher("pose", &o);
		sub = subscriber("pose", SUBSCRIBER(.header = &header, ATTRIBUTES(UNIT)));
		expect_equal(count_attributes("pose", 0, info), 2);
		expect_equal(strcmp(info[1].value, "m/s"), 0);
		publish(pub, 100, length);
		receive(sub, 100, length);
		floe_subscriber_close(sub);
		floe_publisher_close(pub);
	}
}

static void a_client_insists_on_what_a_server_says(void)
{
	static const struct floe_attribute precise = {"precision", "double"};
	static const struct floe_attribute coarse = {"precision", "float"};
	struct floe_error error;
	struct floe_server_options so = {
		.size = sizeof(so), .attributes = &precise, .attributes_count = 1, .error = &error};
	struct floe_client_options co = {
		.size = sizeof(co), .attributes = &coarse, .attributes_count = 1, .error = &error};
	struct floe_attribute_info info[FLOE_ATTRIBUTES_MAX];
	struct floe_server *server, *other;
	struct floe_client *client;
	struct floe_loan loan;

	expect_equal(floe_server_open(&server, "sum", &so), 0);
	expect_equal(count_attributes("sum@service", 0, info), 1);
	expect_equal(floe_client_open(&client, "sum", &co), -EPROTOTYPE);
	expect(strstr(error.text, "the attribute 'precision' is 'float' here, 'double' at"));
	co.attributes = &precise;
	expect_equal(floe_client_open(&client, "sum", &co), 0);
	so.attributes = &coarse;
	expect_equal(floe_server_open(&other, "sum", &so), -EPROTOTYPE);
	so.attributes = NULL;
	so.attributes_count = 0;
	expect_equal(floe_server_open(&other, "sum", &so), -EPROTOTYPE);
	expect(strstr(error.text, "wants the attribute 'precision'"));
	expect_equal(floe_client_loan(client, 8, &loan), 1);
	floe_client_discard(client, &loan);
	expect_equal(floe_server_memory_size(NULL, 0) + 512,
		     floe_server_memory_size(&(struct floe_server_options){.size = sizeof(so),
									   .attributes = &precise,
									   .attributes_count = 1},
					     0));
	expect_equal(floe_client_memory_size(NULL, 0) + 512,
		     floe_client_memory_size(&(struct floe_client_options){.size = sizeof(co),
									   .attributes = &precise,
									   .attributes_count = 1},
					     0));
	floe_client_close(client);
	floe_server_close(server);
	expect_folder_empty();
}

/* Where no service meets, nobody wants it of who names something, be it the type alone. */
static void keys_of_headers_mean_nothing_on_other_topics(void)
{
	static const char *const topics[] = {"pose", "pose@services", "pose@server.1"};
	static const struct floe_type pose = {.name = "pose", .size = 100};

	for (size_t i = 0; i < COUNT(topics); i++) {
		struct floe_publisher *pub = publisher(
			topics[i],
			PUBLISHER(ATTRIBUTES({"request.header", "x"}, {"response.header", "y"})));
		struct floe_subscriber *typed = subscriber(topics[i], SUBSCRIBER(.type = &pose));
		struct floe_subscriber *other = subscriber(
			topics[i], SUBSCRIBER(ATTRIBUTES({"request.header", NULL})));
		struct floe_publisher *late = publisher(
			topics[i], PUBLISHER(ATTRIBUTES({"request.header", "x"})));

		publish(pub, 100, 1);
		receive(typed, 100, 1);
		receive(other, 100, 1);
		publish(late, 100, 2);
		receive(typed, 100, 2);
		receive(other, 100, 2);
		floe_publisher_close(late);
		floe_subscriber_close(other);
		floe_subscriber_close(typed);
		floe_publisher_close(pub);
	}
	expect_folder_empty();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(everybody_can_read_them),
		TEST(as_many_and_as_long_as_is_promised),
		TEST(what_is_no_attribute_is_refused),
		TEST(a_subscriber_gets_what_it_insists_on),
		TEST(a_publisher_that_lacks_it_comes_too_late),
		TEST(a_wish_takes_no_room_of_a_neighbour),
		TEST(two_publishers_do_not_contradict_each_other),
		TEST(a_publisher_in_a_block_is_asked_as_well),
		TEST(two_subscribers_do_not_want_different_things),
		TEST(the_dead_bind_nobody),
		TEST(who_was_closed_binds_nobody),
		TEST(a_ring_is_adopted_with_the_same_attributes_only),
		TEST(they_lie_between_schema_and_ring),
		TEST(a_client_insists_on_what_a_server_says),
		TEST(keys_of_headers_mean_nothing_on_other_topics),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
