/* SPDX-License-Identifier: Apache-2.0 */
/* A name is safe as one component of a path and on a terminal, or it is refused with a sentence
 * that says why. */
#include "base/name.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "frame/frame.h"

#define NOUN "topic name"

static bool is_name(const char *name)
{
	struct floe_error error = {.text = "untouched"};
	int r = name_check(name, NOUN, FLOE_TOPIC_NAME_MAX, &error);

	expect_equal(name_check(name, NOUN, FLOE_TOPIC_NAME_MAX, NULL), r);
	if (r == 0) {
		expect(!strcmp(error.text, "untouched"));
		return true;
	}
	expect_equal(r, -EINVAL);
	expect(strstr(error.text, NOUN));
	return false;
}

static bool is_refused(const char *name, const char *reason)
{
	struct floe_error error;

	expect(!is_name(name));
	expect_equal(name_check(name, NOUN, FLOE_TOPIC_NAME_MAX, &error), -EINVAL);
	return strstr(error.text, reason);
}

static void ordinary_names_pass(void)
{
	static const char *const names[] = {
		"a",   "camera", "camera.left", "a b",   "-",      "_",    ".hidden",
		"...", "a..b",   "~0",          "Grüße", "カメラ", "🧊", "%s%n",
	};

	for (size_t i = 0; i < TEST_COUNT(names); i++)
		expect(is_name(names[i]));
}

static void the_limit_is_in_bytes(void)
{
	char name[FLOE_TOPIC_NAME_MAX + 2];

	memset(name, 'x', sizeof(name));
	name[FLOE_TOPIC_NAME_MAX + 1] = '\0';
	expect(is_refused(name, "longer than 255 bytes"));
	name[FLOE_TOPIC_NAME_MAX] = '\0';
	expect(is_name(name));

	/* 254 bytes, and a character of two. */
	memcpy(name + FLOE_TOPIC_NAME_MAX - 1, "\u00e9", 3);
	expect(is_refused(name, "longer than 255 bytes"));
	memcpy(name + FLOE_TOPIC_NAME_MAX - 2, "\u00e9", 3);
	expect(is_name(name));
}

static void another_limit_is_kept_as_well(void)
{
	struct floe_error error;

	expect_equal(name_check("abc", "type name", 3, &error), 0);
	expect_equal(name_check("abcd", "type name", 3, &error), -EINVAL);
	expect(!strcmp(error.text, "the type name is longer than 3 bytes"));
}

static void nothing_is_no_name(void)
{
	expect(is_refused(NULL, "is NULL"));
	expect(is_refused("", "is empty"));
}

static void folders_are_no_names(void)
{
	expect(is_refused(".", "means a folder"));
	expect(is_refused("..", "means a folder"));
}

static void slashes_are_refused_wherever_they_are(void)
{
	expect(is_refused("/", "slash"));
	expect(is_refused("/a", "slash"));
	expect(is_refused("a/", "slash"));
	expect(is_refused("a/b", "slash"));
	expect(is_refused("../a", "slash"));
}

static void control_characters_are_refused(void)
{
	char name[] = "ab?d";

	for (int c = 1; c < 0x20; c++) {
		name[2] = (char)c;
		expect(is_refused(name, "control character at byte 2"));
	}
	name[2] = 0x7f;
	expect(is_refused(name, "control character at byte 2"));
	for (int c = 0x80; c < 0xa0; c++) {
		char wide[] = {'\xc2', (char)c, '\0'};

		expect(is_refused(wide, "control character at byte 0"));
	}
	expect(is_name("\xc2\xa0"));
	expect(is_name("\x20"));
}

/* RFC 3629, section 4: the first and the last of each row, and their neighbours. */
static void the_borders_of_utf8_are_kept(void)
{
	static const char *const good[] = {
		"\xdf\xbf",         "\xe0\xa0\x80", "\xe0\xbf\xbf",     "\xed\x9f\xbf",
		"\xee\x80\x80",     "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf3\xbf\xbf\xbf",
		"\xf4\x8f\xbf\xbf", "\xc3\x80",
	};
	static const char *const bad[] = {
		"\x80",             /* continues nothing */
		"\xbf",             /* the same */
		"\xc0\x80",         /* two bytes for NUL */
		"\xc0\xaf",         /* two bytes for a slash */
		"\xc1\xbf",         /* two bytes for what needs one */
		"\xe0\x80\xaf",     /* three bytes for a slash */
		"\xe0\x9f\xbf",     /* three bytes for what needs two */
		"\xed\xa0\x80",     /* first surrogate */
		"\xed\xbf\xbf",     /* last surrogate */
		"\xf0\x80\x80\xaf", /* four bytes for a slash */
		"\xf0\x8f\xbf\xbf", /* four bytes for what needs three */
		"\xf4\x90\x80\x80", /* beyond U+10FFFF */
		"\xf5\x80\x80\x80", /* further beyond */
		"\xf8\x88\x80\x80\x80",
		"\xfc\x84\x80\x80\x80\x80",
		"\xfe",
		"\xff",
		"\xc3", /* ends too early */
		"\xe2\x82",
		"\xf0\x9f\xa7",
		"\xc3(", /* goes on too early */
		"\xe2\x82(",
		"\xf0\x9f\xa7(",
		"\xe2(\x82",
	};

	for (size_t i = 0; i < TEST_COUNT(good); i++)
		expect(is_name(good[i]));
	for (size_t i = 0; i < TEST_COUNT(bad); i++)
		expect(is_refused(bad[i], "not UTF-8 at byte 0"));
}

static void the_sentence_says_at_which_byte(void)
{
	expect(is_refused("ab\xff", "not UTF-8 at byte 2"));
	expect(is_refused("\u00e9\n", "control character at byte 2"));
}

/* The page behind the name cannot be read: whoever looks further than the limit dies. */
static void not_a_byte_behind_the_limit_is_read(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
	char *end = memory + page;

	expect(memory != MAP_FAILED);
	expect(mprotect(end, page, PROT_NONE) == 0);
	memset(memory, 'x', page);
	expect(is_refused(end - FLOE_TOPIC_NAME_MAX - 1, "longer"));
	end[-1] = '\0';
	expect(is_name(end - FLOE_TOPIC_NAME_MAX - 1));
	end[-2] = '\xf0';
	expect(is_refused(end - 2, "not UTF-8"));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(ordinary_names_pass),
		TEST(the_limit_is_in_bytes),
		TEST(another_limit_is_kept_as_well),
		TEST(nothing_is_no_name),
		TEST(folders_are_no_names),
		TEST(slashes_are_refused_wherever_they_are),
		TEST(control_characters_are_refused),
		TEST(the_borders_of_utf8_are_kept),
		TEST(the_sentence_says_at_which_byte),
		TEST(not_a_byte_behind_the_limit_is_read),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
