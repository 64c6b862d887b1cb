/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_OPTIONS_H
#define API_OPTIONS_H

/*
 * Options: what the caller wrote, checked, with defaults filled in.
 */

#include <floe/board.h>
#include <floe/event.h>
#include <floe/floe.h>
#include <floe/inspect.h>
#include <floe/waitset.h>
#include <floe/service.h>
#include <floe/watch.h>

#include <stdbool.h>

#include "channel/segment.h"
#include "memory/region.h"
#include "registry/terms_layout.h"

#define DEPTH_DEFAULT 16
#define LOANS_DEFAULT 4
#define PAYLOAD_DEFAULT 65536
#define PUBLISHER_HOLDS_DEFAULT 8
#define PUBLISHER_HOLDS_SMALL 32 /* while these together take no more than */
#define SMALL_CHUNKS_SIZE 16384
#define SUBSCRIBER_HOLDS_DEFAULT 4
#define SPIN_DEFAULT_NS 20000
#define TIME_NS_MAX UINT64_C(86400000000000000) /* a thousand days */
#define EVENT_IDS_DEFAULT 64

/* `from` may be NULL. All: -EINVAL, -E2BIG with a sentence in from->error, if that can be read. */
int options_read_publisher(struct floe_publisher_options *ret,
			   const struct floe_publisher_options *from);

/* The same under terms of the topic: what is zero comes from them; -EDQUOT: more memory than they allow. The pools lie in `room` then. A caller's block was sized without them and keeps
 * its own geometry. */
struct options_room {
	struct floe_pool pool[FLOE_POOLS_MAX];
};
int options_read_publisher_under(struct floe_publisher_options *ret,
				 const struct floe_publisher_options *from, const char *topic,
				 const struct terms_shared *terms, struct options_room *room);

int options_read_subscriber(struct floe_subscriber_options *ret,
			    const struct floe_subscriber_options *from);
int options_read_client(struct floe_client_options *ret, const struct floe_client_options *from);
int options_read_server(struct floe_server_options *ret, const struct floe_server_options *from);
int options_read_watch(struct floe_watch_options *ret, const struct floe_watch_options *from);
int options_read_heap(struct floe_heap_options *ret, const struct floe_heap_options *from);
int options_read_observer(struct floe_observer_options *ret,
			  const struct floe_observer_options *from);
int options_read_notifier(struct floe_notifier_options *ret,
			  const struct floe_notifier_options *from);
int options_read_listener(struct floe_listener_options *ret,
			  const struct floe_listener_options *from);
int options_read_board_writer(struct floe_board_writer_options *ret,
			      const struct floe_board_writer_options *from);
int options_read_waitset(struct floe_waitset_options *ret, const struct floe_waitset_options *from);
int options_read_board_reader(struct floe_board_reader_options *ret,
			      const struct floe_board_reader_options *from);

/* A type as an application gives it; NULL is fine. -EINVAL with a sentence */
int options_check_type(const struct floe_type *type, struct floe_error *error);

/* What a publisher offers, and what a subscriber wants, by options that were read. */
void options_offer(const struct floe_publisher_options *o, struct accord_shared *ret_offer);
void options_wish(const struct floe_subscriber_options *o, struct accord_shared *ret_wish);

/* The plan of a publisher's segment, which refers to `offer` (NULL: nothing). `fixed`: in a caller's block, or with the
 * caller's pools: it does not grow. */
int options_plan(const struct floe_publisher_options *options, const struct accord_shared *offer,
		 struct segment_plan *ret_plan, bool *ret_fixed);

/* Bytes of the segment with all that its ceilings allow, but for what grows with subscribers; -EINVAL */
ssize_t options_size_at_most(const struct floe_publisher_options *options);

#endif
