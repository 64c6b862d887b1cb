/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The C++ header: types of messages, what is given back without being told, and what is moved.
 */

#include <floe/floe.hpp>

#include <cstring>
#include <new>
#if defined(__cpp_exceptions)
#include <map>
#include <vector>
#endif

#include "frame/frame.h"

struct pose {
	double x, y, z;
	std::uint64_t number;
};

struct picture {
	unsigned char pixels[4000];
};

struct other_pose {
	float x, y;
};

template <> inline constexpr const char *floe::type_name<pose> = "pose";
template <> inline constexpr const char *floe::type_name<other_pose> = "pose";

struct stamp {
	std::uint64_t number;
	double exposure;
};

template <> inline constexpr const char *floe::type_name<stamp> = "stamp";

using namespace std::chrono_literals;

namespace
{

template <class T> floe::publisher<T> open_publisher(const char *topic)
{
	floe::publisher<T> pub;

	expect_equal(pub.open(topic), 0);
	return pub;
}

template <class T> floe::subscriber<T> open_subscriber(const char *topic)
{
	floe::subscriber<T> sub;

	expect_equal(sub.open(topic), 0);
	return sub;
}

/* The size of a loan is that of its type, in the slot or in a chunk. */
void a_message_is_what_its_type_says()
{
	auto pub = open_publisher<pose>("pose");
	auto sub = open_subscriber<pose>("pose");

	expect(!sub.take());
	expect_equal(sub.take().result(), 0);
	expect_equal(pub.send(pose{1, 2, 3, 7}), 1);

	auto sample = sub.take();

	expect(sample);
	expect_equal(sample.result(), 1);
	expect_equal(sample->number, 7);
	expect((*sample).y == 2);
	expect_equal(sample.sequence(), 1);
	expect_equal(sample.lost(), 0);
	expect_equal(sample.size(), 1);
}

void a_header_has_a_type_of_its_own()
{
	floe::publisher<picture> pub;
	floe::subscriber<picture> sub;
	floe_publisher_options sending = {};
	floe_subscriber_options wanting = {};

	sending.header = &floe::type_of<stamp>;
	wanting.header = &floe::type_of<stamp>;
	expect_equal(pub.open("pictures", sending), 0);
	expect_equal(sub.open("pictures", wanting), 0);

	auto loan = pub.loan();

	expect(loan);
	*loan = picture{{4, 5, 6}};
	*loan.header<stamp>() = stamp{7, 0.5};
	expect_equal(pub.publish(loan), 1);
	expect(!loan.header<stamp>());

	auto sample = sub.take();

	expect(sample);
	expect_equal(sample.header<stamp>()->number, 7);
	expect(!sample.header<pose>());
	expect_equal(sample->pixels[2], 6);

	auto shared = sample.share();

	expect(shared);
	expect(!sample.header<stamp>());
	expect_equal(shared.header<stamp>()->number, 7);
}

void a_sample_is_passed_on()
{
	auto raw = open_publisher<picture>("raw");
	auto in = open_subscriber<picture>("raw");
	floe::publisher<picture> out;
	auto end = open_subscriber<picture>("cooked");

	floe_publisher_options relaying = {};

	relaying.relays_max = 24;
	expect_equal(out.open("cooked", relaying), 0);
	expect_equal(raw.send(picture{{1, 2, 3}}), 1);

	auto sample = in.take();

	expect(sample);
	expect_equal(sample.republish(out), 1);
	expect(!sample);
	sample = end.take();
	expect(sample);
	expect_equal(sample->pixels[2], 3);
}

void what_is_lent_is_what_is_read()
{
	auto pub = open_publisher<picture>("picture");
	auto sub = open_subscriber<picture>("picture");
	auto loan = pub.loan();

	expect(loan);
	std::memset(loan->pixels, 7, sizeof(loan->pixels));
	expect_equal(pub.publish(std::move(loan)), 1);
	expect(!loan);

	auto sample = sub.take();

	expect(sample);
	expect_equal(sample->pixels[3999], 7);
	expect_equal(sub.counts().copied, 0);
}

void loans_and_samples_go_back_at_their_end()
{
	floe::publisher<picture> pub;
	floe_publisher_options options = {};

	options.loans_max = 1;
	expect_equal(pub.open("ends", options), 0);
	for (int i = 0; i < 100; i++) {
		auto loan = pub.loan();

		expect(loan);
		expect_equal(pub.loan().result(), -ENOBUFS);
	}
	expect_equal(pub.counts().loans, 0);

	auto sub = open_subscriber<picture>("ends");

	for (int i = 0; i < 100; i++) {
		auto loan = pub.loan();

		loan->pixels[0] = static_cast<unsigned char>(i);
		expect_equal(pub.publish(loan), 1);
		expect_equal(sub.take()->pixels[0], i);
	}
	expect_equal(sub.counts().held, 0);
}

void what_is_shared_is_given_back_by_the_last()
{
	auto pub = open_publisher<picture>("shared");
	auto sub = open_subscriber<picture>("shared");

	expect_equal(sub.take().share().result(), 0);
	expect_equal(pub.send(picture{{9}}), 1);

	auto sample = sub.take();
	floe::shared_sample<picture> first = sample.share(), second = first, third;

	expect(!sample && first && second && !third);
	expect_equal(first.size(), 1);
	third = second;
	second = std::move(first);
	expect(!first);
	third.reset();
	expect(!third.get());
	expect_equal(sub.counts().held, 1);
	sub.close();
	expect_equal(second->pixels[0], 9);
	expect_equal(second.sequence(), 1);
	second.reset();
	expect_equal(sub.open("shared"), 0);
	expect_equal(pub.send(picture{}), 1);
	third = sub.take().share();
	expect_equal(sub.counts().held, 1);
	third = {};
	expect_equal(sub.counts().held, 0);
}

void what_is_moved_is_given_back_once()
{
	auto pub = open_publisher<picture>("moved");
	auto sub = open_subscriber<picture>("moved");
	floe::loan<picture> first = pub.loan(), second;

	second = std::move(first);
	expect(second && !first);
	expect_equal(pub.counts().loans, 1);
	second = floe::loan<picture>();
	expect_equal(pub.counts().loans, 0);

	expect_equal(pub.send(picture{}), 1);
	expect_equal(pub.send(picture{}), 1);

	floe::sample<picture> a = sub.take(), b = sub.take();

	expect(a && b);
	expect_equal(sub.counts().held, 2);
	a = std::move(b);
	expect(a && !b);
	expect_equal(a.sequence(), 2);
	expect_equal(sub.counts().held, 1);

	floe::publisher<picture> other = std::move(pub);

	expect(other && !pub);
	expect_equal(other.send(picture{}), 1);
	expect_equal(pub.send(picture{}), -EINVAL);
}

void many_of_a_type_are_one_message()
{
	auto pub = open_publisher<pose[]>("cloud");
	auto sub = open_subscriber<pose[]>("cloud");
	auto loan = pub.loan(100);
	std::uint64_t number = 0;

	expect_equal(loan.size(), 100);
	for (pose &p : loan)
		p = pose{0, 0, 0, number++};
	loan.shrink(60);
	expect_equal(pub.publish(loan), 1);

	auto sample = sub.take();

	expect_equal(sample.size(), 60);
	for (const pose &p : sample)
		expect_equal(p.number, static_cast<std::uint64_t>(&p - sample.get()));
	expect_equal(sample[59].number, 59);
	expect_equal(pub.loan(SIZE_MAX / 2).result(), -EINVAL);
	expect_equal(pub.loan(0).result(), -EINVAL);
}

void types_of_one_name_must_agree()
{
	auto pub = open_publisher<pose>("typed");
	floe::subscriber<other_pose> sub;
	floe_subscriber_options options = {};
	floe_error error = {};

	options.error = &error;
	expect_equal(sub.open("typed", options), -EPROTOTYPE);
	expect(!sub);
	expect(error.text[0]);
}

void a_message_of_another_size_is_no_message_of_the_type()
{
	auto pub = open_publisher<floe::bytes>("raw");
	auto sub = open_subscriber<pose>("raw");
	auto many = open_subscriber<pose[]>("raw");
	auto loan = pub.loan(33);

	loan[32] = std::byte{1};
	expect_equal(pub.publish(loan), 1);
	expect_equal(sub.take().result(), -EPROTO);
	expect_equal(many.take().result(), -EPROTO);
	expect_equal(sub.counts().held, 0);
	expect_equal(sub.take().result(), 0);
}

floe_publisher_options in_parts(const floe_type *header)
{
	floe_publisher_options options = {};

	options.payload_max = 10 * sizeof(pose);
	options.loans_max = 3;
	options.header = header;
	return options;
}

void a_message_in_parts_is_lent_and_taken_as_one()
{
	floe::publisher<pose[]> pub;
	auto sub = open_subscriber<pose[]>("parts");

	expect_equal(pub.open("parts", in_parts(&floe::type_of<stamp>)), 0);
	expect_equal(pub.loan_parts<2>(25).result(), -EMSGSIZE);
	expect_equal(pub.loan_parts<3>(SIZE_MAX / 8).result(), -EINVAL);

	auto parts = pub.loan_parts<3>(25);

	expect(parts);
	expect_equal(parts.result(), 3);
	expect_equal(parts.size(), 3);
	expect_equal(parts[2].size(), 5);
	for (std::size_t i = 0; i < parts.size(); i++) {
		for (pose &p : parts[i])
			p = pose{0, 0, 0, i};
		*parts.header<stamp>(i) = stamp{i + 1, 0.5};
	}
	expect_equal(pub.wait_for_room(3), 1);
	expect_equal(pub.publish(parts), 1);
	expect(!parts);
	expect_equal(pub.counts().loans, 0);

	auto few = sub.take_parts<2>();

	expect(!few);
	expect_equal(few.result(), -EMSGSIZE);

	auto all = sub.take_parts<4>();

	expect(all);
	expect_equal(all.result(), 3);
	expect_equal(all.size(), 3);
	expect_equal(all.sequence(), 1);
	expect_equal(all.lost(), 0);
	expect_equal(all[1].size(), 10);
	expect_equal(all[2][4].number, 2);
	expect_equal(all.header<stamp>(2)->number, 3);
	expect(!all.header<pose>(2));

	auto moved = std::move(all);

	expect(!all);
	expect_equal(sub.counts().held, 3);
	moved = floe::samples<pose[], 4>();
	expect_equal(sub.counts().held, 0);
	expect_equal(sub.take_parts<4>().result(), 0);
}

void parts_go_back_at_their_end()
{
	floe::publisher<pose[]> pub;

	expect_equal(pub.open("back", in_parts(nullptr)), 0);
	{
		auto parts = pub.loan_parts<3>(30);
		auto moved = std::move(parts);

		expect(!parts && moved);
		expect_equal(pub.counts().loans, 3);
		expect_equal(pub.loan_parts<3>(30).result(), -ENOBUFS);
	}
	expect_equal(pub.counts().loans, 0);
	expect_equal(pub.publish(pub.loan_parts<3>(11)), 1);
	expect_equal(pub.publish(floe::loans<pose[], 3>()), -EINVAL);
	expect_equal(pub.counts().published, 2);
}

/* payload_max is no multiple of the element, or the sender has other ones. */
void parts_that_cut_an_element_are_refused()
{
	floe::publisher<pose[]> pub;
	floe::publisher<floe::bytes> raw;
	auto sub = open_subscriber<pose[]>("cut");
	auto options = in_parts(nullptr);

	options.payload_max += 8;
	expect_equal(pub.open("cut", options), 0);
	expect_equal(pub.loan_parts<3>(25).result(), -EINVAL);
	expect_equal(pub.counts().loans, 0);
	pub.close();
	expect_equal(raw.open("cut", options), 0);
	expect_equal(raw.publish(raw.loan_parts<3>(800)), 1);
	expect_equal(sub.take_parts<3>().result(), -EPROTO);
	expect_equal(sub.counts().held, 0);
}

void attributes_are_set_at_once()
{
	static const floe_attribute map[] = {{"frame", "map"}, {"unit", "m"}};
	static const floe_attribute odom[] = {{"frame", "odom"}};
	floe::publisher<pose> pub;
	floe::subscriber<pose> sub;
	floe_publisher_options says = {};
	floe_subscriber_options wants = {};

	floe::set_attributes(says, map);
	expect_equal(pub.open("attributes", says), 0);
	floe::set_attributes(wants, odom);
	expect_equal(sub.open("attributes", wants), -EPROTOTYPE);
	floe::set_attributes(wants, map);
	expect_equal(sub.open("attributes", wants), 0);
}

void limits_are_raised()
{
	floe::publisher<picture> pub;
	floe::subscriber<picture> sub;
	floe_publisher_options lends = {};
	floe_subscriber_options keeps = {};

	lends.loans_max = 1;
	lends.loans_ceiling = 2;
	keeps.holds_max = 1;
	keeps.holds_ceiling = 2;
	expect_equal(pub.open("limits", lends), 0);
	expect_equal(sub.open("limits", keeps), 0);

	auto first = pub.loan();

	expect_equal(pub.loan().result(), -ENOBUFS);
	expect_equal(pub.limit_loans(2), 0);

	auto second = pub.loan();

	expect(second);
	expect_equal(pub.publish(first) + pub.publish(second), 2);

	auto one = sub.take();

	expect_equal(sub.take().result(), -ENOBUFS);
	expect_equal(sub.limit_holds(2), 0);
	expect(sub.take());
	expect_equal(sub.limit_holds(3), -EINVAL);
	expect_equal(sub.limit_depth(1), 0);
	expect_equal(pub.limit_memory(1 << 20), -EINVAL);
}

void the_newest_are_dropped_for_who_wants_that()
{
	floe::publisher<picture> pub;
	floe::subscriber<picture> sub;
	floe_publisher_options has = {};
	floe_subscriber_options wants = {};

	has.lanes_max = 1;
	has.lane_depth = 2;
	wants.policy = FLOE_POLICY_DROP_NEWEST;
	expect_equal(pub.open("first", has), 0);
	expect_equal(sub.open("first", wants), 0);
	for (unsigned char i = 1; i <= 30; i++)
		expect_equal(pub.send(picture{{i}}), 1);
	expect_equal(sub.take()->pixels[0], 1);
	expect_equal(sub.take()->pixels[0], 2);
	expect(!sub.take());
	expect_equal(pub.send(picture{{31}}), 1);

	auto sample = sub.take();

	expect_equal(sample->pixels[0], 31);
	expect_equal(sample.lost(), 28);
}

void what_is_closed_refuses()
{
	floe::publisher<pose> pub;
	floe::subscriber<pose> sub;

	expect_equal(pub.send(pose{}), -EINVAL);
	expect_equal(pub.wait(), -EINVAL);
	expect_equal(pub.loan().result(), -EINVAL);
	expect_equal(sub.take().result(), -EINVAL);
	expect_equal(sub.wait(), -EINVAL);
	expect_equal(sub.fd(), -EINVAL);
	expect_equal(pub.open("a/b"), -EINVAL);
	expect_equal(pub.open("closed"), 0);
	expect_equal(sub.open("closed"), 0);
	expect_equal(pub.send(pose{}), 1);

	auto sample = sub.take();

	sub.close();
	sample.release();
	pub.close();
	expect(!pub && !sub);
	expect_equal(pub.send(pose{}), -EINVAL);
}

void waits_end_at_their_deadline()
{
	auto pub = open_publisher<pose>("wait");
	auto sub = open_subscriber<pose>("wait");
	auto until = floe::clock::now() + 20ms;

	expect_equal(sub.wait(until), 0);
	expect(floe::clock::now() >= until);
	expect_equal(pub.wait(), 1);
	expect_equal(pub.wait_for_subscribers(1), 1);
	expect_equal(pub.wait_for_subscribers(2, floe::clock::now()), 0);
	expect_equal(pub.send(pose{}), 1);
	expect_equal(sub.wait(), 1);
	expect_equal(floe::deadline_ns(floe::for_ever), -1);
}

void a_heap_serves_containers()
{
	floe::heap heap;

	expect_equal(heap.create(), 0);
	heap.free(heap.alloc(100));
#if defined(__cpp_exceptions)
	{
		std::vector<int, floe::allocator<int>> numbers{floe::allocator<int>(heap)};
		std::map<int, int, std::less<int>, floe::allocator<std::pair<const int, int>>> map{
			floe::allocator<std::pair<const int, int>>(heap)};
		bool thrown = false;

		for (int i = 0; i < 10000; i++) {
			numbers.push_back(i);
			map[i] = i;
		}
		expect_equal(numbers[9999] + map[17], 9999 + 17);
		try {
			(void)floe::allocator<pose>(heap).allocate(SIZE_MAX / sizeof(pose));
		} catch (const std::bad_alloc &) {
			thrown = true;
		}
		expect(thrown);
	}
#endif
}

} // namespace

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_message_is_what_its_type_says),
		TEST(a_header_has_a_type_of_its_own),
		TEST(a_sample_is_passed_on),
		TEST(what_is_lent_is_what_is_read),
		TEST(loans_and_samples_go_back_at_their_end),
		TEST(what_is_shared_is_given_back_by_the_last),
		TEST(what_is_moved_is_given_back_once),
		TEST(many_of_a_type_are_one_message),
		TEST(types_of_one_name_must_agree),
		TEST(a_message_of_another_size_is_no_message_of_the_type),
		TEST(a_message_in_parts_is_lent_and_taken_as_one),
		TEST(parts_go_back_at_their_end),
		TEST(parts_that_cut_an_element_are_refused),
		TEST(attributes_are_set_at_once),
		TEST(limits_are_raised),
		TEST(the_newest_are_dropped_for_who_wants_that),
		TEST(what_is_closed_refuses),
		TEST(waits_end_at_their_deadline),
		TEST(a_heap_serves_containers),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
