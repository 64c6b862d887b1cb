/* SPDX-License-Identifier: Apache-2.0 */
#include "kin.h"

#include <stdlib.h>

#include "frame/frame.h"
#include "snare.h"

bool family_is_possible(const struct script *script)
{
	static int can = -1;

	if (can < 0)
		can = still_can_tell_moments() && snare_begin();
	return can && script_is_comparable(script);
}

static bool prepare(void *user, size_t mark)
{
	const struct round *round = user;

	return round_prepare_copy(round->script, mark);
}

static int play(void *user)
{
	const struct round *round = user;

	return victim_play((void *)(uintptr_t)round->script);
}

/* The survivor has something to do before this step. */
static bool needs_copy(const struct round *round)
{
	if (round->script->alone)
		return false;
	for (size_t i = 0; i <= round->step; i++)
		if (round->script->steps[i].before != SURVIVOR_NOTHING)
			return true;
	return false;
}

static bool make_world(const struct round *round)
{
	if (!round_open(round))
		return false;
	still_keep();
	return true;
}

static void end_world(void)
{
	still_let_go();
	round_close();
}

static bool set_right(const struct round *round)
{
	if (still_restore())
		return true;
	end_world();
	return make_world(round);
}

/* The neighbours of an instruction are the likeliest kin. */
static uint32_t find_kin(const struct family *family, const struct still *still)
{
	for (size_t i = family->count; i--;)
		if (still_is_equal(&family->kin[i].still, still))
			return (uint32_t)i;
	return KIN_NONE;
}

static uint32_t add_kin(struct family *family, struct still *still, size_t k)
{
	if (family->count == family->room) {
		family->room = 2 * family->room + 16;
		family->kin = realloc(family->kin, family->room * sizeof(*family->kin));
		expect(family->kin);
	}
	family->kin[family->count] = (struct kin){.still = *still, .first = k};
	*still = (struct still){0};
	return (uint32_t)family->count++;
}

static void add_death(struct family *family, struct still *still, size_t k)
{
	uint32_t kin = find_kin(family, still);

	if (kin == KIN_NONE)
		kin = add_kin(family, still, k);
	family->kin[kin].last = k;
	family->kin[kin].count++;
	family->of[k] = kin;
}

static bool die(struct family *family, const struct round *round, size_t k)
{
	struct snare snare = {
		.run = play,
		.before = prepare,
		.user = (void *)(uintptr_t)round,
		.step = round->step,
		.trace = &round->trace,
		.k = k,
	};
	static struct still still;
	bool copies = needs_copy(round), died;

	if (copies && !round_copy_survivor())
		return false;
	died = snare_run(&snare);
	still_take(&still);
	if (died)
		add_death(family, &still, k);
	return (!copies || round_end_copy()) && set_right(round);
}

bool family_kill(struct family *ret, const struct round *round, const size_t *k, size_t count,
		 void (*done)(void *user, size_t deaths), void *user)
{
	bool goes_on = make_world(round);

	*ret = (struct family){.of = malloc((round->trace.count + 1) * sizeof(*ret->of))};
	expect(ret->of);
	for (size_t i = 0; i < round->trace.count; i++)
		ret->of[i] = KIN_NONE;
	for (size_t i = 0; i < count && goes_on; i++) {
		goes_on = die(ret, round, k[i]);
		done(user, i + 1);
	}
	end_world();
	return goes_on;
}

void family_free(struct family *family)
{
	for (size_t i = 0; i < family->count; i++)
		still_free(&family->kin[i].still);
	free(family->kin);
	free(family->of);
	*family = (struct family){0};
}
