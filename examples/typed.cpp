/* SPDX-License-Identifier: Apache-2.0 */

/* Messages of a type in C++17. Publisher and subscriber are one process here; in two nothing would
 * change. */

#include <floe/floe.hpp>

#include <cstdio>

struct pose {
	double x, y;
	int number;
};

template <> inline constexpr const char *floe::type_name<pose> = "pose";

int main()
{
	floe::publisher<pose> pub;
	floe::subscriber<pose> sub;

	if (pub.open("pose") < 0 || sub.open("pose") < 0)
		return 1;
	if (auto loan = pub.loan()) { /* the memory that subscribers will read */
		*loan = {1.5, 2.5, 42};
		pub.publish(std::move(loan));
	}
	if (auto sample = sub.take()) /* the same memory, released at the end of this */
		std::printf("%d\n", sample->number);
	return 0;
}
