/* SPDX-License-Identifier: Apache-2.0 */
#include "api/options.h"

#include <errno.h>
#include <string.h>

#include "api/service.h"
#include "base/arith.h"
#include "base/error.h"
#include "base/name.h"

/* A growing publisher is ready for this many holds of subscribers still to come; it is address
 * space until they do. */
#define GROWTH_HOLDS 4096
#define GROWTH_SIZE_MAX ((size_t)1 << 42)
#define SCHEMA_SIZE_MAX 65536
#define TYPE_NAME_SIZE_MAX 127
#define PAGE 4096

/*
 * Copies options of any version: what an older program does not have is zero, what a newer one
 * has and we do not know must be (openat2(2) does the same).
 */
static int copy(void *ret, size_t size_known, const void *from)
{
	const unsigned char *bytes = from;
	size_t size;

	memset(ret, 0, size_known);
	if (!from)
		return 0;
	memcpy(&size, from, sizeof(size));
	if (size < 2 * sizeof(size_t) || size > 65536)
		return -EINVAL;
	memcpy(ret, from, size < size_known ? size : size_known);
	for (size_t i = size_known; i < size; i++)
		if (bytes[i])
			return -E2BIG;
	return 0;
}

static int explain(int r, struct floe_error *error)
{
	if (r == -E2BIG)
		return error_set(error, r,
				 "the options ask for what this library does not know: update it");
	if (r < 0)
		return error_set(error, r, "options.size is not the size of the options");
	return 0;
}

int options_check_type(const struct floe_type *type, struct floe_error *error)
{
	int r;

	if (!type || !type->name)
		return 0;
	r = name_check(type->name, "type's name", TYPE_NAME_SIZE_MAX, error);
	if (r < 0)
		return r;
	if (type->alignment &&
	    (!is_power_of_two(type->alignment) || type->alignment > FLOE_CACHELINE))
		return error_set(error, -EINVAL, "a type's alignment is a power of two up to %d",
				 FLOE_CACHELINE);
	if (type->schema && strnlen(type->schema, SCHEMA_SIZE_MAX + 1) > SCHEMA_SIZE_MAX)
		return error_set(error, -EINVAL, "a type's schema has at most %d bytes",
				 SCHEMA_SIZE_MAX);
	return 0;
}

static int check_header(const struct floe_type *header, struct floe_error *error)
{
	if (!header)
		return 0;
	if (header->size == 0 || header->size > FLOE_HEADER_MAX)
		return error_set(error, -EINVAL, "a header has 1 to %d bytes", FLOE_HEADER_MAX);
	if (header->alignment &&
	    (!is_power_of_two(header->alignment) || header->alignment > FLOE_CACHELINE))
		return error_set(error, -EINVAL, "a header's alignment is a power of two up to %d",
				 FLOE_CACHELINE);
	return options_check_type(header, error);
}

static int check_attribute(const struct floe_attribute *attributes, size_t i, bool wants,
			   struct floe_error *error)
{
	const struct floe_attribute *a = &attributes[i];
	int r = name_check(a->key, "attribute's key", FLOE_ATTRIBUTE_KEY_MAX, error);

	if (r == 0 && (a->value || !wants))
		r = name_check_text(a->value, "attribute's value", FLOE_ATTRIBUTE_VALUE_MAX, error);
	if (r < 0)
		return r;
	if (strchr(a->key, '='))
		return error_set(error, -EINVAL, "the attribute's key '%.100s' has a '='", a->key);
	for (size_t k = 0; k < i; k++)
		if (!strcmp(attributes[k].key, a->key))
			return error_set(error, -EINVAL, "there are two attributes '%.100s'",
					 a->key);
	return 0;
}

static int check_attributes(const struct floe_attribute *attributes, size_t count, bool wants,
			    struct floe_error *error)
{
	int r = 0;

	if (!attributes != !count)
		return error_set(error, -EINVAL, "attributes and attributes_count belong together");
	if (count > FLOE_ATTRIBUTES_MAX)
		return error_set(error, -EINVAL, "at most %d attributes are possible",
				 FLOE_ATTRIBUTES_MAX);
	for (size_t i = 0; i < count && r == 0; i++)
		r = check_attribute(attributes, i, wants, error);
	return r;
}

/* Of a service: what the headers are is said with these keys, by nobody else. */
static int check_service_attributes(const struct floe_attribute *attributes, size_t count,
				    bool wants, struct floe_error *error)
{
	int r = check_attributes(attributes, count, wants, error);

	for (size_t i = 0; i < count && r == 0; i++)
		if (!strcmp(attributes[i].key, ACCORD_REQUEST_HEADER) ||
		    !strcmp(attributes[i].key, ACCORD_RESPONSE_HEADER))
			r = error_set(error, -EINVAL,
				      "the attribute '%s' is made of the header in the options",
				      attributes[i].key);
	return r;
}

static void set_default(size_t *value, size_t standard)
{
	if (*value == 0)
		*value = standard;
}

/* Where chunks are small, more of them cost little and make reclaiming rarer. */
static size_t default_holds(size_t payload_max)
{
	size_t fit = SMALL_CHUNKS_SIZE / size_align(payload_max, FLOE_CACHELINE);

	if (fit > PUBLISHER_HOLDS_SMALL)
		return PUBLISHER_HOLDS_SMALL;
	return fit > PUBLISHER_HOLDS_DEFAULT ? fit : PUBLISHER_HOLDS_DEFAULT;
}

static uint32_t default_mode(uint32_t mode)
{
	return mode ? (mode & 0444) | 0600 : 0600;
}

static int check_range(size_t value, size_t max, const char *what, struct floe_error *error)
{
	if (value > max)
		return error_set(error, -EINVAL, "%s is %zu, at most %zu is possible", what, value,
				 max);
	return 0;
}

static int check_ceiling(size_t value, size_t ceiling, size_t max, const char *what,
			 struct floe_error *error)
{
	if (ceiling > max)
		return error_set(error, -EINVAL, "%sceiling is %zu, at most %zu is possible", what,
				 ceiling, max);
	if (ceiling < value)
		return error_set(error, -EINVAL, "%sceiling is %zu, less than %smax: %zu", what,
				 ceiling, what, value);
	return 0;
}

static int check_pools(const struct floe_publisher_options *o)
{
	if (!o->pools != !o->pools_count)
		return error_set(o->error, -EINVAL, "pools and pools_count belong together");
	if (o->pools_count > FLOE_POOLS_MAX)
		return error_set(o->error, -EINVAL, "at most %d pools are possible",
				 FLOE_POOLS_MAX);
	for (size_t i = 0; i < o->pools_count; i++)
		if (o->pools[i].chunk_size == 0 || o->pools[i].chunk_size > FLOE_PAYLOAD_MAX ||
		    o->pools[i].chunk_count == 0 || o->pools[i].chunk_count > UINT32_MAX / 16)
			return error_set(o->error, -EINVAL,
					 "pool %zu has no possible size or count", i);
	return 0;
}

static int check_memory(const struct floe_publisher_options *o)
{
	if (!o->memory && o->memory_size)
		return error_set(o->error, -EINVAL, "memory_size without memory");
	if ((uintptr_t)o->memory % o->alignment)
		return error_set(o->error, -EINVAL, "memory must be aligned to %zu bytes",
				 o->alignment);
	return 0;
}

static int check_alignment(const struct floe_publisher_options *o)
{
	if (!is_power_of_two(o->alignment) || o->alignment < FLOE_CACHELINE || o->alignment > PAGE)
		return error_set(o->error, -EINVAL, "alignment is a power of two from %d to %d",
				 FLOE_CACHELINE, PAGE);
	if (o->alignment > FLOE_CACHELINE && o->flags & FLOE_ELASTIC)
		return error_set(o->error, -EINVAL,
				 "an elastic publisher aligns chunks to %d bytes, those of a page "
				 "or more to pages",
				 FLOE_CACHELINE);
	return 0;
}

static int check_flags(const struct floe_publisher_options *o)
{
	if (o->flags &
	    ~(FLOE_TIMESTAMPS | FLOE_ELASTIC | FLOE_SPILL | FLOE_DROP_NEWEST | FLOE_THREAD_SAFE))
		return error_set(o->error, -EINVAL, "flags has bits that mean nothing");
	if (o->flags & FLOE_ELASTIC && (o->pools || o->memory))
		return error_set(o->error, -EINVAL,
				 "an elastic publisher has no pools and no block of yours");
	if ((o->quota || o->quota_ceiling) && !(o->flags & FLOE_ELASTIC))
		return error_set(o->error, -EINVAL, "a quota is for FLOE_ELASTIC");
	if (o->relays_max && (o->flags & FLOE_ELASTIC || o->memory))
		return error_set(o->error, -EINVAL,
				 "relays_max is for a publisher in a file, that is not elastic");
	if (o->flags & FLOE_SPILL && !o->pools)
		return error_set(o->error, -EINVAL, "FLOE_SPILL is for pools");
	return 0;
}

static size_t largest_pool(const struct floe_publisher_options *o)
{
	size_t largest = 0;

	for (size_t i = 0; i < o->pools_count; i++)
		if (o->pools[i].chunk_size > largest)
			largest = o->pools[i].chunk_size;
	return largest;
}

/* After the depth. */
static int check_lanes(struct floe_publisher_options *o)
{
	int r = check_range(o->lanes_max, FLOE_LANES_MAX, "lanes_max", o->error);

	if (r == 0)
		r = check_range(o->lane_depth, FLOE_DEPTH_MAX, "lane_depth", o->error);
	if (r == 0 && o->lane_depth && !o->lanes_max)
		return error_set(o->error, -EINVAL, "lane_depth is for lanes_max");
	if (r == 0 && o->lanes_max)
		set_default(&o->lane_depth, o->depth);
	return r;
}

/* Checks what was given and fills in the rest. */
static int complete_publisher(struct floe_publisher_options *o)
{
	int r;

	set_default(&o->alignment, FLOE_CACHELINE);
	r = check_pools(o);
	if (r == 0)
		r = check_alignment(o);
	if (r == 0)
		r = check_memory(o);
	if (r == 0)
		r = check_flags(o);
	if (r == 0)
		r = options_check_type(o->type, o->error);
	if (r == 0)
		r = check_header(o->header, o->error);
	if (r == 0)
		r = check_attributes(o->attributes, o->attributes_count, false, o->error);
	if (r < 0)
		return r;
	set_default(&o->depth, DEPTH_DEFAULT);
	set_default(&o->loans_max, LOANS_DEFAULT);
	set_default(&o->loans_ceiling, o->loans_max);
	set_default(&o->payload_max, o->pools ? largest_pool(o) : PAYLOAD_DEFAULT);
	set_default(&o->holds_max, default_holds(o->payload_max));
	o->mode = default_mode(o->mode);
	if (o->pools && o->payload_max > largest_pool(o))
		return error_set(o->error, -EINVAL,
				 "payload_max is %zu, but no pool has chunks of that size",
				 o->payload_max);
	r = check_range(o->depth, FLOE_DEPTH_MAX, "depth", o->error);
	if (r == 0)
		r = check_range(o->loans_max, FLOE_LOANS_MAX, "loans_max", o->error);
	if (r == 0)
		r = check_ceiling(o->loans_max, o->loans_ceiling, FLOE_LOANS_MAX, "loans_",
				  o->error);
	if (r == 0)
		r = check_range(o->payload_max, FLOE_PAYLOAD_MAX, "payload_max", o->error);
	if (r == 0)
		r = check_range(o->relays_max, FLOE_RELAYS_MAX, "relays_max", o->error);
	if (r == 0)
		r = check_lanes(o);
	if (r == 0)
		r = check_range(o->holds_max, (size_t)FLOE_HOLDS_MAX * FLOE_SUBSCRIBERS_MAX,
				"holds_max", o->error);
	return r;
}

void options_offer(const struct floe_publisher_options *o, struct accord_shared *ret_offer)
{
	accord_format(ret_offer, o->header, o->attributes, o->attributes_count);
}

void options_wish(const struct floe_subscriber_options *o, struct accord_shared *ret_wish)
{
	accord_format(ret_wish, o->header, o->attributes, o->attributes_count);
}

int options_read_publisher(struct floe_publisher_options *ret,
			   const struct floe_publisher_options *from)
{
	int r = copy(ret, sizeof(*ret), from);

	r = explain(r, ret->error);
	return r < 0 ? r : complete_publisher(ret);
}

static void fill_in(struct floe_publisher_options *o, const struct terms_shared *terms,
		    struct options_room *room)
{
	set_default(&o->depth, terms->depth);
	set_default(&o->loans_max, terms->loans_max);
	if (!o->pools && terms->pool_count) {
		for (uint32_t i = 0; i < terms->pool_count; i++)
			room->pool[i] = (struct floe_pool){terms->pool[i].chunk_size,
							   terms->pool[i].chunk_count};
		o->pools = room->pool;
		o->pools_count = terms->pool_count;
	} else if (!o->pools) {
		set_default(&o->payload_max, terms->payload_max);
	}
}

static int check_memory_max(const struct floe_publisher_options *o, const char *topic,
			    const struct terms_shared *terms)
{
	/* What it may raise later counts now. */
	ssize_t size = options_size_at_most(o);

	if (size < 0 || terms->memory_max == 0)
		return size < 0 ? (int)size : 0;
	if ((size_t)size > terms->memory_max)
		return error_set(o->error, -EDQUOT,
				 "topic '%.80s': a publisher of %zd bytes, its coordinator allows "
				 "%zu (floed.conf): ask for less depth, payload_max or quota",
				 topic, size, (size_t)terms->memory_max);
	return 0;
}

int options_read_publisher_under(struct floe_publisher_options *ret,
				 const struct floe_publisher_options *from, const char *topic,
				 const struct terms_shared *terms, struct options_room *room)
{
	int r = copy(ret, sizeof(*ret), from);

	r = explain(r, ret->error);
	if (r < 0)
		return r;
	if (!ret->memory)
		fill_in(ret, terms, room);
	if (ret->mode == 0)
		ret->mode = terms->mode;
	r = complete_publisher(ret);
	return r < 0 ? r : check_memory_max(ret, topic, terms);
}

int options_read_subscriber(struct floe_subscriber_options *ret,
			    const struct floe_subscriber_options *from)
{
	struct floe_subscriber_options *o = ret;
	int r = copy(o, sizeof(*o), from);

	r = explain(r, o->error);
	if (r == 0)
		r = options_check_type(o->type, o->error);
	if (r == 0)
		r = check_header(o->header, o->error);
	if (r == 0)
		r = check_attributes(o->attributes, o->attributes_count, true, o->error);
	if (r < 0)
		return r;
	set_default(&o->holds_max, SUBSCRIBER_HOLDS_DEFAULT);
	set_default(&o->holds_ceiling, o->holds_max);
	if (o->spin_ns == 0)
		o->spin_ns = SPIN_DEFAULT_NS;
	if (o->spin_ns > 1000000000)
		return error_set(o->error, -EINVAL, "spin_ns is more than a second");
	if (o->policy > FLOE_POLICY_DROP_NEWEST)
		return error_set(o->error, -EINVAL, "policy %u means nothing", o->policy);
	if (o->flags & ~(FLOE_ORDERED | FLOE_DISCONNECT_SLOW | FLOE_THREAD_SAFE))
		return error_set(o->error, -EINVAL, "flags has bits that mean nothing");
	if ((o->patience_ns || o->flags & FLOE_DISCONNECT_SLOW) &&
	    o->policy != FLOE_POLICY_RELIABLE)
		return error_set(o->error, -EINVAL,
				 "only who is reliable is waited for: patience_ns and "
				 "FLOE_DISCONNECT_SLOW go with FLOE_POLICY_RELIABLE");
	if (o->flags & FLOE_DISCONNECT_SLOW && !o->patience_ns)
		return error_set(o->error, -EINVAL,
				 "FLOE_DISCONNECT_SLOW needs patience_ns: how long to wait before");
	if (o->patience_ns > TIME_NS_MAX || o->expect_ns > TIME_NS_MAX)
		return error_set(o->error, -EINVAL, "a time is more than %d days",
				 (int)(TIME_NS_MAX / 86400000000000));
	r = check_range(o->holds_max, FLOE_HOLDS_MAX, "holds_max", o->error);
	if (r == 0)
		r = check_ceiling(o->holds_max, o->holds_ceiling, FLOE_HOLDS_MAX, "holds_",
				  o->error);
	if (r == 0)
		r = check_range(o->depth, FLOE_DEPTH_MAX, "depth", o->error);
	if (r == 0)
		r = check_range(o->history, FLOE_DEPTH_MAX, "history", o->error);
	return r;
}

int options_read_watch(struct floe_watch_options *ret, const struct floe_watch_options *from)
{
	int r = copy(ret, sizeof(*ret), from);

	r = explain(r, ret->error);
	if (r == 0 && ret->flags & ~FLOE_WATCH_INSIDE)
		return error_set(ret->error, -EINVAL, "flags has a bit that means nothing");
	return r;
}

int options_read_client(struct floe_client_options *ret, const struct floe_client_options *from)
{
	struct floe_client_options *o = ret;
	int r = copy(o, sizeof(*o), from);

	r = explain(r, o->error);
	if (r == 0)
		r = options_check_type(o->request, o->error);
	if (r == 0)
		r = options_check_type(o->response, o->error);
	if (r == 0)
		r = check_header(o->request_header, o->error);
	if (r == 0)
		r = check_header(o->response_header, o->error);
	if (r == 0)
		r = check_service_attributes(o->attributes, o->attributes_count, true, o->error);
	if (r < 0)
		return r;
	set_default(&o->payload_max, PAYLOAD_DEFAULT);
	set_default(&o->active_max, ACTIVE_DEFAULT);
	set_default(&o->loans_max, LOANS_DEFAULT);
	set_default(&o->holds_max, CLIENT_HOLDS_DEFAULT);
	if (o->spin_ns == 0)
		o->spin_ns = SPIN_DEFAULT_NS;
	if (o->spin_ns > 1000000000)
		return error_set(o->error, -EINVAL, "spin_ns is more than a second");
	r = check_range(o->payload_max, FLOE_PAYLOAD_MAX, "payload_max", o->error);
	if (r == 0)
		r = check_range(o->active_max, FLOE_REQUESTS_MAX, "active_max", o->error);
	if (r == 0)
		r = check_range(o->loans_max, FLOE_LOANS_MAX, "loans_max", o->error);
	return r < 0 ? r : check_range(o->holds_max, FLOE_HOLDS_MAX, "holds_max", o->error);
}

int options_read_server(struct floe_server_options *ret, const struct floe_server_options *from)
{
	struct floe_server_options *o = ret;
	int r = copy(o, sizeof(*o), from);

	r = explain(r, o->error);
	if (r == 0)
		r = options_check_type(o->request, o->error);
	if (r == 0)
		r = options_check_type(o->response, o->error);
	if (r == 0)
		r = check_header(o->request_header, o->error);
	if (r == 0)
		r = check_header(o->response_header, o->error);
	if (r == 0)
		r = check_service_attributes(o->attributes, o->attributes_count, false, o->error);
	if (r < 0)
		return r;
	set_default(&o->payload_max, PAYLOAD_DEFAULT);
	set_default(&o->active_max, ACTIVE_DEFAULT);
	set_default(&o->responses_max, RESPONSES_DEFAULT);
	if (o->spin_ns == 0)
		o->spin_ns = SPIN_DEFAULT_NS;
	if (o->spin_ns > 1000000000)
		return error_set(o->error, -EINVAL, "spin_ns is more than a second");
	r = check_range(o->payload_max, FLOE_PAYLOAD_MAX, "payload_max", o->error);
	if (r == 0)
		r = check_range(o->active_max, FLOE_REQUESTS_MAX, "active_max", o->error);
	if (r == 0)
		r = check_range(o->responses_max, FLOE_DEPTH_MAX - REQUESTS_MAX, "responses_max",
				o->error);
	return r;
}

int options_read_heap(struct floe_heap_options *ret, const struct floe_heap_options *from)
{
	int r = copy(ret, sizeof(*ret), from);

	r = explain(r, ret->error);
	if (r < 0)
		return r;
	if (!ret->memory && ret->memory_size)
		return error_set(ret->error, -EINVAL, "memory_size without memory");
	if (ret->exclusive && ret->source)
		return error_set(ret->error, -EINVAL,
				 "an exclusive heap has no source: choose one of them");
	if (ret->flags & ~(FLOE_HEAP_BOUNDED | FLOE_HEAP_HARDENED | FLOE_HEAP_RELEASE))
		return error_set(ret->error, -EINVAL, "flags has bits that mean nothing");
	return 0;
}

int options_read_observer(struct floe_observer_options *ret,
			  const struct floe_observer_options *from)
{
	int r = copy(ret, sizeof(*ret), from);

	return r < 0 ? r : check_range(ret->history, FLOE_DEPTH_MAX, "history", NULL);
}

int options_read_notifier(struct floe_notifier_options *ret,
			  const struct floe_notifier_options *from)
{
	int r = copy(ret, sizeof(*ret), from);

	r = explain(r, ret->error);
	if (r < 0)
		return r;
	set_default(&ret->ids, EVENT_IDS_DEFAULT);
	ret->mode = default_mode(ret->mode);
	if (ret->flags)
		return error_set(ret->error, -EINVAL, "flags has bits that mean nothing");
	if (ret->deadline_ns < 0 || ret->deadline_ns > INT64_MAX / 2)
		return error_set(ret->error, -EINVAL, "deadline_ns is not a span of time");
	return check_range(ret->ids, FLOE_EVENT_IDS_MAX, "ids", ret->error);
}

int options_read_listener(struct floe_listener_options *ret,
			  const struct floe_listener_options *from)
{
	int r = copy(ret, sizeof(*ret), from);

	r = explain(r, ret->error);
	if (r < 0)
		return r;
	if (ret->spin_ns == 0)
		ret->spin_ns = SPIN_DEFAULT_NS;
	if (ret->spin_ns > 1000000000)
		return error_set(ret->error, -EINVAL, "spin_ns is more than a second");
	if (ret->flags || ret->reserved)
		return error_set(ret->error, -EINVAL, "flags has bits that mean nothing");
	return 0;
}

static int check_key(const struct floe_board_writer_options *o, size_t i)
{
	const struct floe_board_key *key = &o->keys[i];
	int r = name_check(key->name, "key's name", FLOE_BOARD_KEY_NAME_MAX, o->error);

	if (r == 0)
		r = options_check_type(key->type, o->error);
	if (r < 0)
		return r;
	if (key->size == 0 || key->size > FLOE_BOARD_VALUE_MAX)
		return error_set(o->error, -EINVAL, "key '%.100s' has no possible size", key->name);
	for (size_t k = 0; k < i; k++)
		if (!strcmp(o->keys[k].name, key->name))
			return error_set(o->error, -EINVAL, "there are two keys '%.100s'",
					 key->name);
	return 0;
}

int options_read_board_writer(struct floe_board_writer_options *ret,
			      const struct floe_board_writer_options *from)
{
	struct floe_board_writer_options *o = ret;
	int r = copy(o, sizeof(*o), from);

	r = explain(r, o->error);
	if (r < 0)
		return r;
	set_default(&o->slots, 2);
	o->mode = default_mode(o->mode);
	if (!o->keys || !o->keys_count)
		return error_set(o->error, -EINVAL, "a board's writer has at least one key");
	if (o->flags)
		return error_set(o->error, -EINVAL, "flags has bits that mean nothing");
	if (o->slots < 2)
		return error_set(o->error, -EINVAL, "slots is 1, at least 2 are needed");
	r = check_range(o->slots, FLOE_BOARD_SLOTS_MAX, "slots", o->error);
	if (r == 0)
		r = check_range(o->keys_count, FLOE_BOARD_KEYS_MAX, "keys_count", o->error);
	for (size_t i = 0; i < o->keys_count && r == 0; i++)
		r = check_key(o, i);
	return r;
}

int options_read_waitset(struct floe_waitset_options *ret, const struct floe_waitset_options *from)
{
	int r = copy(ret, sizeof(*ret), from);

	if (r == 0 && (ret->flags || ret->expect_ns < 0 || ret->expect_ns > INT64_MAX / 4))
		r = -EINVAL;
	return r;
}

int options_read_board_reader(struct floe_board_reader_options *ret,
			      const struct floe_board_reader_options *from)
{
	int r = copy(ret, sizeof(*ret), from);

	r = explain(r, ret->error);
	if (r == 0 && ret->flags)
		r = error_set(ret->error, -EINVAL, "flags has bits that mean nothing");
	return r;
}

static int compare_pools(const struct pool_plan *a, const struct pool_plan *b)
{
	return a->chunk_size < b->chunk_size ? -1 : a->chunk_size > b->chunk_size;
}

/* Insertion: eight at most, and qsort may allocate. */
static void sort_pools(struct segment_plan *plan)
{
	for (uint32_t i = 1; i < plan->pool_count; i++)
		for (uint32_t j = i; j > 0 && compare_pools(&plan->pool[j], &plan->pool[j - 1]) < 0;
		     j--) {
			struct pool_plan larger = plan->pool[j - 1];

			plan->pool[j - 1] = plan->pool[j];
			plan->pool[j] = larger;
		}
}

static size_t header_room(const struct floe_publisher_options *o)
{
	return o->header ? segment_header_room((uint32_t)o->header->size) : 0;
}

static int plan_pools(const struct floe_publisher_options *o, struct segment_plan *plan)
{
	plan->pool_count = (uint32_t)o->pools_count;
	for (uint32_t i = 0; i < plan->pool_count; i++)
		plan->pool[i] = (struct pool_plan){
			.chunk_size = size_align(o->pools[i].chunk_size + header_room(o),
						 o->alignment),
			.chunk_count = (uint32_t)o->pools[i].chunk_count,
			.chunk_count_max = (uint32_t)o->pools[i].chunk_count,
		};
	sort_pools(plan);
	for (uint32_t i = 1; i < plan->pool_count; i++)
		if (plan->pool[i].chunk_size == plan->pool[i - 1].chunk_size)
			return error_set(o->error, -EINVAL,
					 "two pools have chunks of %zu bytes: make one of them",
					 plan->pool[i].chunk_size - header_room(o));
	return 0;
}

/* Large chunks are whole pages: then they begin at pages, see segment_lay_out. That takes a
 * sixteenth more at most. */
#define LARGE_CHUNK 65536

static size_t chunk_alignment(const struct floe_publisher_options *o)
{
	return o->payload_max >= LARGE_CHUNK ? PAGE : o->alignment;
}

/* What waits in lanes has left the ring. */
static size_t count_queued(const struct floe_publisher_options *o)
{
	return o->lanes_max * o->lane_depth;
}

/* chunks = depth + loans + holds + lanes: with these a loan never fails. */
static void plan_one_pool(const struct floe_publisher_options *o, struct segment_plan *plan)
{
	size_t chunk_size = size_align(o->payload_max + header_room(o), chunk_alignment(o));
	/* A block has all that there will ever be. */
	size_t loans = o->memory ? o->loans_ceiling : o->loans_max;
	size_t needed = o->depth + loans + o->holds_max + count_queued(o);
	size_t most = o->depth + o->loans_ceiling + o->holds_max + count_queued(o);
	size_t growth = o->depth + o->loans_ceiling + GROWTH_HOLDS + count_queued(o);

	if (growth > GROWTH_SIZE_MAX / chunk_size)
		growth = GROWTH_SIZE_MAX / chunk_size;
	/* What may be raised later has addresses. */
	if (growth < most || o->memory)
		growth = most;
	plan->pool_count = 1;
	plan->pool[0] = (struct pool_plan){
		.chunk_size = chunk_size,
		.chunk_count = (uint32_t)needed,
		.chunk_count_max = (uint32_t)growth,
	};
}

/* One area with addresses for every size; memory comes as it is needed. */
static int plan_elastic(const struct floe_publisher_options *o, struct segment_plan *plan)
{
	size_t largest = elastic_block_size(o->payload_max + header_room(o));
	size_t messages = o->depth + o->loans_max + o->holds_max + count_queued(o);
	struct elastic_plan area;
	size_t size;

	plan->quota_limit = o->quota ? o->quota & ~(ELASTIC_PAGE - 1) : size_mul(messages, largest);
	if (plan->quota_limit < largest)
		return error_set(o->error, -EINVAL,
				 "the quota is %zu, but one message of payload_max takes %zu",
				 o->quota, largest);
	plan->quota = o->quota_ceiling ? o->quota_ceiling & ~(ELASTIC_PAGE - 1) : plan->quota_limit;
	if (plan->quota < plan->quota_limit)
		return error_set(o->error, -EINVAL,
				 "quota_ceiling is %zu, less than the quota: %zu", o->quota_ceiling,
				 (size_t)plan->quota_limit);
	plan->pool_count = 1;
	plan->pool[0].chunk_size = ELASTIC_PAGE;
	area = segment_elastic(plan);
	size = elastic_area_size(&area);
	if (size == SIZE_INVALID)
		return error_set(o->error, -EINVAL,
				 "depth, payload_max and quota together are too large");
	plan->pool[0].chunk_count_max = (uint32_t)(size / ELASTIC_PAGE);
	return 0;
}

/* Behind the payload of what travels inline, and before its time; 0: there it has no room, or nothing
 * travels inline. */
static uint32_t place_header(const struct floe_publisher_options *o)
{
	size_t room = o->flags & FLOE_TIMESTAMPS ? FLOE_INLINE_MAX - 8 : FLOE_INLINE_MAX;
	size_t alignment = o->header->alignment > 8 ? o->header->alignment : 8;

	if (o->header->size > room || o->alignment > FLOE_CACHELINE)
		return 0;
	return (uint32_t)((room - o->header->size) & ~(alignment - 1));
}

static void plan_header(const struct floe_publisher_options *o, struct segment_plan *plan)
{
	if (!o->header)
		return;
	plan->header_size = (uint32_t)o->header->size;
	plan->header_inline = place_header(o);
}

int options_plan(const struct floe_publisher_options *options, const struct accord_shared *offer,
		 struct segment_plan *ret_plan, bool *ret_fixed)
{
	int r = 0;

	*ret_plan = (struct segment_plan){
		.depth = (uint32_t)options->depth,
		.loans_max = (uint32_t)options->loans_ceiling,
		.loans_limit = (uint32_t)options->loans_max,
		.flags = options->flags & ~(FLOE_SPILL | FLOE_DROP_NEWEST | FLOE_THREAD_SAFE),
		.payload_max = options->payload_max,
		.relays_max = (uint32_t)options->relays_max,
		.lanes_max = (uint32_t)options->lanes_max,
		.lane_depth = (uint32_t)options->lane_depth,
		.alignment = options->alignment,
		.type = options->type,
		.accord = offer,
	};
	plan_header(options, ret_plan);
	if (options->flags & FLOE_ELASTIC)
		r = plan_elastic(options, ret_plan);
	else if (options->pools)
		r = plan_pools(options, ret_plan);
	else
		plan_one_pool(options, ret_plan);
	if (r < 0)
		return r;
	*ret_fixed = options->pools || options->memory || options->flags & FLOE_ELASTIC;
	if (segment_lay_out(ret_plan).size_max > REGION_SIZE_MAX)
		return error_set(options->error, -EINVAL,
				 "depth and payload_max together are too large");
	return 0;
}

ssize_t options_size_at_most(const struct floe_publisher_options *options)
{
	struct floe_publisher_options o = *options;
	struct segment_sizes sizes;
	struct accord_shared offer;
	struct segment_plan plan;
	bool fixed;
	size_t size;
	int r;

	/* The quota of an elastic one does not grow with its loans. */
	if (!(o.flags & FLOE_ELASTIC))
		o.loans_max = o.loans_ceiling;
	options_offer(&o, &offer);
	r = options_plan(&o, &offer, &plan, &fixed);
	if (r < 0)
		return r;
	/* A quota may be above all that there are addresses for. */
	sizes = segment_lay_out(&plan);
	size = size_add(sizes.size, plan.quota);
	return (ssize_t)(size < sizes.size_max ? size : sizes.size_max);
}
