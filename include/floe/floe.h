/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOE_FLOE_H
#define FLOE_FLOE_H

/*
 * floe: zero-copy publish/subscribe in shared memory.
 *
 *	floe_publisher_open   ->  { floe_loan  ->  floe_publish or floe_discard }*
 *			      ->  floe_publisher_close
 *	floe_subscriber_open  ->  { floe_take  ->  floe_release }*
 *			      ->  floe_subscriber_close
 *
 * Results: < 0 failed, the value is -errno; >= 0 worked, 0 where "nothing" is an outcome
 * (empty, full, would block).
 *
 * Threads: a handle is used by one thread at a time, unless it was opened with FLOE_THREAD_SAFE;
 * different handles, also of one topic, by any threads at once. Opening and closing is safe from any
 * thread, and so are calls without a handle (those that end in memory_size, floe_version). After
 * fork() the handles belong to the parent; in the child every call on them says -EINVAL.
 *
 * Blocking: only floe_wait, floe_publisher_wait, and opening and closing (bounded: they read
 * files on tmpfs). loan, publish, take and release make no system call and allocate nothing
 * while nobody sleeps and nobody joins or leaves.
 *
 * The library never prints, never ends the process, starts no thread and installs no signal
 * handler, unless it is told to (floe_waitset_start, floe_guard_install).
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#if defined(__GNUC__)
#define FLOE_PUBLIC __attribute__((visibility("default")))
#else
#define FLOE_PUBLIC
#endif

/* The calls of the data path are reached without a detour by the linker's jump table: measured,
 * 0.3 to 0.7 of the 3.3 ns that a call of an empty function in a shared library takes. */
#if defined(__has_attribute)
#if __has_attribute(noplt)
#define FLOE_DIRECT __attribute__((noplt))
#endif
#endif
#ifndef FLOE_DIRECT
#define FLOE_DIRECT
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A topic's name: 1 to this many bytes of UTF-8, no '/', no control character, not "." or "..". */
#define FLOE_TOPIC_NAME_MAX 255

/* Open at the same time on one topic. More: -EMFILE. */
#define FLOE_PUBLISHERS_MAX 64
#define FLOE_SUBSCRIBERS_MAX 256

/* Limits of the options below; beyond them -EINVAL. */
#define FLOE_DEPTH_MAX 1048576
#define FLOE_LOANS_MAX 256
#define FLOE_HOLDS_MAX 255
#define FLOE_POOLS_MAX 8
#define FLOE_RELAYS_MAX 255
#define FLOE_LANES_MAX 64
#define FLOE_PARTS_MAX 255
#define FLOE_HEADER_MAX 4096
#define FLOE_ATTRIBUTES_MAX 8
#define FLOE_ATTRIBUTE_KEY_MAX 64
#define FLOE_ATTRIBUTE_VALUE_MAX 256
#define FLOE_PAYLOAD_MAX ((size_t)1 << 40)

/* A payload up to this size travels inside the slot: one cache line for the whole hop. With
 * FLOE_TIMESTAMPS it is eight bytes less. */
#define FLOE_INLINE_MAX 48

/* What went wrong and what to do about it, in one sentence. */
struct floe_error {
	char text[256];
};

/*
 * What the bytes of a topic are. Publishers and subscribers that both name a type must agree in
 * size, alignment, name and hash; who names none agrees with everybody (that is how tools join).
 */
struct floe_type {
	const char *name; /* up to 127 bytes; NULL: no type */
	size_t size;      /* bytes of one message, 0: any */
	size_t alignment; /* power of two up to 64, 0: any */
	uint64_t hash;    /* of the schema, 0: none */
	/* Text for tools and recorders, up to 64 KiB, or NULL. A first line "@encoding cdr ros2msg" says
	 * how others can read the messages and the rest of it: see floe-record(1). */
	const char *schema;
};

/*
 * Chunks of one size. A loan gets the smallest pool whose chunks are large enough, and no other unless
 * FLOE_SPILL says so. The ring keeps the last `depth` messages with their chunks: a single pool needs more than that, and lends without
 * fail with depth + loans_max + all that subscribers may hold.
 */
struct floe_pool {
	size_t chunk_size; /* bytes; rounded up to 64 */
	size_t chunk_count;
};

/* What a publisher says about itself, in words of its own: UTF-8 without control characters. */
struct floe_attribute {
	const char *key; /* 1 to FLOE_ATTRIBUTE_KEY_MAX bytes, no '/', no '=', not "." or ".." */
	const char *
		value; /* up to FLOE_ATTRIBUTE_VALUE_MAX bytes; wanted by a subscriber, NULL: any */
};

/*
 * In the flags of publishers and of subscribers: any threads may use the handle at once, but for closing
 * it. Each call takes a lock of this one handle, and lets it go while it sleeps or asks the program
 * (would_block, notice). Loans and samples may be given from thread to thread. floe_wait does not look
 * before it sleeps (spin_ns). A loan that would block is never taken back: -ENOBUFS instead. What one
 * thread sends or takes by floe_publish_all or floe_take_all is together. Not for floe_republish, which
 * says -EINVAL. Other handles pay nothing for
 * it.
 */
#define FLOE_THREAD_SAFE 256u

/* floe_publisher_options.flags */
#define FLOE_TIMESTAMPS 1u /* every sample carries CLOCK_MONOTONIC of its publication */
/* Chunks of any size up to payload_max, from memory that comes and goes with what is in use, up to
 * `quota`. Not with pools, nor in a block of yours. Keeps one descriptor open. */
#define FLOE_ELASTIC 2u
/* With pools: when the best fitting pool is exhausted, a larger one lends; counted as spilled. */
#define FLOE_SPILL 4u
/* A message that would block is dropped and counted: see floe_publish. */
#define FLOE_DROP_NEWEST 8u

/* What floe_publisher_options.would_block returns. */
#define FLOE_BLOCK 0 /* floe_publish says 0, and the loan stays the program's */
#define FLOE_AGAIN 1 /* look once more; after floe_publisher_wait, for example */
#define FLOE_DROP 2  /* as with FLOE_DROP_NEWEST */

/*
 * Zero means the default. `size` is sizeof(struct floe_publisher_options); a larger struct of a
 * newer program is accepted while what this library does not know is zero, else -E2BIG.
 */
struct floe_publisher_options {
	size_t size;
	size_t depth;     /* messages that stay readable; any number, default 16 */
	size_t loans_max; /* loans out at the same time, default 4 */
	/* Bytes of the largest message, default 64 KiB; with pools: of the largest pool. */
	size_t payload_max;
	/* The ring and its chunks lie here instead of in a file of ours: 64-byte aligned, kept
	 * mapped by you until after close. */
	void *memory;
	size_t memory_size; /* at least floe_publisher_memory_size(), or -ENOMEM, nothing touched */
	/* Fixed pools; NULL: one pool of payload_max that grows when subscribers join. */
	const struct floe_pool *pools;
	size_t pools_count;
	const struct floe_type *type;
	/* Chunks reserved for subscribers to hold, all together; default 8, or up to 32 while these
	 * take no more than 16 KiB. A caller's block does not grow beyond it; with pools of yours it
	 * means nothing. When no chunk is free, floe_loan looks at all that subscribers hold, which is
	 * some cache lines that they have just written: once for loans_max + holds_max messages. With
	 * 1 of both the rate of small messages fell from 22 to 13 million a second. */
	size_t holds_max;
	/* FLOE_TIMESTAMPS, FLOE_ELASTIC, FLOE_SPILL, FLOE_DROP_NEWEST, FLOE_THREAD_SAFE */
	uint32_t flags;
	/* Who may read: permission bits of the file, default 0600, 0444 & mode. */
	uint32_t mode;
	const char *dir;          /* NULL: $FLOE_DIR, else /dev/shm/floe-<uid> */
	const char *domain;       /* NULL: $FLOE_DOMAIN, else "default" */
	struct floe_error *error; /* on failure a sentence is written here; may be NULL */
	/* Called by floe_publish when a message would block; NULL: FLOE_BLOCK, or FLOE_DROP with the
	 * flag. It may use the publisher, but not close it, nor give away the loan in question. */
	int (*would_block)(void *user);
	void *user;
	/* With FLOE_ELASTIC: bytes of memory for all chunks together, at least what one of payload_max
	 * takes. Sizes are rounded up to 64 bytes or more below a page, then to pages or more; a page of
	 * small chunks counts as long as one of them is in use. Default: depth + loans_max +
	 * holds_max messages of payload_max; with that a loan fails only if more is held. */
	size_t quota;
	/* Payloads begin at multiples of it: a power of two from 64, the default, to 4096. Above 64
	 * none travels inside its slot, and a block of yours must be aligned so as well. Not with
	 * FLOE_ELASTIC. */
	size_t alignment;
	/* Told once that loans_max loans are out, and again after floe_publisher_limit_loans: by the
	 * floe_loan that says -ENOBUFS, in its thread. Told why floe_publisher_limit_loans could not have
	 * the memory, and once that floe_loan found the tmpfs full (-ENOSPC), again after
	 * floe_publisher_limit_memory, or when it had to look for room and found some. `sentence` is good until it returns; it makes no
	 * call on this publisher but floe_publisher_loans and floe_publisher_count. NULL: nobody is. */
	void (*notice)(void *user, const char *sentence);
	void *notice_user;
	/* Chunks of other publishers that can be in the ring, or held by its subscribers, at the same
	 * time: see floe_republish. At least depth + what subscribers hold, or it says 0; 0: none, and
	 * floe_republish says -EINVAL. Not with FLOE_ELASTIC, nor in a block of yours. */
	size_t relays_max;
	/* A header of header->size bytes (1 to FLOE_HEADER_MAX) beside each payload: floe_loan_header.
	 * Publishers and subscribers that both have one must agree as about the type, and in the size
	 * also where it has no name; a subscriber that wants one agrees with no publisher without. Each
	 * chunk takes so much more, rounded up to 64 bytes, and all of it is rounded up to whole pages
	 * from a payload_max of 64 KiB on, to `alignment`, or as FLOE_ELASTIC does. Its schema is not
	 * kept. NULL: none. */
	const struct floe_type *header;
	/* Up to FLOE_ATTRIBUTES_MAX, no key twice, copied: for all to read (floe_view_attributes).
	 * Publishers of a topic that have the same key must have the same value. */
	const struct floe_attribute *attributes;
	size_t attributes_count;
	/* Up to where floe_publisher_limit_loans may raise loans_max while it is open; default loans_max.
	 * Each takes 64 bytes of the ring; its chunk gets memory when it is allowed, but for pools of
	 * yours, which have what they have, a block of yours, which has it from the beginning, and
	 * FLOE_ELASTIC, which takes it when it is lent. */
	size_t loans_ceiling;
	/* The same for floe_publisher_limit_memory and the quota; default quota. It takes addresses. */
	size_t quota_ceiling;
	/* Subscribers with FLOE_POLICY_DROP_NEWEST that it can have at the same time, with those
	 * that are closed while samples of theirs are shared (floe_sample_share): up to
	 * FLOE_LANES_MAX, default 0. Each has a queue of lane_depth messages in the ring, default depth,
	 * which takes 64 + 72 * lane_depth bytes, rounded up to 64, and lane_depth chunks; with pools of
	 * yours the chunks are yours to provide, and relays_max counts them too. While there is one each
	 * publish writes the message's line once more for each of them. */
	size_t lanes_max;
	size_t lane_depth;
};

/* floe_subscriber_options.policy: what happens when this subscriber lags a whole ring behind */
#define FLOE_POLICY_KEEP_LAST 0u /* it loses the oldest and is told how many */
#define FLOE_POLICY_RELIABLE 1u  /* the publisher's floe_publish says "would block" */
/* Not a ring but `depth` messages behind, at most lane_depth: it keeps those, and what comes while it has so
 * many is dropped for it alone, and counted as lost. Every publisher of the topic must have a place for it:
 * lanes_max; else who comes second is told -EPROTOTYPE. A message in parts is queued whole or not at all.
 * What was published before it joined (history), or was on its way, is read as with FLOE_POLICY_KEEP_LAST. */
#define FLOE_POLICY_DROP_NEWEST 2u

/* floe_subscriber_options.flags */
#define FLOE_ORDERED \
	1u /* of several publishers' messages the one that was published first is taken
			 * first; they need FLOE_TIMESTAMPS, what has no time comes first of all */
#define FLOE_DISCONNECT_SLOW \
	2u /* a reliable one that was not waited for any longer, see patience_ns, has
				 * lost messages: each take and wait then says -ECONNRESET */

struct floe_subscriber_options {
	size_t size;
	size_t history;   /* messages from before the join to start with, default 0 */
	size_t holds_max; /* samples held at the same time, default 4 */
	uint32_t policy;  /* FLOE_POLICY_KEEP_LAST */
	uint32_t flags;   /* FLOE_ORDERED, FLOE_DISCONNECT_SLOW, FLOE_THREAD_SAFE */
	/* Never lag more than this many behind: 1 is "only the latest"; default: the publisher's
	 * depth. */
	size_t depth;
	const struct floe_type *type;
	uint64_t spin_ns; /* floe_wait looks so long before it sleeps, default 20 us; 1: at once */
	const char *dir;  /* as above */
	const char *domain;
	struct floe_error *error;
	/* A reliable one is waited for at most so long at one message; then it loses messages, as one
	 * that keeps the last ones, until it has caught up. 0: it is waited for as long as it lives. */
	uint64_t patience_ns;
	/* A message should come at least so often: floe_wait says -ETIME when none did, counted from
	 * the last time that it said 1 or -ETIME, or from the opening. 0: it need not. */
	uint64_t expect_ns;
	/* Each publisher must have this header, and these attributes: else who comes second is told
	 * -EPROTOTYPE, and so is the second of two subscribers that want different ones. A ring in
	 * which headers are aligned to less than this one is left out (-EPROTO). NULL: whatever there is. */
	const struct floe_type *header;
	const struct floe_attribute *attributes;
	size_t attributes_count;
	/* Up to where floe_subscriber_limit_holds may raise holds_max while it is open; default holds_max.
	 * Each takes 8 bytes, at which publishers look too; they reserve chunks for what is allowed, but
	 * for those of which floe_subscriber_limit_holds says that they do not. */
	size_t holds_ceiling;
};

struct floe_publisher;
struct floe_subscriber;

/* A writable message, yours until publish or discard empties it. */
struct floe_loan {
	void *data; /* 64-byte aligned, contents undefined */
	size_t size;
	uint64_t ticket; /* ours; leave it alone */
};

/* A readable message, yours until release. */
struct floe_sample {
	const void *data; /* 64-byte aligned */
	size_t size;
	uint64_t sequence; /* of its publisher, from 1, without gaps */
	uint64_t time_ns;  /* CLOCK_MONOTONIC at publish; 0 without FLOE_TIMESTAMPS */
	uint64_t lost;     /* messages of its publisher lost since the sample before */
	uint64_t ticket;   /* ours; leave it alone */
};

/*
 * Publisher
 */

/*
 * Opens a publisher; the topic comes into being with its first user. If a publisher of this topic
 * died or was closed and had the same geometry, type, header and attributes, its ring is adopted:
 * history and sequence go on.
 *   -EINVAL name, options; -E2BIG options from the future; -ENOMEM, -ENOSPC memory; -EACCES the
 *   folder's permissions; -EPROTO a file there is not ours; -EPROTOTYPE another type, header or
 *   attribute, or a subscriber wants one that is not there; -EMFILE FLOE_PUBLISHERS_MAX; -EBUSY
 *   somebody holds the topic's lock for more than a second; -ESTALE its folder was removed meanwhile.
 */
FLOE_PUBLIC int floe_publisher_open(struct floe_publisher **ret, const char *topic,
				    const struct floe_publisher_options *options);

/* What can still be taken stays readable while there are subscribers; in a caller's block it does
 * not, for the block is the caller's again, and no other thread may be in a call of a subscriber or
 * observer that reads it. Loans that are still out are lost with it. NULL is fine. */
FLOE_PUBLIC void floe_publisher_close(struct floe_publisher *pub);

/* Exact bytes that a caller's block needs for these options, with all that loans_ceiling allows; -EINVAL,
 * -E2BIG as open. With FLOE_ELASTIC: bytes of memory that the ring takes at most, which are its fixed part
 * and quota_ceiling, or all chunks that there can be, if they are less. What a ring takes before anything is
 * raised: the same of options whose ceilings are 0, and 64 bytes for each loan that may come. */
FLOE_PUBLIC ssize_t floe_publisher_memory_size(const struct floe_publisher_options *options);

/*
 * Lends memory for one message of `size` bytes, 1 to payload_max.
 *   1; 0: no chunk is free now (only with fixed pools or memory that cannot grow, or if subscribers
 *   hold thousands); -EINVAL arguments; -ENOBUFS loans_max loans are out; -EDQUOT the quota of an
 *   elastic publisher: later, or less; -ENOSPC tmpfs is full; -EMFILE, -ENOMEM and
 *   the like: somebody joined and could not be looked at for now, which floe_publish says too; -ESTALE
 *   the topic's folder was removed by hand, or is another one by now, so that who holds what cannot be
 *   known, which floe_publish and the waits say too: close this publisher and open another.
 */
FLOE_PUBLIC FLOE_DIRECT int floe_loan(struct floe_publisher *pub, size_t size,
				      struct floe_loan *ret);

/*
 * Sends what was lent and empties the loan. On a result below 1 the loan stays as it is.
 *   1 sent; 0 would block: a reliable subscriber has not yet taken what this would overwrite; the
 *   loan stays yours: publish it again, or discard it; if all loans are out, the next floe_loan
 *   takes the oldest such loan back; -EINVAL not a loan of this publisher.
 *   With FLOE_DROP_NEWEST, or if would_block says so, 0 means that it was dropped for all subscribers:
 *   the loan is empty, floe_publisher_counts.dropped has gone up, and sequences have no gap.
 * While it would block, it asks the kernel once a millisecond whether who blocks it is alive.
 * `loan->size` may have been made smaller (not 0): that much is sent.
 */
FLOE_PUBLIC FLOE_DIRECT int floe_publish(struct floe_publisher *pub, struct floe_loan *loan);

/* Sends loans in their order until one cannot be sent: how many were; if the first was not, what
 * floe_publish says of it. */
FLOE_PUBLIC int floe_publish_all(struct floe_publisher *pub, struct floe_loan *loans, size_t count);

/*
 * A message larger than any chunk is sent in parts: several loans, up to FLOE_PARTS_MAX, that others see
 * together or not at all, also when this process is killed meanwhile. Each part has a sequence of its own,
 * in their order, without gaps, and counts as one message in the depth of the ring, in the history, in all
 * counters and in what was lost. So depth and loans_max are at least the number of parts.
 */

/* Lends memory for a message of `size` bytes: parts of payload_max, the last as large as is left. How many
 * of `ret` are lent; else as floe_loan, and none is; -EMSGSIZE: more parts than `count`, FLOE_PARTS_MAX or
 * the depth. They need not come from here: any loans can be parts. */
FLOE_PUBLIC int floe_loan_parts(struct floe_publisher *pub, size_t size, struct floe_loan *ret,
				size_t count);

/* Sends loans as one message, the parts in this order. 1 sent, and all are empty; 0 would block: there is
 * no room for all of them, or subscribers came or went at each of several attempts, and all stay as they
 * are, or were dropped, as floe_publish says; -EINVAL one of
 * them is no loan of this publisher, or is there twice; -EMSGSIZE more than the depth or FLOE_PARTS_MAX.
 * One loan is an ordinary message. */
FLOE_PUBLIC int floe_publish_parts(struct floe_publisher *pub, struct floe_loan *loans,
				   size_t count);

/*
 * The header of a loan: floe_publisher_options.header->size bytes beside the payload, aligned to 64, or
 * where both travel inside a slot to the alignment of its type, at least 8. Contents undefined; it is sent
 * and given back with the loan. A payload travels inside its slot if the header fits in there behind it, at
 * a multiple of that alignment. NULL: not a loan of this publisher, or it has no header.
 */
FLOE_PUBLIC void *floe_loan_header(struct floe_publisher *pub, const struct floe_loan *loan);

/* A loan that is out. */
struct floe_loan_info {
	uint64_t size; /* that was asked for */
	/* CLOCK_MONOTONIC: when it was lent, if `exact`; else when it was missed, because loans_max
	 * loans were out; 0: neither is known */
	uint64_t since_ns;
	uint32_t exact;
	uint32_t line; /* of the program where it was lent; 0: unknown, see file */
	char file[32]; /* the end of its name; or PROGRAM+0xOFFSET, for addr2line; or "" */
};

/*
 * Which loans are out: fills up to `count` elements of `size` bytes (sizeof the struct) and returns how
 * many there are. Sizes are always known. Since when and where, if the program is traced: if it is
 * compiled with FLOE_TRACE_LOANS defined before this header is included (file and line), or runs with
 * FLOE_TRACE_LOANS=1 in its environment (an offset for addr2line -e PROGRAM). Then loan and publish
 * take some 100 ns more. Other processes see what is traced, and what was missed when no loan was
 * left, with floe_view_loans. -EINVAL
 */
FLOE_PUBLIC int floe_publisher_loans(struct floe_publisher *pub, struct floe_loan_info *ret,
				     size_t size, size_t count);

/*
 * Loans out at the same time from now on: 1 to the loans_ceiling that it was opened with. For more than
 * before memory is taken now (a system call); subscribers need not do anything. Whoever adopts the ring
 * goes on with what was raised. What floe_publisher_count calls chunks has grown with it. Fixed pools and
 * blocks have what they have, and with FLOE_ELASTIC nothing is reserved: floe_loan may say -EDQUOT then, see
 * floe_publisher_limit_memory.
 *   0; or nothing is changed: -EINVAL; -EBUSY more are out now; -ENOSPC, -EMFILE and the like: the memory
 *   cannot be had now; -EDQUOT it is more than the user's quota (floed.conf); -ESTALE never again: the
 *   topic's folder, or the ring's name in it, was removed by hand. `notice` is told of all but the first two
 */
FLOE_PUBLIC int floe_publisher_limit_loans(struct floe_publisher *pub, size_t loans_max);

/*
 * With FLOE_ELASTIC: bytes of memory for all chunks from now on, rounded down to pages: at least what one
 * message of payload_max takes, at most the quota_ceiling that it was opened with. It is taken when it is
 * needed, and may be missing then (-ENOSPC). Whoever adopts the ring goes on with what was raised.
 *   0; or it stays what it was: -EINVAL; -EBUSY more is in use now, and only idle memory was given back;
 *   -EMFILE, -ESTALE and the like: what is held of a ring that was adopted could not be looked at
 */
FLOE_PUBLIC int floe_publisher_limit_memory(struct floe_publisher *pub, size_t quota);

/* floe_loan, and it is told where: what FLOE_TRACE_LOANS makes of floe_loan. Who calls it once is
 * traced from then on. file: NULL or text that need not last. */
FLOE_PUBLIC int floe_loan_traced(struct floe_publisher *pub, size_t size, struct floe_loan *ret,
				 const char *file, uint32_t line);

#ifdef FLOE_TRACE_LOANS
#define floe_loan(pub, size, ret) floe_loan_traced(pub, size, ret, __FILE__, __LINE__)
#endif

/* Gives the loan back unsent and empties it. An empty loan is fine. */
FLOE_PUBLIC void floe_discard(struct floe_publisher *pub, struct floe_loan *loan);

#if defined(__GNUC__)
/*
 * Declares an empty loan of this name that is discarded when its scope ends, however that is left,
 * unless it was published: it cannot be forgotten. gcc and clang, C and C++.
 *
 *	FLOE_LOAN_SCOPE(pub, loan);
 *	if (floe_loan(pub, 100, &loan) == 1 && fill(loan.data, loan.size))
 *		floe_publish(pub, &loan);
 */
#define FLOE_LOAN_SCOPE(pub, name) \
	struct floe_loan name = {0, 0, 0}; \
	__attribute__((cleanup(floe_loan_scope_end), \
		       unused)) struct floe_loan_scope name##_scope = {(pub), &name}

struct floe_loan_scope {
	struct floe_publisher *publisher;
	struct floe_loan *loan;
};

__attribute__((unused)) static inline void floe_loan_scope_end(struct floe_loan_scope *scope)
{
	floe_discard(scope->publisher, scope->loan);
}
#endif

/* Waits until floe_publish would not block. deadline_ns: CLOCK_MONOTONIC, -1 for ever.
 *   1 it would not; 0 deadline; -EINVAL; -EINTR a signal; or what floe_publish would say. */
FLOE_PUBLIC int floe_publisher_wait(struct floe_publisher *pub, int64_t deadline_ns);

/* Waits until `count` messages, or one of so many parts, would not block. -EMSGSIZE more than the depth;
 * else as floe_publisher_wait. */
FLOE_PUBLIC int floe_publisher_wait_for_room(struct floe_publisher *pub, size_t count,
					     int64_t deadline_ns);

/* Waits until `count` subscribers, that live, have joined the topic. deadline_ns: CLOCK_MONOTONIC, -1
 * for ever.
 *   1 they have; 0 deadline; -EINVAL; -EINTR a signal; or what floe_publish would say. */
FLOE_PUBLIC int floe_publisher_wait_for_subscribers(struct floe_publisher *pub, size_t count,
						    int64_t deadline_ns);

/*
 * Subscriber
 */

/* Joins a topic; it receives what is published from now on, and `history` messages from before.
 * No publisher has to be there yet. Errors as floe_publisher_open. A publisher that cannot be read is
 * left out: `error` has a sentence although the result is 0, and the first take says -EPROTO or
 * -EACCES. Opening fails only where it is all there is, and this user's own. */
FLOE_PUBLIC int floe_subscriber_open(struct floe_subscriber **ret, const char *topic,
				     const struct floe_subscriber_options *options);

/* Samples that are still held are released. Those that are shared are not, and until the last of them
 * is, its place on the topic stays: no publisher waits for it. NULL is fine. */
FLOE_PUBLIC void floe_subscriber_close(struct floe_subscriber *sub);

/* Exact bytes that a subscriber with these options takes in its process's file. */
FLOE_PUBLIC ssize_t floe_subscriber_memory_size(const struct floe_subscriber_options *options);

/*
 * Takes the next message; publishers are served in turn.
 *   1; 0 nothing there; -EINVAL; -ENOBUFS there is one, but holds_max samples are held;
 *   -ECONNRESET see FLOE_DISCONNECT_SLOW;
 *   -EPROTO, -EACCES once for each publisher whose memory is not what it must be or may not be
 *   read: it is left out from then on; -EMFILE, -ENOMEM and the like: there may be a publisher that
 *   could not be looked at for now; -ESTALE there is nothing, and the topic's folder was removed by hand,
 *   or is another one by now: close this subscriber and open another.
 */
FLOE_PUBLIC FLOE_DIRECT int floe_take(struct floe_subscriber *sub, struct floe_sample *ret);

/* Takes up to `count` messages: how many; if there was none, what floe_take says. As many must be
 * allowed to be held, each is released by itself. */
FLOE_PUBLIC int floe_take_all(struct floe_subscriber *sub, struct floe_sample *ret, size_t count);

/*
 * Takes all parts of the next message, or none: how many of `ret` they are, each to be released by itself;
 * 1 for an ordinary message. As many must be allowed to be held. 0, < 0 as floe_take, and
 *   -EMSGSIZE it has more parts than `count` or holds_max, and stays where it is: floe_take takes its
 *   parts one after the other; -ENOBUFS so many cannot be held beside what is held now.
 * A message of which a part was overwritten is lost as a whole: `lost` counts its parts.
 * floe_take and floe_take_all take parts as messages, from the first one on, one after the other, whatever
 * other publishers send. They may lose the last parts of a message that they have begun with, and then
 * begin the next with its first part: see floe_sample_part. If they have taken some, floe_take_parts takes
 * the rest.
 */
FLOE_PUBLIC int floe_take_parts(struct floe_subscriber *sub, struct floe_sample *ret, size_t count);

/* Waits until floe_take would not say "nothing there". deadline_ns: CLOCK_MONOTONIC, -1 for ever.
 *   1 ready; 0 deadline; -EINVAL; -EINTR a signal; -ETIME see expect_ns; or what floe_take would
 *   say. */
FLOE_PUBLIC int floe_wait(struct floe_subscriber *sub, int64_t deadline_ns);

/* Gives the sample back and empties it. An empty sample is fine. */
FLOE_PUBLIC FLOE_DIRECT void floe_release(struct floe_subscriber *sub, struct floe_sample *sample);

/* Samples held at the same time from now on: 1 to the holds_ceiling that it was opened with. Publishers
 * reserve chunks for them by their next floe_loan that finds none free; those with fixed pools or a block
 * do not, nor do elastic ones, whose floe_loan may say -EDQUOT for what is held.
 * 0; -EINVAL; -EBUSY more are held now, and nothing is changed */
FLOE_PUBLIC int floe_subscriber_limit_holds(struct floe_subscriber *sub, size_t holds_max);

/* Never more than so many behind from now on, as options.depth; 0: the publisher's depth. Of what it has
 * not taken yet, the next floe_take leaves out what is older. 0; -EINVAL above FLOE_DEPTH_MAX, or with
 * FLOE_POLICY_DROP_NEWEST, whose depth stays */
FLOE_PUBLIC int floe_subscriber_limit_depth(struct floe_subscriber *sub, size_t depth);

/*
 * The header beside a sample's payload, aligned as in the loan; read-only, and good as long as the
 * sample. ret_size: its bytes; may be NULL. Also for who wanted none. NULL: not a sample of this
 * subscriber, or its publisher sends no headers.
 */
FLOE_PUBLIC const void *floe_sample_header(struct floe_subscriber *sub,
					   const struct floe_sample *sample, size_t *ret_size);

/*
 * Shared samples: one that was taken is given to several owners, in any threads of this process, and
 * is released by the last of them. There is one for each of holds_max, in memory that was laid down
 * when the subscriber was opened. ref, get and unref take no lock, make no system call and are for any
 * thread; one owner may give away references while he has his own.
 */
struct floe_shared_sample;

/* Takes the sample over and empties it; the caller is its one owner. It counts as held until the last
 * owner is gone. By the subscriber's thread. 0; -EINVAL not a sample of this subscriber; -EMFILE, -ENOMEM
 * no handle, and the sample stays as it is: only the first time that so many are shared */
FLOE_PUBLIC int floe_sample_share(struct floe_subscriber *sub, struct floe_sample *sample,
				  struct floe_shared_sample **ret);

/* What was taken; good until the caller's unref. Its ticket is 0: it is not for floe_release. NULL: it
 * has no owner any more, or belongs to the parent. */
FLOE_PUBLIC const struct floe_sample *floe_shared_sample_get(
	const struct floe_shared_sample *shared);

/* floe_sample_header of what was taken; any thread. NULL: it has none, or as above. */
FLOE_PUBLIC const void *floe_shared_sample_header(const struct floe_shared_sample *shared,
						  size_t *ret_size);

/* One owner more: the same again; NULL as above. */
FLOE_PUBLIC struct floe_shared_sample *floe_shared_sample_ref(struct floe_shared_sample *shared);

/*
 * One owner less. 1: it was the last one, and the chunk is its publisher's again; 0 others have it, or
 * it is NULL; -EINVAL it has no owner, or belongs to the parent.
 * If the subscriber was closed meanwhile, what was shared stayed as it was, and counted as held; the last
 * unref of all ends it then, which may block as floe_subscriber_close.
 */
FLOE_PUBLIC int floe_shared_sample_unref(struct floe_shared_sample *shared);

/*
 * A descriptor for poll, epoll and their kin, level or edge: readable while there is a sample, and
 * not otherwise. The same at each call; ours, closed with the subscriber: do not read from it. Any
 * thread may poll it. It is set again by the release after which nothing is there, or by the take
 * that finds nothing, with three system calls. Where io_uring cannot wait on futex words (before
 * Linux 6.7) or is forbidden, it is a timer that makes it readable a millisecond after each look:
 * take may find nothing.
 *   -EINVAL; -EMFILE, -ENFILE, -ENOMEM
 */
FLOE_PUBLIC int floe_subscriber_fd(struct floe_subscriber *sub);

/* As struct futex_waitv of futex_waitv(2), which io_uring's IORING_OP_FUTEX_WAITV takes as well. */
struct floe_word {
	uint64_t value; /* wait while it is this */
	uint64_t address;
	uint32_t flags;
	uint32_t reserved;
};

/*
 * For who waits in a way of his own: the words of which one changes and is woken when floe_take has
 * something to say, 2 to 128 of them. Wait once until any is woken or is not its value any more, which
 * the kernel sees if it happened before; then take until nothing is there, and ask for the words again.
 * The list is the subscriber's, until the next call or its end, which wakes who waits. Before either the
 * kernel must have taken it: submit a request of io_uring before the subscriber is closed; with
 * IORING_SETUP_SQPOLL wait until io_uring_sq_ready is 0. Unlike with a descriptor takes and releases stay
 * as fast as they are, and each publisher, after each call, makes two system calls more, up to six where
 * publishers come or go during the call, and once in its life one. floe_uring_prep_topic does all this
 * for a ring.
 *   how many; 0 do not wait: there is something; -EINVAL; -ENOMEM; -EOPNOTSUPP membarrier(2) is
 *   missing, and so publishers could miss that somebody waits: floe_subscriber_fd serves
 */
FLOE_PUBLIC int floe_subscriber_words(struct floe_subscriber *sub,
				      const struct floe_word **ret_words);

/*
 * Pipeline
 */

/*
 * Publishes a sample of one topic on another, where it lies: nothing is copied, but for payloads that
 * travel inside their slot. Its chunk stays the first publisher's; what the subscriber held of it is
 * held on for whoever reads the second topic, also when this process is gone, as long as somebody alive
 * has that topic open. So it counts as held by `sub` until nobody needs it: give `sub` a holds_max above
 * the relays_max of `pub`. Holds that nobody needs any more are given back by the next floe_republish of
 * the two; until then each is one of the relays_max, also for what other subscribers hand over. Who reads the second topic must be allowed to read the first publisher's memory, else its
 * take says -EACCES.
 *   1 sent, and the sample is empty; 0 would block, as floe_publish says, or relays_max chunks are in
 *   use: the sample stays yours; -EINVAL not a sample of this subscriber, no relays_max, or larger than
 *   payload_max; -EPROTOTYPE `pub` has a header and this sample none of that size, -EXDEV the two are in
 *   different domains; -EOPNOTSUPP the first publisher's memory is a
 *   block of its program; or what floe_publish says.
 * `sample->size` may have been made smaller (not 0): that much is sent, with its header if `pub` has one.
 * Both handles are used by the calling thread. Closing `sub` keeps what is needed in its place; closing `pub` keeps the ring as ever.
 */
FLOE_PUBLIC int floe_republish(struct floe_publisher *pub, struct floe_subscriber *sub,
			       struct floe_sample *sample);

/*
 * Counters
 */

struct floe_publisher_counts {
	uint64_t published; /* messages in the life of the ring, also before adoption */
	uint64_t would_block;
	uint64_t wakes;       /* system calls made because somebody slept */
	uint64_t loans;       /* out now */
	uint64_t loans_high;  /* out at the same time, at most */
	uint64_t chunks;      /* that the ring has memory for; elastic: that there can be at once */
	uint64_t chunks_free; /* of them free now, what can be reclaimed not counted */
	uint64_t dropped;     /* messages that were dropped because they would have blocked */
	uint64_t spilled;     /* loans from a larger pool than the best: FLOE_SPILL */
	uint64_t solid;       /* elastic: bytes that have memory, without the ring itself */
	uint64_t solid_high;  /* at most, since it was opened */
	uint64_t quota;       /* elastic */
};

struct floe_subscriber_counts {
	uint64_t received;
	uint64_t lost;
	uint64_t held;       /* samples now */
	uint64_t publishers; /* that it reads now */
	uint64_t copied;     /* bytes that take copied: inline payloads only */
	uint64_t late;       /* how often nothing came within expect_ns */
};

/* Both write `ret_size` bytes at most: pass sizeof the struct. 0 or -EINVAL. */
FLOE_PUBLIC int floe_publisher_count(struct floe_publisher *pub, struct floe_publisher_counts *ret,
				     size_t ret_size);
FLOE_PUBLIC int floe_subscriber_count(struct floe_subscriber *sub,
				      struct floe_subscriber_counts *ret, size_t ret_size);

/* Which publisher of the topic sent this sample: the same number as in floe/inspect.h, below
 * FLOE_PUBLISHERS_MAX. -EINVAL: not a sample of this subscriber. */
FLOE_PUBLIC int floe_sample_publisher(struct floe_subscriber *sub,
				      const struct floe_sample *sample);

/* Of how many parts the message is that this sample belongs to, 1 for an ordinary one, and which of them
 * it is, from 0; ret_index: NULL is fine. -EINVAL: not a sample of this subscriber. */
FLOE_PUBLIC int floe_sample_part(struct floe_subscriber *sub, const struct floe_sample *sample,
				 size_t *ret_index);

/*
 * Guard: a file on tmpfs has no seal, so whoever may write it may shorten it, and then the kernel
 * sends SIGBUS to all who touch what they have mapped. A program that shares a domain with others it
 * does not trust so far installs the guard, once, before it opens anything that matters.
 *
 * It is a handler of SIGBUS for the whole process. If the address lies in a mapping of this library,
 * the page is replaced by one of ones that is only ours, and the program goes on: wrong bytes are
 * read, what belongs to a peer is left out with -EPROTO, and where a handle's own memory is gone its
 * next call, and each after that but close, says -EPROTO. Every other SIGBUS goes to the handler that
 * was there before, or does what it would have done.
 *
 * The handler stays until the process ends; the library must not be unloaded (dlclose). Who installs
 * a handler of SIGBUS later must pass on what is not his. It runs on the signal stack if there is
 * one. Blocks of the application (floe_publisher_options.memory) and memory that is not mapped by
 * this library are not guarded.
 *   0 installed, also if it was before; -EBUSY somebody has put another handler over it since; the
 *   errno of sigaction(2). Any thread.
 */
FLOE_PUBLIC int floe_guard_install(void);

/* "1.0.0" */
FLOE_PUBLIC const char *floe_version(void);

#ifdef __cplusplus
}
#endif

#include <floe/heap.h>

#endif
