/* SPDX-License-Identifier: Apache-2.0 */
/* Every size has the smallest class that holds it, and dividing by a class's size is exact. */
#include "alloc/size_class.h"

#include "frame/frame.h"

static void classes_ascend(void)
{
	for (unsigned class = 1; class < CLASS_COUNT; class ++) {
		expect(size_class[class].size > size_class[class - 1].size);
		expect_equal(size_class[class].size % CLASS_ALIGNMENT, 0);
	}
	expect_equal(size_class[CLASS_COUNT - 1].size, CLASS_SIZE_MAX);
}

static void every_size_has_the_smallest_class_that_holds_it(void)
{
	for (size_t size = 0; size <= CLASS_SIZE_MAX; size++) {
		unsigned class = class_of(size);

		expect(class > 0 && class < CLASS_COUNT);
		expect(size <= size_class[class].size);
		expect(class == 1 || size > size_class[class - 1].size);
	}
}

static void at_most_a_fifth_is_lost(void)
{
	for (size_t size = 65; size <= CLASS_SIZE_MAX; size++) {
		size_t has = size_class[class_of(size)].size;

		expect((has - size) * 5 <= has);
	}
}

static void dividing_by_a_size_is_exact_in_a_whole_span(void)
{
	for (unsigned class = 1; class < CLASS_COUNT; class ++)
		for (size_t at = 0; at < (size_t)size_class[class].span_pages << 12; at++)
			expect_equal(class_object(class, at), at / size_class[class].size);
}

/* What does not fit in is lost, or has no bit. */
static void a_span_loses_little(void)
{
	for (unsigned class = 1; class < CLASS_COUNT; class ++) {
		size_t bytes = (size_t)size_class[class].span_pages << 12;
		size_t count = bytes / size_class[class].size;

		expect(count >= 2 && count <= CLASS_OBJECTS_MAX);
		expect((bytes - count * size_class[class].size) * 25 <= bytes);
	}
}

static void an_aligned_class_is_a_multiple(void)
{
	for (size_t alignment = 1; alignment <= CLASS_SIZE_MAX; alignment *= 2)
		for (size_t size = 1; size <= CLASS_SIZE_MAX; size += 7) {
			unsigned class = class_of_aligned(size, alignment);

			expect(class > 0 && size_class[class].size >= size);
			expect_equal(size_class[class].size % alignment, 0);
		}
	expect_equal(class_of_aligned(CLASS_SIZE_MAX + 1, 16), 0);
	expect_equal(class_of_aligned(1, 2 * CLASS_SIZE_MAX), 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(classes_ascend),
		TEST(every_size_has_the_smallest_class_that_holds_it),
		TEST(at_most_a_fifth_is_lost),
		TEST(dividing_by_a_size_is_exact_in_a_whole_span),
		TEST(a_span_loses_little),
		TEST(an_aligned_class_is_a_multiple),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
