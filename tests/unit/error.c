/* SPDX-License-Identifier: Apache-2.0 */
/* Every sentence fits, is complete, and comes with the code that it belongs to. */
#include "base/error.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "frame/frame.h"

static bool says(int code, const char *sentence)
{
	struct floe_error error;

	expect_equal(error_system(&error, code, "open", "/x"), code);
	return !strcmp(error.text, sentence);
}

static void a_sentence_is_filled_in(void)
{
	struct floe_error error;

	expect_equal(error_set(&error, -EPROTO, "'%s' has %d legs", "table", 3), -EPROTO);
	expect(!strcmp(error.text, "'table' has 3 legs"));
}

static void nobody_needs_to_listen(void)
{
	expect_equal(error_set(NULL, -EPROTO, "%s", "heard by nobody"), -EPROTO);
	expect_equal(error_system(NULL, -ENOSPC, "open", "/x"), -ENOSPC);
}

static void a_long_sentence_is_cut_at_the_end(void)
{
	struct {
		struct floe_error error;
		char after;
	} place = {.after = 'z'};
	char text[1000];

	memset(text, 'y', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	expect_equal(error_set(&place.error, -EINVAL, "%s", text), -EINVAL);
	expect_equal(strlen(place.error.text), sizeof(place.error.text) - 1);
	expect_equal(place.after, 'z');
}

static void advice_comes_with_what_the_user_can_change(void)
{
	expect(says(-ENOSPC, "cannot open '/x': the file system is full: "
			     "remove what is not needed or enlarge it"));
	expect(says(-EDQUOT, "cannot open '/x': the quota is used up"));
	expect(says(-ENOMEM, "cannot open '/x': out of memory"));
	expect(says(-EACCES, "cannot open '/x': permission denied: check owner, group and mode"));
	expect(says(-EPERM, "cannot open '/x': permission denied: check owner, group and mode"));
	expect(says(-EMFILE, "cannot open '/x': too many open files in this process: "
			     "raise RLIMIT_NOFILE"));
	expect(says(-ENFILE, "cannot open '/x': too many open files in the system"));
	expect(says(-EROFS, "cannot open '/x': the file system is read-only"));
}

static void other_errors_keep_the_systems_words(void)
{
	expect(says(-ENOENT, "cannot open '/x': No such file or directory"));
	expect(says(-EINTR, "cannot open '/x': Interrupted system call"));
	expect(says(-9999, "cannot open '/x': unknown error"));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_sentence_is_filled_in),
		TEST(nobody_needs_to_listen),
		TEST(a_long_sentence_is_cut_at_the_end),
		TEST(advice_comes_with_what_the_user_can_change),
		TEST(other_errors_keep_the_systems_words),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
