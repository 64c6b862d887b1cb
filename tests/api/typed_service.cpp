/* SPDX-License-Identifier: Apache-2.0 */

/* Services in C++: what is taken is given back at its end, each request is ended once, and what is no Request
 * or no Response is none. Compiled as C++17 without exceptions and RTTI, and as C++20. */

#include <floe/service.hpp>

#include <cerrno>
#include <cstring>

#include "steps.h"

struct question {
	std::uint64_t number;
	unsigned char rest[4000];
};

struct answer {
	std::uint64_t twice;
};

struct other_answer {
	std::uint32_t once;
};

struct stamp {
	std::uint64_t number;
};

template <> inline constexpr const char *floe::type_name<question> = "question";
template <> inline constexpr const char *floe::type_name<answer> = "answer";
template <> inline constexpr const char *floe::type_name<other_answer> = "answer";

using namespace std::chrono_literals;

namespace
{

using asks = floe::client<question, answer>;
using answers = floe::server<question, answer>;

template <class T> T opened(const char *service = "sum")
{
	T t;

	expect_equal(t.open(service), 0);
	expect(t && t.get());
	return t;
}

void a_request_is_answered_with_what_its_types_say()
{
	auto server = opened<answers>();
	auto client = opened<asks>();
	std::uint64_t number = 0;

	expect(!server.take() && !client.take());
	expect_equal(client.wait_for_server(), 1);

	auto loan = client.loan();

	expect(loan);
	expect_equal(loan.size(), 1);
	loan->number = 21;
	std::memset(loan->rest, 7, sizeof(loan->rest));
	expect_equal(client.send(loan, floe::for_ever, &number), 1);
	expect(!loan && number);
	expect_equal(server.wait(), 1);

	auto request = server.take();

	expect(request);
	expect_equal(request.result(), 1);
	expect_equal(request->number, 21);
	expect_equal(request->rest[3999], 7);
	expect(request.client());
	expect_equal(request.is_wanted(), 1);
	expect_equal(request.answer({(*request).number * 2}), 1);
	expect(!request && !request.get());
	expect_equal(client.wait(), 1);

	auto response = client.take();

	expect(response && response.get());
	expect_equal(response.request(), number);
	expect_equal(response.status(), 0);
	expect(response.is_last());
	expect_equal(response->twice, 42);
	response.release();
	expect(!response.get());
	expect_equal(client.counts().held, 0);
	expect_equal(client.take().result(), 0);
}

void a_stream_is_read_to_its_end()
{
	auto server = opened<answers>();
	auto client = opened<asks>();
	std::uint64_t sum = 0;
	int last = 1;

	expect_equal(client.ask({3, {}}), 1);

	auto request = server.take();

	for (std::uint64_t i = 0; i < request->number; i++) {
		auto loan = request.loan();

		loan->twice = i;
		expect_equal(request.send_more(std::move(loan)), 1);
	}
	expect(request);
	expect_equal(request.finish(), 0);
	expect(!request && !request.get());
	while (auto response = client.take()) {
		sum += response.get() ? response->twice : 100;
		last = response.status();
	}
	expect_equal(sum, 0 + 1 + 2 + 100);
	expect_equal(last, 0);
}

void what_nobody_ended_is_ended_at_its_end()
{
	auto server = opened<answers>();
	auto client = opened<asks>();

	expect_equal(client.ask({1, {}}), 1);
	expect_equal(client.ask({2, {}}), 1);
	{
		auto first = server.take();
		auto loan = first.loan();

		expect(loan);
		first = server.take();
		expect_equal(first->number, 2);
		expect_equal(client.take().status(), -ECONNABORTED);
		expect_equal(first.finish(-ENOENT), 0);
	}
	expect_equal(client.take().status(), -ENOENT);
	expect_equal(server.counts().active, 0);
}

void what_is_moved_is_given_back_once()
{
	auto server = opened<answers>();
	auto client = opened<asks>();
	auto loan = client.loan(), other = std::move(loan);

	expect(!loan && other);
	loan = std::move(other);
	expect(loan && !other);
	loan = {};
	expect(!loan);
	expect_equal(client.ask({1, {}}), 1);
	expect_equal(client.ask({2, {}}), 1);

	auto request = server.take(), moved = std::move(request);

	expect(!request && !request.get() && moved);
	request = std::move(moved);
	expect(request && !moved);

	auto lent = request.loan(), given = std::move(lent);

	expect(!lent && given);
	expect_equal(request.loan().result(), -ENOBUFS);
	given = {};
	expect_equal(request.answer({7}), 1);
	expect_equal(server.take().answer({8}), 1);

	auto first = client.take(), second = client.take();

	expect_equal(client.counts().held, 2);
	first = std::move(second);
	expect_equal(first->twice, 8);
	expect(!second && !second.get());
	expect_equal(client.counts().held, 1);

	auto third = std::move(first);

	expect(!first && !first.get());
	expect_equal(third->twice, 8);

	asks another = std::move(client);

	expect(another && !client);
	expect_equal(client.ask({}), -EINVAL);
	expect_equal(another.ask({}), 1);
}

void many_of_a_type_are_one_request()
{
	auto server = opened<floe::server<std::uint64_t[], answer[]>>();
	auto client = opened<floe::client<std::uint64_t[], answer[]>>();
	auto loan = client.loan(100);
	std::uint64_t number = 0;

	expect_equal(loan.size(), 100);
	for (auto &word : loan)
		word = number++;
	loan.shrink(60);
	expect_equal(client.send(std::move(loan)), 1);

	auto request = server.take();

	expect_equal(request.size(), 60);
	expect_equal(request[59], 59);

	auto back = request.loan(request.size());

	for (const auto &word : request)
		back[word].twice = 2 * word;
	expect_equal(request.send(std::move(back)), 1);

	auto response = client.take();

	expect_equal(response.size(), 60);
	number = 0;
	for (const auto &one : response)
		expect_equal(one.twice, 2 * number++);
	expect_equal(client.loan(SIZE_MAX / 2).result(), -EINVAL);
}

void headers_have_types_of_their_own()
{
	answers server;
	asks client;
	floe::options_for_server so = {};
	floe::options_for_client co = {};

	so.request_header = co.request_header = &floe::type_of<stamp>;
	so.response_header = co.response_header = &floe::type_of<answer>;
	expect_equal(server.open("headers", so), 0);
	expect_equal(client.open("headers", co), 0);

	auto loan = client.loan();

	*loan.header<stamp>() = {7};
	expect_equal(client.send(loan), 1);
	expect(!loan.header<stamp>());

	auto request = server.take();

	expect_equal(request.header<stamp>()->number, 7);
	expect(!request.header<question>());

	auto back = request.loan();

	*back.header<answer>() = {8};
	expect_equal(request.send(back), 1);

	auto response = client.take();

	expect_equal(response.header<answer>()->twice, 8);
	expect(!response.header<question>());
}

void what_does_not_fit_is_refused_and_explained()
{
	auto server = opened<answers>();
	floe::client<question, other_answer> bad;
	floe::client<floe::bytes, floe::bytes> plain;
	floe::options_for_client options = {};
	floe_error error = {};

	options.error = &error;
	expect_equal(bad.open("sum", options), -EPROTOTYPE);
	expect(!bad && error.text[0]);
	expect_equal(plain.open("nobody"), 0);
	expect(!plain.explain().text[0]);
	expect_equal(plain.loan(8).result(), -ENOTCONN);
	expect(std::strstr(plain.explain().text, "'nobody'"));
}

/* Who names no type may send what is none. */
void what_is_no_request_or_no_response_is_none()
{
	auto server = opened<floe::server<answer, answer>>();
	auto client = opened<floe::client<floe::bytes, floe::bytes>>();
	floe::server<floe::bytes, floe::bytes> raw;
	floe::client<answer, answer> strict;

	expect_equal(client.send(client.loan(5)), 1);
	expect_equal(server.take().result(), -EPROTO);
	expect_equal(client.take().status(), -EPROTO);
	expect_equal(server.counts().active, 0);
	server.close();

	expect_equal(raw.open("raw"), 0);
	expect_equal(strict.open("raw"), 0);
	expect_equal(strict.ask({1}), 1);

	auto request = raw.take();

	expect_equal(request.send_more(request.loan(5)), 1);
	expect_equal(request.send(request.loan(5)), 1);

	auto first = strict.take(), last = strict.take();

	expect(first && !first.get() && first.request());
	expect_equal(first.status(), 1);
	expect(last && !last.get());
	expect_equal(last.status(), -EPROTO);
	expect_equal(strict.counts().held, 0);
}

void requests_end_by_deadline_and_cancel()
{
	auto server = opened<answers>();
	auto client = opened<asks>();
	std::uint64_t number = 0;

	expect_equal(client.ask({}, floe::clock::now() + 1ms), 1);
	expect_equal(client.wait(), 1);
	expect_equal(client.take().status(), -ETIMEDOUT);
	expect_equal(client.ask({}, floe::for_ever, &number), 1);
	expect_equal(client.cancel(number), 1);
	expect_equal(client.take().status(), -ECANCELED);
	expect_equal(client.wait(floe::clock::now() + 1ms), 0);
	expect(client.fd() >= 0);
	expect(server.fd() >= 0);

	auto request = server.take();

	expect_equal(request.is_wanted(), 0);
	expect_equal(request.send_more(request.loan()), -ECANCELED);
}

void what_is_closed_refuses()
{
	answers server;
	asks client;

	expect_equal(client.ask({}), -EINVAL);
	expect_equal(client.wait(), -EINVAL);
	expect_equal(client.take().result(), -EINVAL);
	expect_equal(client.fd(), -EINVAL);
	expect_equal(client.cancel(300), -EINVAL);
	expect_equal(server.take().result(), -EINVAL);
	expect_equal(server.wait(), -EINVAL);
	expect_equal(server.fd(), -EINVAL);
	expect_equal(server.open("a/b"), -EINVAL);
	expect_equal(answers().take().finish(), -EINVAL);
	expect_equal(server.open("closed"), 0);
	expect_equal(client.open("closed"), 0);
	expect_equal(client.ask({}), 1);

	auto request = server.take();

	server.close();
	client.close();
	expect(!server && !client);
}

} // namespace

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_request_is_answered_with_what_its_types_say),
		TEST(a_stream_is_read_to_its_end),
		TEST(what_nobody_ended_is_ended_at_its_end),
		TEST(what_is_moved_is_given_back_once),
		TEST(many_of_a_type_are_one_request),
		TEST(headers_have_types_of_their_own),
		TEST(what_does_not_fit_is_refused_and_explained),
		TEST(what_is_no_request_or_no_response_is_none),
		TEST(requests_end_by_deadline_and_cancel),
		TEST(what_is_closed_refuses),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
