/* SPDX-License-Identifier: Apache-2.0 */

/* A message larger than any chunk, in C++17: its parts are seen together, or not at all. */

#include <floe/floe.hpp>

#include <cstdio>

int main()
{
	floe::publisher<float[]> pub;
	floe::subscriber<float[]> sub;
	floe_publisher_options large = {};
	double sum = 0;
	int parts = 0;

	large.payload_max = 4096; /* a chunk takes 1024 of them */
	if (pub.open("heights", large) < 0 || sub.open("heights") < 0)
		return 1;
	if (auto loan = pub.loan_parts<4>(3000)) { /* where subscribers will read them */
		for (std::size_t i = 0; i < loan.size(); i++)
			for (float &height : loan[i])
				height = 0.5f;
		pub.publish(std::move(loan));
	}
	if (auto sample = sub.take_parts<4>()) { /* nothing is put together */
		for (std::size_t i = 0; i < sample.size(); i++, parts++)
			for (float height : sample[i])
				sum += height;
	}
	std::printf("%d parts, sum %.0f\n", parts, sum);
	return 0;
}
