/* SPDX-License-Identifier: Apache-2.0 */
#include "mutants.h"

#include <string.h>

#include "channel/port_layout.h"
#include "channel/segment_layout.h"

#define LATE_MAX 8

const char *const mutant_names[MUTANTS] = {
	[TAKE_WITHOUT_REVALIDATION] = "TAKE_WITHOUT_REVALIDATION",
	[HOLD_AFTER_VALIDATION] = "HOLD_AFTER_VALIDATION",
	[HEAD_FIRST] = "HEAD_FIRST",
	[RECLAIM_WITHOUT_SCAN] = "RECLAIM_WITHOUT_SCAN",
	[JOIN_DOES_NOT_CLEAN] = "JOIN_DOES_NOT_CLEAN",
	[TAKEOVER_FORGETS_RING] = "TAKEOVER_FORGETS_RING",
	[RELEASE_FORGETS_HOLD] = "RELEASE_FORGETS_HOLD",
	[SLOT_BEFORE_PAYLOAD] = "SLOT_BEFORE_PAYLOAD",
	[FIRST_PART_FIRST] = "FIRST_PART_FIRST",
	[PARTS_UNTOLD] = "PARTS_UNTOLD",
	[TAKE_WITHOUT_FENCE] = "TAKE_WITHOUT_FENCE",
	[RECLAIM_WITHOUT_FENCE] = "RECLAIM_WITHOUT_FENCE",
	[VALUE_BEFORE_BYTES] = "VALUE_BEFORE_BYTES",
	[READ_WITHOUT_SECOND_LOOK] = "READ_WITHOUT_SECOND_LOOK",
	[BEGUN_WITHOUT_FENCE] = "BEGUN_WITHOUT_FENCE",
	[TOTAL_BEFORE_COUNT] = "TOTAL_BEFORE_COUNT",
	[NOTIFY_WITHOUT_FENCE] = "NOTIFY_WITHOUT_FENCE",
	[LISTEN_WITHOUT_ACQUIRE] = "LISTEN_WITHOUT_ACQUIRE",
	[MARK_AFTER_SLOT] = "MARK_AFTER_SLOT",
	[RELAY_WITHOUT_LIFE] = "RELAY_WITHOUT_LIFE",
	[RELAY_WITHOUT_FENCE] = "RELAY_WITHOUT_FENCE",
	[LANE_AFTER_SLOT] = "LANE_AFTER_SLOT",
	[LANE_UNASKED] = "LANE_UNASKED",
	[LANE_NOT_TAKEN_BACK] = "LANE_NOT_TAKEN_BACK",
	[LANE_NOT_MARKED] = "LANE_NOT_MARKED",
	[LANE_MARKED_LATE] = "LANE_MARKED_LATE",
	[HOLD_AFTER_CURSOR] = "HOLD_AFTER_CURSOR",
};

enum mutant mutant;
struct weakening weakened;
struct weakenings *mutant_collect;
bool mutating;

struct late {
	void *word;
	unsigned size;
	uint64_t value;
	enum order order;
	const struct site *site;
};

/* What each actor has done so far. */
static struct {
	struct late late[LATE_MAX]; /* stores that come later */
	unsigned late_count;
	uint64_t sequence; /* that it loaded last */
	bool holds;        /* its last store was a hold */
	bool asks;         /* its last load was which message an entry is */
	uint64_t held;     /* the hold that was stored last before what it does now */
	bool by_lane;      /* it has looked into one */
	bool marks;        /* it has looked at a cursor for a lane */
} doing[ACTORS_MAX];
static uint64_t held; /* what was stored as a hold last, by anybody */
static bool catching_up;

void mutant_begin(void)
{
	mutating = mutant || weakened.site || mutant_collect;
	if (mutating)
		memset(doing, 0, sizeof(doing));
	held = HOLD_NONE;
	catching_up = false;
}

static bool is_in(const struct site *site, const char *function)
{
	return strcmp(site->function, function) == 0;
}

static bool is_writer(void)
{
	return schedule_role() == ROLE_WRITER;
}

static bool is_same(const struct site *a, const struct site *b)
{
	return a->line == b->line && is_in(a, b->function);
}

static void collect(const struct weakening *weakening)
{
	struct weakenings *all = mutant_collect;

	for (unsigned i = 0; i < all->count; i++)
		if (is_same(all->list[i].site, weakening->site) && all->list[i].to == weakening->to)
			return;
	if (all->count < WEAKENINGS_MAX)
		all->list[all->count++] = *weakening;
}

static void collect_order(const struct site *site, enum order order, enum access access)
{
	struct weakening weakening = {site, order, ORDER_relaxed, access == ACCESS_FENCE};

	/* Those of the world around are not at stake. */
	if (order <= ORDER_relaxed || strstr(site->file, "tests/"))
		return;
	collect(&weakening);
	if (order != ORDER_seq_cst || access == ACCESS_FENCE)
		return;
	weakening.to = access == ACCESS_LOAD ? ORDER_acquire : ORDER_release;
	collect(&weakening);
}

/* Of boards and events. */
static enum order pattern_order(enum access access, const struct word_name *name, enum order order)
{
	if (mutant == NOTIFY_WITHOUT_FENCE && order == ORDER_seq_cst && is_writer()) {
		if (access == ACCESS_STORE && name->word == WORD_TOTAL)
			return ORDER_release;
		if (access == ACCESS_LOAD && name->word == WORD_LISTENERS)
			return ORDER_acquire;
	}
	if (mutant == LISTEN_WITHOUT_ACQUIRE && access == ACCESS_LOAD && name->word == WORD_TOTAL)
		return ORDER_relaxed;
	return order;
}

enum order mutant_order(enum access access, const struct word_name *name, enum order order,
			const struct site *site)
{
	if (mutant_collect)
		collect_order(site, order, access);
	if (weakened.site && is_same(weakened.site, site))
		return weakened.to;
	if (mutant == TAKE_WITHOUT_FENCE && order == ORDER_seq_cst && access == ACCESS_STORE &&
	    name->word == WORD_HOLD)
		return ORDER_release;
	if (mutant == TAKE_WITHOUT_FENCE && order == ORDER_seq_cst && access == ACCESS_LOAD &&
	    name->word == WORD_SEQUENCE)
		return ORDER_acquire;
	if (mutant == RELAY_WITHOUT_FENCE && order == ORDER_seq_cst && is_in(site, "hold_relay"))
		return access == ACCESS_STORE ? ORDER_release : ORDER_acquire;
	if (mutant == RECLAIM_WITHOUT_FENCE && order == ORDER_seq_cst && access == ACCESS_FENCE &&
	    site->line && is_writer())
		return ORDER_relaxed;
	if (mutant == BEGUN_WITHOUT_FENCE && access == ACCESS_FENCE && is_in(site, "cell_prepare"))
		return ORDER_relaxed;
	return name ? pattern_order(access, name, order) : order;
}

/* As if the one hold that there is had been looked at before the cursor. */
static bool load_held(const struct word_name *name, const struct site *site, uint64_t *ret)
{
	unsigned i = schedule_number();
	bool found = name->word == WORD_HOLD && doing[i].marks;

	if (!is_writer())
		return false;
	*ret = doing[i].held;
	doing[i].marks = name->word == WORD_CURSOR ? is_in(site, "mark_lane")
						   : doing[i].marks && !found;
	if (!doing[i].marks)
		doing[i].held = held;
	return found;
}

bool mutant_load(const struct word_name *name, const struct site *site, uint64_t *ret)
{
	switch (mutant) {
	case LANE_UNASKED:
		*ret = UINT64_MAX;
		return name->word == WORD_SEQUENCE && doing[schedule_number()].asks;
	case LANE_NOT_MARKED:
		*ret = CURSOR_NEVER;
		return name->word == WORD_CURSOR && is_in(site, "mark_lane");
	case LANE_MARKED_LATE:
		return load_held(name, site, ret);
	case TAKE_WITHOUT_REVALIDATION:
		*ret = doing[schedule_number()].sequence;
		if (name->word != WORD_SEQUENCE || !doing[schedule_number()].holds)
			return false;
		doing[schedule_number()].holds = false;
		return true;
	case HEAD_FIRST:
		*ret = 2 * *schedule_head;
		return name->word == WORD_SEQUENCE && is_in(site, "ring_recover");
	case RECLAIM_WITHOUT_SCAN:
		*ret = HOLD_NONE;
		return name->word == WORD_HOLD && is_writer();
	case READ_WITHOUT_SECOND_LOOK:
		*ret = doing[schedule_number()].sequence;
		return name->word == WORD_BEGUN && is_in(site, "cell_kept");
	case RELAY_WITHOUT_LIFE:
		*ret = 0; /* as it was in the beginning */
		return name->word == WORD_LIFE && is_in(site, "hold_relay");
	case TAKEOVER_FORGETS_RING:
		*ret = SLOT_INLINE;
		return name->word == WORD_WHAT && is_in(site, "claim_ring");
	default:
		return false;
	}
}

static void put_off(void *word, unsigned size, uint64_t value, enum order order,
		    const struct site *site)
{
	unsigned i = schedule_number();

	doing[i].late[doing[i].late_count++] = (struct late){word, size, value, order, site};
}

/* What was put off happens now. */
static void catch_up(void)
{
	unsigned i = schedule_number();

	catching_up = true;
	for (unsigned n = 0; n < doing[i].late_count; n++) {
		const struct late *late = &doing[i].late[n];

		if (late->size == 4)
			access_store32(late->word, (uint32_t)late->value, late->order, late->site);
		else
			access_store64(late->word, late->value, late->order, late->site);
	}
	doing[i].late_count = 0;
	catching_up = false;
}

void mutant_loaded(const struct word_name *name, uint64_t value)
{
	doing[schedule_number()].asks = name->word == WORD_ORIGIN;
	doing[schedule_number()].by_lane |= name->word == WORD_ORIGIN;
	if (name->word != WORD_SEQUENCE && name->word != WORD_DONE)
		return;
	doing[schedule_number()].sequence = value;
	if (mutant == HOLD_AFTER_VALIDATION)
		catch_up();
}

static bool is_put_off(const struct word_name *name, uint64_t value, const struct site *site)
{
	switch (mutant) {
	case FIRST_PART_FIRST:
		return is_in(site, "ring_commit_part");
	case HOLD_AFTER_VALIDATION:
		return name->word == WORD_HOLD && value;
	case HOLD_AFTER_CURSOR:
		return name->word == WORD_HOLD && value && doing[schedule_number()].by_lane;
	case LANE_AFTER_SLOT:
		return name->word == WORD_LANE && value % 2 == 0 && is_in(site, "lane_put");
	case HEAD_FIRST:
		return name->word == WORD_SEQUENCE && value % 2 == 0;
	case SLOT_BEFORE_PAYLOAD:
		return name->word == WORD_PAYLOAD || name->word == WORD_INLINE;
	case VALUE_BEFORE_BYTES:
		return name->word == WORD_BYTES;
	case TOTAL_BEFORE_COUNT:
		return name->word == WORD_COUNT;
	case MARK_AFTER_SLOT:
		return name->word == WORD_MARK && is_in(site, "publisher_commit_chunk");
	default:
		return false;
	}
}

bool mutant_store(const struct word_name *name, void *word, unsigned size, uint64_t value,
		  enum order order, const struct site *site)
{
	if (catching_up)
		return false;
	if (mutant == RELEASE_FORGETS_HOLD && name->word == WORD_HOLD && value == HOLD_NONE)
		return true;
	if (mutant == JOIN_DOES_NOT_CLEAN && name->word == WORD_HOLD &&
	    is_in(site, "subscriber_deinit"))
		return true;
	if (mutant == LANE_NOT_TAKEN_BACK && is_in(site, "settle_slot"))
		return true;
	if (mutant == PARTS_UNTOLD && is_in(site, "begin_parts"))
		return true;
	if (!is_put_off(name, value, site))
		return false;
	put_off(word, size, value, order, site);
	return true;
}

/* What the stores that were put off come after. */
void mutant_stored(const struct word_name *name, uint64_t value)
{
	unsigned i = schedule_number();

	if (name->word == WORD_HOLD) {
		doing[i].holds = value != 0;
		held = value;
	}
	if (catching_up || doing[i].late_count == 0)
		return;
	if ((mutant == VALUE_BEFORE_BYTES && name->word == WORD_DONE) ||
	    (mutant == TOTAL_BEFORE_COUNT && name->word == WORD_TOTAL) ||
	    (mutant == HEAD_FIRST && name->word == WORD_HEAD) ||
	    (mutant == FIRST_PART_FIRST && name->word == WORD_HEAD) ||
	    (mutant == LANE_AFTER_SLOT && name->word == WORD_HEAD) ||
	    (mutant == HOLD_AFTER_CURSOR && name->word == WORD_CURSOR) ||
	    (mutant == MARK_AFTER_SLOT && name->word == WORD_SEQUENCE && value % 2 == 0) ||
	    (mutant == SLOT_BEFORE_PAYLOAD && name->word == WORD_SEQUENCE && value % 2 == 0))
		catch_up();
}
