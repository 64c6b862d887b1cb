/* SPDX-License-Identifier: Apache-2.0 */

/* A node's file is walked from port to port: what it says of them is input, and has an end. */

#include <sys/mman.h>

#include "frame/frame.h"
#include "registry/peer.h"

static struct peer peer;

static struct node_shared *node(void)
{
	return (struct node_shared *)(void *)peer.region.base;
}

/* Ports with one hold each fill it, and it says that there are more. */
static void fill(size_t size)
{
	peer = PEER_NULL;
	peer.region.size = peer.region.reserved = size;
	peer.region.base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				0);
	expect(peer.region.base != MAP_FAILED);
	store_relaxed(&node()->used, UINT64_MAX);
	for (size_t at = offsetof(struct node_shared, ports); at + port_size(1) <= size;
	     at += port_size(1)) {
		struct port_shared *port = (struct port_shared *)(void *)(peer.region.base + at);

		port->size = port_size(1);
		port->holds_max = 1;
	}
}

static size_t count_ports(void)
{
	const struct port_shared *port = NULL;
	uint32_t holds_max;
	size_t count = 0;

	while ((port = peer_next_port(&peer, port, &holds_max)))
		count++;
	return count;
}

static void finish(void)
{
	expect_equal(munmap(peer.region.base, peer.region.size), 0);
}

static void it_ends_with_the_file(void)
{
	size_t ports = 40;

	fill(offsetof(struct node_shared, ports) + ports * port_size(1) + 100);
	expect_equal(count_ports(), ports);
	finish();
}

static void who_makes_ports_without_end_keeps_nobody_busy(void)
{
	fill(4 * NODE_SIZE_MAX);
	expect(count_ports() > 1000);
	expect(count_ports() <= NODE_SIZE_MAX / port_size(1) + 1);
	finish();
}

static void a_port_of_no_size_is_the_last(void)
{
	struct port_shared *third;

	fill(1 << 20);
	third = (struct port_shared *)(void *)(node()->ports + 2 * port_size(1));
	third->size = 0;
	expect_equal(count_ports(), 2);
	third->size = port_size(1);
	third->holds_max = FLOE_HOLDS_MAX + 1;
	expect_equal(count_ports(), 2);
	finish();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(it_ends_with_the_file),
		TEST(who_makes_ports_without_end_keeps_nobody_busy),
		TEST(a_port_of_no_size_is_the_last),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
