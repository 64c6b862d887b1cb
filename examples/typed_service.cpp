/* SPDX-License-Identifier: Apache-2.0 */

/* A service of two types in C++17. Client and server are one process here; in two nothing would change. */

#include <floe/service.hpp>

#include <cstdio>

struct question {
	int number;
};

struct answer {
	int twice;
};

template <> inline constexpr const char *floe::type_name<question> = "question";
template <> inline constexpr const char *floe::type_name<answer> = "answer";

int main()
{
	floe::server<question, answer> server;
	floe::client<question, answer> client;

	if (server.open("double") < 0 || client.open("double") < 0)
		return 1;
	if (auto loan = client.loan()) { /* the memory that the server will read */
		loan->number = 21;
		client.send(loan);
	}
	if (auto request = server.take()) /* ended by its last response, or at the end of this */
		request.answer({request->number * 2});
	if (auto response = client.take(); response.get())
		std::printf("%d\n", response->twice);
	return 0;
}
