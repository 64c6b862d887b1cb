/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Headers: a piece of its own type beside each payload. Wherever a payload goes, and by whatever way, its
 * header goes with it, and no byte of the one is a byte of the other; who wants one and who has none do
 * not come together.
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <floe/inspect.h>

#include "folder.h"
#include "peer.h"
#include "steps.h"

#define CHUNK 1000

struct stamp {
	uint64_t number;
	uint64_t inverse;
};

static const struct floe_type stamp = {
	.name = "stamp", .size = sizeof(struct stamp), .alignment = 8, .hash = 7};

#define SENDING(...) PUBLISHER(.header = &stamp, __VA_ARGS__)
#define WANTING(...) SUBSCRIBER(.header = &stamp, __VA_ARGS__)

/* A header of any size, told apart from every payload. */
static void sign(void *header, size_t size, uint64_t seed)
{
	fill(header, size, ~seed);
}

static bool is_signed(const void *header, size_t size, uint64_t seed)
{
	return header && is_filled(header, size, ~seed);
}

/* Header first, payload last, and then the header is still the same: neither lies in the other. */
static void send_with(struct floe_publisher *pub, size_t size, size_t header_size, uint64_t seed)
{
	struct floe_loan loan;
	void *header;

	expect_equal(floe_loan(pub, size, &loan), 1);
	header = floe_loan_header(pub, &loan);
	expect(header);
	sign(header, header_size, seed);
	fill(loan.data, size, seed);
	expect(is_signed(header, header_size, seed));
	expect((uintptr_t)loan.data % 64 == 0);
	expect((uintptr_t)header % 8 == 0);
	expect_equal(floe_publish(pub, &loan), 1);
	expect(!floe_loan_header(pub, &loan));
}

static struct floe_sample take_with(struct floe_subscriber *sub, size_t size, size_t header_size,
				    uint64_t seed)
{
	struct floe_sample sample = take(sub, size, seed);
	size_t seen = 0;
	const void *header = floe_sample_header(sub, &sample, &seen);

	expect_equal(seen, header_size);
	expect(is_signed(header, header_size, seed));
	expect(floe_sample_header(sub, &sample, NULL) == header);
	expect((uintptr_t)sample.data % 64 == 0);
	return sample;
}

static void receive_with(struct floe_subscriber *sub, size_t size, size_t header_size,
			 uint64_t seed)
{
	struct floe_sample sample = take_with(sub, size, header_size, seed);

	floe_release(sub, &sample);
	expect(!floe_sample_header(sub, &sample, NULL));
}

/* One life of a publisher: all sizes around the limits of slots and pools, the ring several times. */
static void exchange(const struct floe_publisher_options *options, size_t header_size)
{
	static const size_t sizes[] = {1,  7,  8,  16, 24, 31, 32, 33,
				       40, 41, 47, 48, 49, 64, 65, CHUNK};
	struct floe_type header = {.size = header_size};
	struct floe_publisher_options o = *options;
	struct floe_publisher *pub;
	struct floe_subscriber *sub;

	o.header = &header;
	o.depth = 4;
	pub = publisher("exchange", &o);
	sub = subscriber("exchange", SUBSCRIBER(.header = &header));
	for (uint64_t i = 1; i <= 200; i++) {
		size_t size = sizes[i % COUNT(sizes)];

		send_with(pub, size, header_size, i);
		receive_with(sub, size, header_size, i);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_header_travels_beside_its_payload(void)
{
	static const size_t sizes[] = {
		1, 8, 16, 17, 40, 41, 47, 48, 49, 64, 65, 200, FLOE_HEADER_MAX};
	static const struct floe_pool pools[] = {{64, 20}, {200, 20}, {CHUNK, 20}};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		exchange(PUBLISHER(.payload_max = CHUNK), sizes[i]);
		exchange(PUBLISHER(.payload_max = CHUNK, .flags = FLOE_TIMESTAMPS), sizes[i]);
		exchange(PUBLISHER(.pools = pools, .pools_count = COUNT(pools)), sizes[i]);
		exchange(PUBLISHER(.payload_max = CHUNK, .alignment = 4096), sizes[i]);
		exchange(PUBLISHER(.payload_max = CHUNK, .flags = FLOE_ELASTIC), sizes[i]);
		exchange(PUBLISHER(.payload_max = CHUNK, .flags = FLOE_THREAD_SAFE), sizes[i]);
	}
	expect_folder_empty();
}

/* All chunks are out at once: no header lies in a payload of another message, with several pools and at
 * their ends. */
static void lend_all(struct floe_publisher *pub, const size_t *sizes, size_t header_size)
{
	struct floe_loan loan[30];

	for (size_t i = 0; i < COUNT(loan); i++) {
		expect_equal(floe_loan(pub, sizes[i / 10], &loan[i]), 1);
		sign(floe_loan_header(pub, &loan[i]), header_size, i);
		fill(loan[i].data, loan[i].size, i);
	}
	for (size_t i = 0; i < COUNT(loan); i++) {
		expect(is_signed(floe_loan_header(pub, &loan[i]), header_size, i));
		expect(is_filled(loan[i].data, loan[i].size, i));
		floe_discard(pub, &loan[i]);
	}
}

static void no_message_lies_in_another(void)
{
	static const struct floe_pool pools[] = {{64, 10}, {128, 10}, {CHUNK, 10}};
	static const size_t full[] = {64, 128, CHUNK}, part[] = {65, 129, 1};
	struct floe_type header = {.size = 100};
	struct floe_publisher *pub = publisher("dense", PUBLISHER(.header = &header, .pools = pools,
								  .pools_count = 3, .depth = 2,
								  .loans_max = 30));

	/* The second time those that were given back, by the straight path. */
	for (int i = 0; i < 2; i++) {
		lend_all(pub, full, header.size);
		lend_all(pub, part, header.size);
	}
	floe_publisher_close(pub);
}

static void small_ones_travel_together_in_a_slot(void)
{
	struct floe_publisher *pub = publisher("slot", SENDING(.depth = 4));
	struct floe_subscriber *sub = subscriber("slot", WANTING(.depth = 0));

	send_with(pub, 32, sizeof(struct stamp), 1);
	receive_with(sub, 32, sizeof(struct stamp), 1);
	expect_equal(subscriber_counts(sub).copied, 32);
	send_with(pub, 33, sizeof(struct stamp), 2);
	receive_with(sub, 33, sizeof(struct stamp), 2);
	expect_equal(subscriber_counts(sub).copied, 32);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/* Its place is rounded down to its alignment, and in front of it is the payload. */
static void a_slot_has_room_up_to_the_header(void)
{
	static const struct {
		size_t size, alignment, room;
	} headers[] = {{4, 0, 40}, {8, 16, 32}, {8, 32, 32}, {16, 0, 32}, {8, 64, 0}};

	for (size_t i = 0; i < COUNT(headers); i++) {
		struct floe_type header = {.size = headers[i].size,
					   .alignment = headers[i].alignment};
		struct floe_publisher *pub = publisher("room", PUBLISHER(.header = &header));
		struct floe_subscriber *sub = subscriber("room", SUBSCRIBER(.header = &header));
		uint64_t copied = 0;

		for (size_t size = 1; size <= FLOE_INLINE_MAX; size++) {
			send_with(pub, size, header.size, size);
			receive_with(sub, size, header.size, size);
			copied += size <= headers[i].room ? size : 0;
			expect_equal(subscriber_counts(sub).copied, copied);
		}
		floe_subscriber_close(sub);
		floe_publisher_close(pub);
	}
}

static void a_header_is_aligned_as_its_type_says(void)
{
	for (size_t alignment = 8; alignment <= 64; alignment *= 2) {
		struct floe_type wide = {.name = "wide", .size = 8, .alignment = alignment};
		struct floe_publisher *pub = publisher("aligned", PUBLISHER(.header = &wide));
		struct floe_subscriber *sub = subscriber("aligned", SUBSCRIBER(.header = &wide));

		for (size_t size = 1; size < 100; size++) {
			struct floe_sample sample;

			send_with(pub, size, 8, size);
			sample = take_with(sub, size, 8, size);
			expect((uintptr_t)floe_sample_header(sub, &sample, NULL) % alignment == 0);
			floe_release(sub, &sample);
		}
		floe_subscriber_close(sub);
		floe_publisher_close(pub);
	}
}

/* Not one byte more is written than the calculator says. */
static void a_block_is_as_large_as_the_calculator_says(void)
{
	struct floe_type header = {.size = 100};
	struct floe_publisher_options o = *PUBLISHER(.header = &header, .depth = 3,
						     .payload_max = CHUNK);
	size_t size = (size_t)floe_publisher_memory_size(&o);
	unsigned char *block = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct floe_publisher *pub;
	struct floe_subscriber *sub;

	expect_equal(size, (size_t)floe_publisher_memory_size(
				   PUBLISHER(.depth = 3, .payload_max = CHUNK)) +
				   128 + 192 + (3 + 4 + 16) * (1152 - 1024));
	memset(block + size, 0x5a, 4096);
	o.memory = block;
	o.memory_size = size - 1;
	expect_equal(try_publisher("block", &o, "bytes"), -ENOMEM);
	o.memory_size = size;
	pub = publisher("block", &o);
	sub = subscriber("block", SUBSCRIBER(.header = &header));
	for (uint64_t i = 1; i < 100; i++) {
		send_with(pub, CHUNK, header.size, i);
		receive_with(sub, CHUNK, header.size, i);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	for (size_t i = 0; i < 4096; i++)
		expect_equal(block[size + i], 0x5a);
	munmap(block, size + 4096);
}

/* Chunks of 64 KiB and more are whole pages, and so is what a header adds to them. */
static void a_header_beside_a_large_payload_takes_a_page(void)
{
	static const struct floe_type small = {.size = 8};
	ssize_t without = floe_publisher_memory_size(
		PUBLISHER(.depth = 3, .payload_max = 65536, .holds_max = 1));

	expect(floe_publisher_memory_size(PUBLISHER(.header = &small, .depth = 3, .holds_max = 1,
						    .payload_max = 65536)) -
		       without >=
	       (3 + 4 + 1) * 4096);
}

/* What it wants takes 192 bytes more in the file of its process: a header, and no attributes. */
static void a_wish_is_counted_too(void)
{
	expect_equal(floe_subscriber_memory_size(WANTING(.depth = 0)),
		     floe_subscriber_memory_size(NULL) + 192);
}

static void history_has_headers(void)
{
	struct floe_publisher *pub = publisher("history", SENDING(.depth = 4));
	struct floe_subscriber *sub;

	for (uint64_t i = 1; i <= 4; i++)
		send_with(pub, i % 2 ? 8 : CHUNK, sizeof(struct stamp), i);
	sub = subscriber("history", WANTING(.history = 4));
	for (uint64_t i = 1; i <= 4; i++)
		receive_with(sub, i % 2 ? 8 : CHUNK, sizeof(struct stamp), i);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void send_some(int wire, void *flags)
{
	struct floe_publisher *pub = publisher(
		"heir", SENDING(.depth = 4, .payload_max = CHUNK, .flags = *(uint32_t *)flags));

	for (uint64_t i = 1; i <= 6; i++)
		send_with(pub, i % 2 ? 8 : CHUNK, sizeof(struct stamp), i);
	tell(wire, 1);
	(void)hear(wire);
}

/* Its ring is adopted only by who has the same header; everything that can be borrowed is written, and
 * what is held stays what it is. */
static void inherit(uint32_t flags)
{
	struct peer peer = peer_start(send_some, &flags);
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	struct floe_sample held;

	expect_equal(hear(peer.wire), 1);
	sub = subscriber("heir", WANTING(.history = 4));
	peer_kill(&peer);
	receive_with(sub, 8, sizeof(struct stamp), 3);
	held = take_with(sub, CHUNK, sizeof(struct stamp), 4);
	pub = publisher("heir", SENDING(.depth = 4, .payload_max = CHUNK, .flags = flags));
	expect_equal(publisher_counts(pub).published, 6);
	receive_with(sub, 8, sizeof(struct stamp), 5);
	receive_with(sub, CHUNK, sizeof(struct stamp), 6);
	for (uint64_t i = 7; i < 100; i++) {
		send_with(pub, CHUNK, sizeof(struct stamp), i);
		receive_with(sub, CHUNK, sizeof(struct stamp), i);
	}
	expect(is_filled(held.data, CHUNK, 4));
	expect(is_signed(floe_sample_header(sub, &held, NULL), sizeof(struct stamp), 4));
	floe_release(sub, &held);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_folder_empty();
}

static void a_successor_goes_on_with_headers(void)
{
	inherit(0);
	inherit(FLOE_ELASTIC);
}

static void another_header_is_not_adopted(void)
{
	static const struct floe_type other = {
		.name = "stamp", .size = sizeof(struct stamp), .alignment = 4, .hash = 7};
	uint32_t flags = 0;
	struct peer peer = peer_start(send_some, &flags);
	struct floe_subscriber *sub;
	struct floe_publisher *pub;

	expect_equal(hear(peer.wire), 1);
	sub = subscriber("heir", SUBSCRIBER(.history = 4));
	peer_kill(&peer);
	pub = publisher("heir", PUBLISHER(.header = &other, .depth = 4, .payload_max = CHUNK));
	expect_equal(publisher_counts(pub).published, 0);
	floe_publisher_close(pub);
	pub = publisher("heir", PUBLISHER(.depth = 4, .payload_max = CHUNK));
	expect_equal(publisher_counts(pub).published, 0);
	receive_with(sub, 8, sizeof(struct stamp), 3);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

/* What a dead one left without a header is not for who wants one. */
static void what_has_no_header_is_left_out(void)
{
	struct floe_publisher *plain = publisher("mixed", PUBLISHER(.depth = 4));
	struct floe_subscriber *keeps = subscriber("mixed", NULL);
	struct floe_subscriber *sub;
	struct floe_publisher *pub;

	publish(plain, 8, 1);
	floe_publisher_close(plain);
	sub = subscriber("mixed", WANTING(.history = 4));
	expect_nothing(sub);
	pub = publisher("mixed", SENDING(.depth = 4));
	send_with(pub, 8, sizeof(struct stamp), 2);
	receive_with(sub, 8, sizeof(struct stamp), 2);
	expect_equal(subscriber_counts(sub).publishers, 1);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
	floe_subscriber_close(keeps);
}

static void who_wants_a_header_and_who_has_none_do_not_meet(void)
{
	static const struct floe_type nameless = {.size = 8};
	struct floe_publisher *pub = publisher("plain", NULL);
	struct floe_subscriber *sub;

	expect_equal(try_subscriber("plain", SUBSCRIBER(.header = &nameless),
				    "topic 'plain': a header of 8 bytes is wanted here"),
		     -EPROTOTYPE);
	expect_equal(try_subscriber("plain", WANTING(.depth = 0),
				    "topic 'plain': a header 'stamp' of 16 bytes is wanted here, "
				    "publisher 0 has none"),
		     -EPROTOTYPE);
	floe_publisher_close(pub);
	sub = subscriber("plain", WANTING(.depth = 0));
	expect_equal(
		try_publisher("plain", NULL, "wants a header 'stamp' of 16 bytes, here is none"),
		-EPROTOTYPE);
	floe_subscriber_close(sub);
	sub = subscriber("plain", SUBSCRIBER(.header = &nameless));
	expect_equal(try_publisher("plain", NULL, "wants a header of 8 bytes, here is none"),
		     -EPROTOTYPE);
	floe_subscriber_close(sub);
	sub = subscriber("plain", WANTING(.depth = 0));
	expect_equal(try_publisher("plain", PUBLISHER(.type = &stamp), "wants a header"),
		     -EPROTOTYPE);
	pub = publisher("plain", SENDING(.depth = 4));
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
	expect_folder_empty();
}

static void headers_must_agree(void)
{
	static const struct {
		struct floe_type header;
		const char *sentence;
	} others[] = {
		{{.name = "stamp", .size = 8},
		 "the header 'stamp' has 8 bytes here, 16 at publisher 0"},
		{{.size = 15}, "the header has 15 bytes here, 16 at publisher 0"},
		{{.name = "note", .size = 16},
		 "the header here is 'note', that of publisher 0 is 'stamp'"},
		{{.name = "note", .size = 8},
		 "the header here is 'note', that of publisher 0 is 'stamp'"},
		{{.name = "stamp", .size = 16, .alignment = 16}, "aligned to 16 here, to 8 at"},
		{{.name = "stamp", .size = 16, .hash = 8}, "hash 0000000000000008"},
	};
	struct floe_publisher *pub = publisher("agreed", SENDING(.depth = 4));
	struct floe_publisher *second;
	struct floe_subscriber *sub;

	for (size_t i = 0; i < COUNT(others); i++) {
		expect_equal(try_subscriber("agreed", SUBSCRIBER(.header = &others[i].header),
					    others[i].sentence),
			     -EPROTOTYPE);
		expect_equal(try_publisher("agreed", PUBLISHER(.header = &others[i].header),
					   others[i].sentence),
			     -EPROTOTYPE);
	}
	sub = subscriber("agreed", WANTING(.depth = 0));
	/* Who wants none may be there, and who sends none where nobody wants one. */
	floe_subscriber_close(sub);
	sub = subscriber("agreed", NULL);
	second = publisher("agreed", NULL);
	send_with(pub, 8, sizeof(struct stamp), 1);
	publish(second, 8, 2);
	receive_with(sub, 8, sizeof(struct stamp), 1);
	expect(!floe_sample_header(sub, &(struct floe_sample){0}, NULL));
	receive(sub, 8, 2);
	floe_publisher_close(second);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void what_is_no_header_is_refused(void)
{
	static const struct floe_type none = {.name = "none"};
	static const struct floe_type large = {.size = FLOE_HEADER_MAX + 1};
	static const struct floe_type odd = {.size = 8, .alignment = 3};
	struct floe_publisher *pub;
	struct floe_loan loan;

	expect_equal(try_publisher("t", PUBLISHER(.header = &none), "1 to 4096 bytes"), -EINVAL);
	expect_equal(try_publisher("t", PUBLISHER(.header = &large), "1 to 4096 bytes"), -EINVAL);
	expect_equal(try_publisher("t", PUBLISHER(.header = &odd), "power of two"), -EINVAL);
	expect_equal(try_subscriber("t", SUBSCRIBER(.header = &none), "1 to 4096 bytes"), -EINVAL);
	pub = publisher("t", NULL);
	expect_equal(floe_loan(pub, 8, &loan), 1);
	expect(!floe_loan_header(pub, &loan));
	floe_publisher_close(pub);
	pub = publisher("t", SENDING(.depth = 4));
	expect(!floe_loan_header(pub, &loan));
	expect(!floe_loan_header(pub, &(struct floe_loan){0}));
	expect(!floe_loan_header(pub, NULL));
	expect(!floe_loan_header(NULL, &loan));
	floe_publisher_close(pub);
	expect(!floe_sample_header(NULL, NULL, NULL));
	expect(!floe_shared_sample_header(NULL, NULL));
}

static void a_shared_sample_has_its_header(void)
{
	struct floe_publisher *pub = publisher("shared", SENDING(.depth = 4));
	struct floe_subscriber *sub = subscriber("shared", WANTING(.holds_max = 2));

	for (uint64_t i = 1; i <= 2; i++) {
		struct floe_shared_sample *shared;
		size_t size = 0, length = i == 1 ? 8 : CHUNK;
		struct floe_sample sample;

		send_with(pub, length, sizeof(struct stamp), i);
		sample = take_with(sub, length, sizeof(struct stamp), i);
		expect_equal(floe_sample_share(sub, &sample, &shared), 0);
		expect(is_signed(floe_shared_sample_header(shared, &size), sizeof(struct stamp),
				 i));
		expect_equal(size, sizeof(struct stamp));
		expect_equal(floe_shared_sample_unref(shared), 1);
		expect(!floe_shared_sample_header(shared, &size));
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void pass(struct floe_publisher *pub, struct floe_subscriber *sub, size_t size,
		 uint64_t seed)
{
	struct floe_sample sample = take_with(sub, size, sizeof(struct stamp), seed);

	expect_equal(floe_republish(pub, sub, &sample), 1);
}

/* Twice over, in slots and in chunks, and the source writes all that it can meanwhile. */
static void a_header_goes_on_with_its_sample(void)
{
	struct floe_publisher *raw = publisher("raw", SENDING(.depth = 4, .payload_max = CHUNK));
	struct floe_subscriber *in = subscriber("raw", WANTING(.holds_max = 60));
	struct floe_publisher *out = publisher("cooked", SENDING(.depth = 4, .relays_max = 40));
	struct floe_subscriber *in2 = subscriber("cooked", WANTING(.holds_max = 30));
	struct floe_publisher *out2 = publisher("served", SENDING(.depth = 4, .relays_max = 12));
	struct floe_subscriber *sub = subscriber("served", WANTING(.holds_max = 4));
	struct floe_sample sample;

	for (uint64_t i = 1; i <= 20; i++) {
		size_t size = i % 3 ? CHUNK : 8;

		send_with(raw, size, sizeof(struct stamp), i);
		pass(out, in, size, i);
		pass(out2, in2, size, i);
		sample = take_with(sub, size, sizeof(struct stamp), i);
		for (uint64_t k = 0; k < 30; k++)
			send_with(raw, CHUNK, sizeof(struct stamp), 1000 + k);
		(void)drain(in, &(uint64_t){0});
		expect(is_signed(floe_sample_header(sub, &sample, NULL), sizeof(struct stamp), i));
		expect(is_filled(sample.data, size, i));
		floe_release(sub, &sample);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(out2);
	floe_subscriber_close(in2);
	floe_publisher_close(out);
	floe_subscriber_close(in);
	floe_publisher_close(raw);
	expect_folder_empty();
}

static void who_sends_headers_passes_on_nothing_without(void)
{
	static const struct floe_type small = {.size = 8};
	struct floe_publisher *raw = publisher("raw", PUBLISHER(.header = &small));
	struct floe_subscriber *in = subscriber("raw", SUBSCRIBER(.holds_max = 30));
	struct floe_publisher *out = publisher("cooked", SENDING(.depth = 4, .relays_max = 12));
	struct floe_publisher *plain = publisher("plain", PUBLISHER(.depth = 4, .relays_max = 12));
	struct floe_subscriber *sub = subscriber("plain", NULL);

	for (uint64_t i = 1; i <= 2; i++) {
		size_t size = i == 1 ? 8 : CHUNK;
		struct floe_sample sample;

		send_with(raw, size, 8, i);
		sample = take_with(in, size, 8, i);
		expect_equal(floe_republish(out, in, &sample), -EPROTOTYPE);
		expect(is_filled(sample.data, size, i));
		expect_equal(floe_republish(plain, in, &sample), 1);
		sample = take(sub, size, i);
		expect(!floe_sample_header(sub, &sample, NULL));
		floe_release(sub, &sample);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(plain);
	floe_publisher_close(out);
	floe_subscriber_close(in);
	floe_publisher_close(raw);
}

/* Copied, and where they lie. */
static void an_observer_reads_headers(void)
{
	struct floe_publisher *pub = publisher("seen", SENDING(.depth = 4));
	struct floe_observer_options all = {.size = sizeof(all), .history = 4};
	struct floe_publisher_info info;
	struct floe_observer *observer;
	struct floe_sample sample;
	struct floe_view *view;
	size_t size;

	send_with(pub, 8, sizeof(struct stamp), 1);
	send_with(pub, CHUNK, sizeof(struct stamp), 2);
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_view_publishers(view, "seen", &info, sizeof(info), 1), 1);
	expect_equal(info.header_size, sizeof(struct stamp));
	expect_equal(strcmp(info.header, "stamp"), 0);
	for (int borrows = 0; borrows < 2; borrows++) {
		expect_equal(floe_observer_open(&observer, view, "seen", &all), 0);
		for (uint64_t i = 1; i <= 2; i++) {
			expect_equal(borrows ? floe_observer_borrow(observer, &sample)
					     : floe_observer_next(observer, 0, &sample),
				     1);
			expect(is_filled(sample.data, i == 1 ? 8 : CHUNK, i));
			expect(is_signed(floe_observer_header(observer, &sample, &size),
					 sizeof(struct stamp), i));
			expect_equal(size, sizeof(struct stamp));
			expect(floe_observer_left(observer, &sample) > 0);
		}
		expect(!floe_observer_header(observer, &(struct floe_sample){0}, &size));
		floe_observer_close(observer);
	}
	floe_view_close(view);
	floe_publisher_close(pub);
}

/* The next one is read; the sample before is no more than an address, and its header no one's. */
static void expect_next(struct floe_observer *observer, struct floe_sample *sample, bool borrows,
			uint64_t seed)
{
	struct floe_sample before = *sample;
	size_t size;

	expect_equal(borrows ? floe_observer_borrow(observer, sample)
			     : floe_observer_next(observer, 0, sample),
		     1);
	expect(!floe_observer_header(observer, &before, &size));
	expect_equal(size, 0);
	expect(is_signed(floe_observer_header(observer, sample, NULL), sizeof(struct stamp), seed));
}

static void an_observer_knows_whose_header_it_is(void)
{
	struct floe_publisher *first = publisher("seen", SENDING(.depth = 8));
	struct floe_publisher *second = publisher("seen", SENDING(.depth = 8));
	struct floe_observer *observer;
	struct floe_sample sample, other;
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	for (int i = 0; i < 4; i++) {
		bool borrows = i & 1;
		size_t length = i & 2 ? CHUNK : 8;

		expect_equal(floe_observer_open(&observer, view, "seen", NULL), 0);
		sample = (struct floe_sample){0};
		/* They lie in the same place, one after the other, and two have the same number. */
		for (uint64_t seed = 1; seed <= 4; seed++) {
			send_with(seed % 2 ? first : second, length, sizeof(struct stamp), seed);
			expect_next(observer, &sample, borrows, seed);
		}
		send_with(first, length, sizeof(struct stamp), 5);
		expect_equal(floe_observer_next(observer, 1, &other), 1);
		expect(!floe_observer_header(observer, &sample, NULL));
		expect(!floe_observer_header(observer, &other, NULL));
		send_with(first, length, sizeof(struct stamp), 6);
		expect_next(observer, &sample, borrows, 6);
		/* The topic may have gone, and its memory. */
		expect_equal(floe_observer_next(observer, 0, &other), 0);
		expect(!floe_observer_header(observer, &sample, NULL));
		floe_observer_close(observer);
	}
	floe_view_close(view);
	floe_publisher_close(second);
	floe_publisher_close(first);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_header_travels_beside_its_payload),
		TEST(no_message_lies_in_another),
		TEST(small_ones_travel_together_in_a_slot),
		TEST(a_slot_has_room_up_to_the_header),
		TEST(a_header_is_aligned_as_its_type_says),
		TEST(a_block_is_as_large_as_the_calculator_says),
		TEST(a_header_beside_a_large_payload_takes_a_page),
		TEST(a_wish_is_counted_too),
		TEST(history_has_headers),
		TEST(a_successor_goes_on_with_headers),
		TEST(another_header_is_not_adopted),
		TEST(what_has_no_header_is_left_out),
		TEST(who_wants_a_header_and_who_has_none_do_not_meet),
		TEST(headers_must_agree),
		TEST(what_is_no_header_is_refused),
		TEST(a_shared_sample_has_its_header),
		TEST(a_header_goes_on_with_its_sample),
		TEST(who_sends_headers_passes_on_nothing_without),
		TEST(an_observer_reads_headers),
		TEST(an_observer_knows_whose_header_it_is),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
