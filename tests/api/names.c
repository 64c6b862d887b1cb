/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names of topics and domains: what is refused and with which words, and that everything else is
 * just a name.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <floe/inspect.h>

#include "steps.h"

struct bad_name {
	const char *name;
	const char *word; /* in the sentence */
};

static const struct bad_name bad_names[] = {
	{"", "empty"},
	{".", "'.'"},
	{"..", "'..'"},
	{"/", "slash"},
	{"a/b", "a/b"},
	{"/a", "slash"},
	{"a/", "slash"},
	{"../a", "slash"},
	{"line\n", "control character at byte 4"},
	{"\t", "control character at byte 0"},
	{"a\x7f", "control character at byte 1"},
	{"a\x1b[31m", "control character"},
	{"a\xc2\x85z", "control character"}, /* U+0085, next line */
	{"\xff", "UTF-8 at byte 0"},
	{"ab\x80", "UTF-8 at byte 2"},     /* continues nothing */
	{"a\xc3", "UTF-8"},                /* ends early */
	{"a\xe2\x82", "UTF-8"},            /* ends early */
	{"\xc0\xaf", "UTF-8"},             /* a slash in two bytes */
	{"\xe0\x80\xaf", "UTF-8"},         /* a slash in three bytes */
	{"\xed\xa0\x80", "UTF-8"},         /* U+D800, half of a pair */
	{"\xf4\x90\x80\x80", "UTF-8"},     /* U+110000, beyond the last one */
	{"\xf8\x88\x80\x80\x80", "UTF-8"}, /* five bytes */
};

static const char *const good_names[] = {
	"a",
	"topic",
	"default",
	"...",
	"..a",
	".hidden",
	"-n",
	"--help",
	" ",
	"two words",
	" space before and after ",
	"%s%n%d",
	"$HOME",
	"*",
	"'quoted'",
	"\"quoted\"",
	"back\\slash",
	"semi;colon",
	"a:b",
	"camera.front.left",
	"lock",
	"node",
	"0",
	"4294967296",
	"\xc3\xa4\xc3\xb6\xc3\xbc", /* two bytes each */
	"\xe2\x82\xac",             /* the euro sign */
	"\xf0\x9f\xa7\x8a",         /* an ice cube */
	"\xef\xbf\xbd",             /* the replacement character itself */
	"e\xcc\x81",                /* combining accent */
};

static void bad_topic_names_are_refused_with_a_sentence(void)
{
	for (size_t i = 0; i < COUNT(bad_names); i++) {
		expect_equal(try_publisher(bad_names[i].name, NULL, bad_names[i].word), -EINVAL);
		expect_equal(try_subscriber(bad_names[i].name, NULL, bad_names[i].word), -EINVAL);
	}
}

static void bad_domain_names_are_refused_with_a_sentence(void)
{
	for (size_t i = 0; i < COUNT(bad_names); i++) {
		const char *name = bad_names[i].name, *word = bad_names[i].word;
		struct floe_error error = {""};
		struct floe_view *view = NULL;

		expect_equal(try_publisher("t", PUBLISHER(.domain = name), word), -EINVAL);
		expect_equal(try_subscriber("t", SUBSCRIBER(.domain = name), word), -EINVAL);
		expect_equal(floe_view_open(&view, NULL, name, &error), -EINVAL);
		expect(!view);
		expect(strstr(error.text, word));
	}
}

static void sentences_about_bad_names_say_what_the_name_was_for(void)
{
	expect_equal(try_publisher("a/b", NULL, "topic"), -EINVAL);
	expect_equal(try_publisher("t", PUBLISHER(.domain = "a/b"), "domain"), -EINVAL);
}

/* A message goes through the topic, and the view finds it under this name. */
static void expect_topic_works(const char *name)
{
	struct floe_publisher *pub = publisher(name, NULL);
	struct floe_subscriber *sub = subscriber(name, NULL);
	struct floe_topic_info info;
	struct floe_view *view;

	publish(pub, 100, 1);
	receive(sub, 100, 1);
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_view_topics(view, &info, sizeof(info), 1), 1);
	expect(!strcmp(info.name, name));
	floe_view_close(view);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void every_other_topic_name_works(void)
{
	for (size_t i = 0; i < COUNT(good_names); i++)
		expect_topic_works(good_names[i]);
}

static void every_other_domain_name_works(void)
{
	for (size_t i = 0; i < COUNT(good_names); i++) {
		struct floe_publisher *pub = publisher("t", PUBLISHER(.domain = good_names[i]));
		struct floe_subscriber *sub = subscriber("t", SUBSCRIBER(.domain = good_names[i]));

		publish(pub, 100, 1);
		receive(sub, 100, 1);
		floe_subscriber_close(sub);
		floe_publisher_close(pub);
	}
}

static void all_good_names_exist_side_by_side(void)
{
	struct floe_publisher *pubs[COUNT(good_names)];
	struct floe_subscriber *subs[COUNT(good_names)];

	for (size_t i = 0; i < COUNT(good_names); i++) {
		pubs[i] = publisher(good_names[i], NULL);
		subs[i] = subscriber(good_names[i], NULL);
	}
	for (size_t i = 0; i < COUNT(good_names); i++)
		publish(pubs[i], 100, i);
	for (size_t i = 0; i < COUNT(good_names); i++) {
		receive(subs[i], 100, i);
		expect_nothing(subs[i]);
	}
	for (size_t i = 0; i < COUNT(good_names); i++) {
		floe_subscriber_close(subs[i]);
		floe_publisher_close(pubs[i]);
	}
}

static void a_topic_name_has_at_most_255_bytes(void)
{
	char name[FLOE_TOPIC_NAME_MAX + 2];

	memset(name, 'x', sizeof(name));
	name[FLOE_TOPIC_NAME_MAX + 1] = '\0';
	expect_equal(try_publisher(name, NULL, "longer than 255"), -EINVAL);
	expect_equal(try_subscriber(name, NULL, "longer than 255"), -EINVAL);
	name[FLOE_TOPIC_NAME_MAX] = '\0';
	expect_topic_works(name);
}

static void a_topic_name_of_255_bytes_may_be_of_wide_characters(void)
{
	char name[FLOE_TOPIC_NAME_MAX + 1] = "";

	while (strlen(name) < FLOE_TOPIC_NAME_MAX)
		strcat(name, "\xe2\x82\xac");
	expect_topic_works(name);
}

static void long_names_that_differ_at_the_end_are_different_topics(void)
{
	char one[FLOE_TOPIC_NAME_MAX + 1], two[FLOE_TOPIC_NAME_MAX + 1];
	struct floe_publisher *pub;
	struct floe_subscriber *same, *other;

	memset(one, 'x', sizeof(one));
	one[FLOE_TOPIC_NAME_MAX] = '\0';
	memcpy(two, one, sizeof(two));
	two[FLOE_TOPIC_NAME_MAX - 1] = 'y';
	pub = publisher(one, NULL);
	same = subscriber(one, NULL);
	other = subscriber(two, NULL);
	publish(pub, 100, 1);
	receive(same, 100, 1);
	expect_nothing(other);

	floe_subscriber_close(same);
	floe_subscriber_close(other);
	floe_publisher_close(pub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(bad_topic_names_are_refused_with_a_sentence),
		TEST(bad_domain_names_are_refused_with_a_sentence),
		TEST(sentences_about_bad_names_say_what_the_name_was_for),
		TEST(every_other_topic_name_works),
		TEST(every_other_domain_name_works),
		TEST(all_good_names_exist_side_by_side),
		TEST(a_topic_name_has_at_most_255_bytes),
		TEST(a_topic_name_of_255_bytes_may_be_of_wide_characters),
		TEST(long_names_that_differ_at_the_end_are_different_topics),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
