/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <string.h>

#include "anysize.h"
#include "beside.h"
#include "costs.h"
#include "fanout.h"
#include "pingpong.h"
#include "rate.h"
#include "session.h"
#include "waitset.h"
#include "wake.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* Targets. An inline hop is one cache line, and so is its floor; a chunk is one line more. */
#define INLINE_RATIO 1.2
#define CHUNK_RATIO 1.8
#define FANOUT_RATIO 1.5
#define FD_RATIO 1.3
#define EVENT_RATIO 1.2
#define CALL_RATIO 1.1
#define BOARD_LOOK_NS 10
#define ROUND_NS 60
#define ROUND_INSTRUCTIONS 300
#define PUBLISH_NS 15
#define POOL_NS 15
#define FLAT_RATIO 1.2
#define EMPTY_NS 3

#define HOP_FIRST(text, bytes, target) \
	{ \
		.name = "hop/first/" text, .what = "first 8 of " text " bytes touched", \
		.kind = &pingpong_floe, .payload = (bytes), .floor = "line", \
		.ratio_max = (target), \
	}

#define PAUSED(text, bytes) \
	{ \
		.name = "paused/" text, .what = "first 8 of " text " bytes touched", \
		.kind = &pingpong_paused_floe, .payload = (bytes), .floor = "paused/line", \
	}

/* Half of there and back, so half of the target for both. */
#define CALL(text, bytes) \
	{ \
		.name = "call/" text, .what = "first 8 of " text " bytes touched", \
		.kind = &pingpong_service, .payload = (bytes), .floor = "hop/first/" text, \
		.ratio_max = CALL_RATIO, \
	}

#define BUFFER(text, bytes) \
	{ \
		.name = "buffer/" text, .what = text " bytes written, a word set, read", \
		.kind = &pingpong_buffer, .payload = (bytes), .touch = TOUCH_ALL, \
	}

#define HOP_ALL(text, bytes) \
	{ \
		.name = "hop/all/" text, .what = "all " text " bytes written and read", \
		.kind = &pingpong_floe, .payload = (bytes), .touch = TOUCH_ALL, \
		.floor = "buffer/" text, \
	}

#define FANOUT(how, text, number, bytes) \
	{ \
		.name = "fanout/" how "/" #number, .what = (text), .kind = &fanout_idle, \
		.payload = (bytes), .subscribers = (number), \
		.floor = (number) == 1 ? NULL : "fanout/" how "/1", \
		.ratio_max = (number) == 1 ? 0 : FANOUT_RATIO, \
	}

#define FANOUT_TAKING(number) \
	{ \
		.name = "fanout/taking/" #number, .what = "all of them take all messages", \
		.kind = &fanout_taking, .payload = 256, .subscribers = (number), \
		.floor = (number) == 1 ? NULL : "fanout/taking/1", \
		.ratio_max = (number) == 1 ? 0 : FANOUT_RATIO, \
	}

#define ANYSIZE(text, bytes) \
	{.name = "malloc/" text, \
	 .what = "free and malloc of 16", \
	 .kind = &anysize_malloc, \
	 .payload = (bytes)}, \
	{ \
		.name = "elastic/" text, .what = "loan and publish, a ring of 16", \
		.kind = &anysize_elastic, .payload = (bytes), .floor = "malloc/" text, \
	}

#define WAIT(number) \
	{ \
		.name = "wait/epoll/" #number, \
		.what = "eventfds in an epoll, one is ready", \
		.kind = &waitset_bare, \
		.subscribers = (number), \
	}, \
	{ \
		.name = "wait/set/" #number, .what = "topics in a wait set, one is ready", \
		.kind = &waitset_floe, .payload = 8, .subscribers = (number), \
		.floor = "wait/epoll/" #number, \
	}

#define RATE(bytes) \
	{ \
		.name = "rate/" #bytes, .what = #bytes " bytes, first 8 touched", \
		.kind = &rate_floe, .payload = (bytes), \
	}

const struct bench_case plan[] = {
	{.name = "line", .what = "8 bytes in a cache line", .kind = &pingpong_line},
	{.name = "line48", .what = "48 bytes and a word in a line", .kind = &pingpong_line48},
	BUFFER("8", 8),
	BUFFER("48", 48),
	BUFFER("49", 49),
	BUFFER("64", 64),
	BUFFER("256", 256),
	BUFFER("1K", KIB),
	BUFFER("4K", 4 * KIB),
	BUFFER("64K", 64 * KIB),
	BUFFER("1M", MIB),
	BUFFER("4M", 4 * MIB),

	HOP_FIRST("8", 8, INLINE_RATIO),
	HOP_FIRST("48", 48, INLINE_RATIO),
	HOP_FIRST("49", 49, CHUNK_RATIO),
	HOP_FIRST("64", 64, CHUNK_RATIO),
	HOP_FIRST("256", 256, CHUNK_RATIO),
	HOP_FIRST("1K", KIB, CHUNK_RATIO),
	HOP_FIRST("4K", 4 * KIB, CHUNK_RATIO),
	HOP_FIRST("64K", 64 * KIB, CHUNK_RATIO),
	HOP_FIRST("1M", MIB, CHUNK_RATIO),
	HOP_FIRST("4M", 4 * MIB, CHUNK_RATIO),

	CALL("48", 48),
	CALL("4K", 4 * KIB),

	HOP_ALL("8", 8),
	HOP_ALL("48", 48),
	HOP_ALL("49", 49),
	HOP_ALL("64", 64),
	HOP_ALL("256", 256),
	HOP_ALL("1K", KIB),
	HOP_ALL("4K", 4 * KIB),
	HOP_ALL("64K", 64 * KIB),
	HOP_ALL("1M", MIB),
	HOP_ALL("4M", 4 * MIB),

	{.name = "paused/line", .what = "8 bytes in a line", .kind = &pingpong_paused_line},
	{.name = "paused/line48", .what = "48 and 8 bytes", .kind = &pingpong_paused_line48},
	PAUSED("8", 8),
	PAUSED("48", 48),
	PAUSED("64", 64),

	{.name = "cost/cycles",
	 .what = "100 cycles of the processor, measured by additions",
	 .kind = &costs_cycles},
	{.name = "cost/call",
	 .what = "a function that does nothing, called as floe's are",
	 .kind = &costs_call,
	 .floor = "cost/cycles"},
	{.name = "cost/round/inline",
	 .what = "loan, publish, take, release of 8 bytes",
	 .kind = &costs_round,
	 .floor = "cost/cycles",
	 .payload = 8,
	 .value_max = ROUND_NS,
	 .instructions_max = ROUND_INSTRUCTIONS},
	{.name = "cost/round/chunk",
	 .what = "loan, publish, take, release of 256 bytes",
	 .kind = &costs_round,
	 .floor = "cost/cycles",
	 .payload = 256,
	 .value_max = ROUND_NS,
	 .instructions_max = ROUND_INSTRUCTIONS},
	{.name = "cost/lane/inline",
	 .what = "the same of 8 bytes with a subscriber that drops the newest",
	 .kind = &costs_lane_round,
	 .floor = "cost/round/inline",
	 .payload = 8},
	{.name = "cost/lane/chunk",
	 .what = "the same of 256 bytes with a subscriber that drops the newest",
	 .kind = &costs_lane_round,
	 .floor = "cost/round/chunk",
	 .payload = 256},
	{.name = "cost/publish/inline",
	 .what = "loan, publish of 8 bytes to nobody",
	 .kind = &costs_publish,
	 .floor = "cost/cycles",
	 .payload = 8,
	 .value_max = PUBLISH_NS},
	{.name = "cost/publish/chunk",
	 .what = "loan, publish of 256 bytes to nobody",
	 .kind = &costs_publish,
	 .floor = "cost/cycles",
	 .payload = 256,
	 .value_max = PUBLISH_NS},
	{.name = "cost/discard/chunk",
	 .what = "loan, discard of 256 bytes: a chunk of the pool comes and goes",
	 .kind = &costs_discard,
	 .floor = "cost/call",
	 .payload = 256,
	 .value_max = POOL_NS},
	{.name = "cost/take/empty",
	 .what = "take when there is nothing",
	 .kind = &costs_empty,
	 .floor = "cost/call",
	 .payload = 8,
	 .value_max = EMPTY_NS},
	{.name = "cost/copied/4k",
	 .what = "publish, take, copy, publish, take of 4 KiB",
	 .kind = &costs_copied,
	 .floor = "cost/call",
	 .payload = 4096},
	{.name = "cost/relayed/4k",
	 .what = "the same, republished without a copy",
	 .kind = &costs_relayed,
	 .floor = "cost/copied/4k",
	 .payload = 4096},
	{.name = "cost/copied/64k",
	 .what = "publish, take, copy, publish, take of 64 KiB",
	 .kind = &costs_copied,
	 .floor = "cost/call",
	 .payload = 65536},
	{.name = "cost/relayed/64k",
	 .what = "the same, republished without a copy",
	 .kind = &costs_relayed,
	 .floor = "cost/copied/64k",
	 .payload = 65536},
	{.name = "cost/notify",
	 .what = "notify, nobody listens",
	 .kind = &costs_notify,
	 .floor = "cost/call"},
	{.name = "cost/board/look",
	 .what = "is the value still the same?",
	 .kind = &costs_board_look,
	 .floor = "cost/call",
	 .value_max = BOARD_LOOK_NS},
	{.name = "cost/board/round",
	 .what = "write and read 8 bytes of a board",
	 .kind = &costs_board_round,
	 .floor = "cost/call"},

	{.name = "beside/stranger",
	 .what = "loan, discard of 256 bytes, another process adds numbers",
	 .kind = &beside_stranger,
	 .payload = 256},
	{.name = "beside/user",
	 .what = "the same, it publishes and takes on the same topic",
	 .kind = &beside_user,
	 .payload = 256,
	 .floor = "beside/stranger",
	 .ratio_max = FLAT_RATIO},

	ANYSIZE("200", 200),
	ANYSIZE("2000", 2000),
	ANYSIZE("20000", 20000),
	ANYSIZE("200000", 200000),
	ANYSIZE("in-turn", ANYSIZE_IN_TURN),
	ANYSIZE("random", ANYSIZE_RANDOM),

	FANOUT("idle", "256 bytes, nobody takes", 1, 256),
	FANOUT("idle", "256 bytes, nobody takes", 2, 256),
	FANOUT("idle", "256 bytes, nobody takes", 4, 256),
	FANOUT("idle", "256 bytes, nobody takes", 8, 256),
	FANOUT("idle", "256 bytes, nobody takes", 16, 256),
	FANOUT("idle", "256 bytes, nobody takes", 32, 256),
	FANOUT("idle", "256 bytes, nobody takes", 64, 256),
	FANOUT("inline", "8 bytes, nobody takes", 1, 8),
	FANOUT("inline", "8 bytes, nobody takes", 64, 8),
	FANOUT_TAKING(1),
	FANOUT_TAKING(64),

	RATE(8),
	RATE(48),
	RATE(256),

	{.name = "wake/futex", .what = "store and FUTEX_WAKE", .kind = &wake_futex},
	{.name = "wake/floe",
	 .what = "publish to floe_wait, 8 bytes",
	 .kind = &wake_floe,
	 .payload = 8,
	 .floor = "wake/futex"},
	{.name = "wake/fd",
	 .what = "publish to poll on the descriptor, 8 bytes",
	 .kind = &wake_fd,
	 .payload = 8,
	 .floor = "wake/futex",
	 .ratio_max = FD_RATIO},
	{.name = "wake/fd/take",
	 .what = "publish to poll and take, 8 bytes",
	 .kind = &wake_fd_take,
	 .payload = 8,
	 .floor = "wake/futex",
	 .ratio_max = FD_RATIO},
#ifdef BENCH_RING
	{.name = "wake/ring",
	 .what = "publish to a ring of the program, 8 bytes",
	 .kind = &wake_ring,
	 .payload = 8,
	 .floor = "wake/futex",
	 .ratio_max = FD_RATIO},
#endif
	{.name = "wake/event",
	 .what = "notify to floe_listener_wait, taken",
	 .kind = &wake_event,
	 .floor = "wake/futex",
	 .ratio_max = EVENT_RATIO},

	WAIT(1),
	WAIT(10),
	WAIT(100),
	WAIT(1000),
};

const size_t plan_count = sizeof(plan) / sizeof(plan[0]);

size_t plan_find(const char *name)
{
	for (size_t i = 0; i < plan_count; i++)
		if (!strcmp(plan[i].name, name))
			return i;
	fail("the plan has no case '%s'", name);
}
