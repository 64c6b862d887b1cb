/* SPDX-License-Identifier: Apache-2.0 */
#include "point.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/wait.h>

#include "actor.h"
#include "frame/frame.h"

const char *const meeting_names[MEETING_COUNT] = {
	[MEETING_NONE] = "none",   [MEETING_LIFE] = "life",   [MEETING_PUBLISH] = "publish",
	[MEETING_LAP] = "lap",     [MEETING_MANY] = "many",   [MEETING_TAKE] = "take",
	[MEETING_VISIT] = "visit", [MEETING_RIVAL] = "rival", [MEETING_CLEAN] = "clean",
};

static struct actor survivor = {.name = "survivor", .serve = survivor_serve};
static struct actor visitor = {.name = "visitor", .serve = visitor_serve};
static struct actor copy;
static int64_t survivor_descriptors, visitor_descriptors;

/* Everything below ends the point at its first false. */
static bool wrong(const char *what, int64_t is, int64_t should)
{
	(void)fprintf(stderr, "%s: %lld, not %lld\n", what, (long long)is, (long long)should);
	return false;
}

static bool tell(struct actor *actor, int command, int64_t argument)
{
	return actor_tell(actor, command, argument, NULL);
}

/* It must say this. */
static bool ask(struct actor *actor, int command, int64_t argument, int64_t should,
		const char *what)
{
	int64_t is;

	if (!actor_tell(actor, command, argument, &is))
		return false;
	return is == should || wrong(what, is, should);
}

/* A survivor that died on purpose is replaced before the next point. */
static bool start_actors(void)
{
	if (!actor_is_there(&survivor)) {
		actor_start(&survivor);
		if (!actor_tell(&survivor, SURVIVOR_DESCRIPTORS, 0, &survivor_descriptors))
			return false;
	}
	if (!actor_is_there(&visitor)) {
		actor_start(&visitor);
		return actor_tell(&visitor, VISITOR_DESCRIPTORS, 0, &visitor_descriptors);
	}
	return true;
}

void point_begin(void)
{
	world_make_stage();
	victim_begin();
	expect(start_actors());
}

void point_end(void)
{
	actor_kill(&survivor);
	actor_kill(&visitor);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	if (place->level > 0)
		(void)remove(path);
	return 0;
}

/* After a failure nothing is left of that world. */
static void start_anew(struct traced *victim)
{
	trace_kill(victim);
	point_end();
	(void)nftw(getenv("FLOE_DIR"), remove_one, 16, FTW_DEPTH | FTW_PHYS);
	(void)start_actors();
}

/*
 * To the instruction
 */

static bool open_world(const struct script *script)
{
	*stage = (struct stage){.stamped = script->ring == RING_STAMPED,
				.headed = script->ring == RING_HEADED,
				.queued = script->queued,
				.roomy = script->roomy,
				.loans_least = WORLD_LOANS,
				.loans_most = WORLD_LOANS,
				.relayed = script->ring == RING_RELAY,
				.pattern = script->pattern};
	if (!start_actors())
		return false;
	return script->alone || tell(&survivor, SURVIVOR_OPEN, script->survivor_policy);
}

static bool prepare_step(const struct script *script, size_t i, bool alone)
{
	const struct step *step = &script->steps[i];

	return alone || step->before == SURVIVOR_NOTHING ||
	       tell(&survivor, (int)step->before, step->argument);
}

/* A victim that stands at the mark before its step. */
static bool bring(struct traced *victim, const struct script *script, size_t step, bool alone)
{
	enum trace_place place = trace_start(victim, victim_play, (void *)(uintptr_t)script);

	for (size_t i = 0; place == TRACE_MARK; i++) {
		if (!prepare_step(script, i, alone))
			return false;
		if (i == step)
			return true;
		place = trace_next_mark(victim);
	}
	return wrong("the victim did not come to its step; status", victim->status, 0);
}

static const struct script *find_predecessor(const struct script *script, size_t i,
					     size_t *ret_step)
{
	const struct predecessor *predecessor = &script->predecessors[i];
	const struct script *found;

	if (!predecessor->script)
		return NULL;
	found = script_find(predecessor->script);
	*ret_step = script_find_step(found, predecessor->step);
	return found;
}

/* The first `count` of them live and die. */
static bool kill_predecessors(const struct round *round, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct traced victim;
		size_t step;
		const struct script *script = find_predecessor(round->script, i, &step);

		if (!script)
			break;
		if (!bring(&victim, script, step, round->script->alone))
			return false;
		(void)trace_reach(&victim, &round->predecessor[i], round->predecessor_k[i],
				  round->deep);
		trace_kill(&victim);
		(void)atomic_fetch_add(&stage->deaths, 1);
	}
	return true;
}

static bool walk(const struct round *round, size_t predecessors, const struct script *script,
		 size_t step, struct trace *ret)
{
	struct traced victim = {0};
	bool passed = open_world(round->script) && kill_predecessors(round, predecessors) &&
		      bring(&victim, script, step, round->script->alone);

	if (passed && trace_walk(&victim, ret, round->deep) != TRACE_MARK)
		passed = wrong("the victim did not end its step; status", victim.status, 0);
	start_anew(&victim);
	return passed;
}

bool round_prepare(struct round *round, const struct script *script, size_t step, unsigned fraction,
		   bool deep)
{
	*round = (struct round){.script = script, .step = step, .deep = deep};
	for (size_t i = 0; i < PREDECESSORS_MAX; i++) {
		size_t before;
		const struct script *found = find_predecessor(script, i, &before);

		if (!found)
			break;
		if (!walk(round, i, found, before, &round->predecessor[i]))
			return false;
		round->predecessor_k[i] = round->predecessor[i].count * fraction / 1000;
	}
	return walk(round, PREDECESSORS_MAX, script, step, &round->trace);
}

void round_free(struct round *round)
{
	for (size_t i = 0; i < PREDECESSORS_MAX; i++)
		trace_free(&round->predecessor[i]);
	trace_free(&round->trace);
}

bool round_open(const struct round *round)
{
	return open_world(round->script) && kill_predecessors(round, PREDECESSORS_MAX);
}

bool round_copy_survivor(void)
{
	return actor_copy(&survivor, &copy);
}

bool round_prepare_copy(const struct script *script, size_t i)
{
	const struct step *step = &script->steps[i];

	return script->alone || step->before == SURVIVOR_NOTHING ||
	       tell(&copy, (int)step->before, step->argument);
}

bool round_end_copy(void)
{
	return actor_end_copy(&survivor, &copy);
}

void round_close(void)
{
	struct traced nobody = {0};

	start_anew(&nobody);
}

/*
 * While it stands there
 */

static bool is_blocked_by(const struct script *script)
{
	return !strcmp(script->name, "reliable");
}

/* Who reads reliably, or drops the newest, gets its turn after each message. */
static bool visitor_sends(const struct point *point, int command, int64_t count)
{
	bool waits = point->round->script->survivor_policy != FLOE_POLICY_KEEP_LAST;

	if (command == VISITOR_PUBLISH && !waits)
		return tell(&visitor, command, count);
	for (int64_t i = 0; i < count; i++) {
		if (!tell(&visitor, command, 1))
			return false;
		if (waits && actor_is_there(&survivor) && !tell(&survivor, SURVIVOR_TAKE, 0))
			return false;
	}
	return true;
}

/* Whoever is stopped with the topic's exclusive lock keeps others from joining. */
static bool is_being_removed(void)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	char path[512];
	bool found;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s/topics/%s/topic", getenv("FLOE_DIR"),
		       getenv("FLOE_DOMAIN"), WORLD_TOPIC);
	fd = open(path, O_RDWR | O_CLOEXEC);
	found = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	if (fd >= 0)
		close(fd);
	return found;
}

/* They are told so after a second: once is enough to see that. */
static bool is_told_busy(enum ring_kind kind)
{
	static bool seen;

	if (seen)
		return true;
	seen = true;
	return ask(&visitor, VISITOR_OPEN, kind, -EBUSY, "opening a topic that is being removed");
}

/* Its own ring, which is not like the victim's; or one like it. A victim that reads reliably lets
 * it send as many as the ring takes. */
static bool come_and_go(const struct point *point, enum ring_kind kind)
{
	int64_t count = is_blocked_by(point->round->script) ? 2 : 2 * WORLD_DEPTH;

	if (point->round->script->alone && is_being_removed())
		return is_told_busy(kind);
	return tell(&visitor, VISITOR_OPEN, kind) && visitor_sends(point, VISITOR_PUBLISH, count) &&
	       tell(&visitor, VISITOR_COUNT, 0) && tell(&visitor, VISITOR_CLOSE, 0);
}

static bool live_on(const struct point *point)
{
	const struct script *script = point->round->script;
	bool passed = true;

	if (!script->alone && is_blocked_by(script))
		passed = tell(&survivor, SURVIVOR_PUBLISH, 3 * WORLD_DEPTH) &&
			 tell(&survivor, SURVIVOR_TAKE, 0);
	else if (!script->alone)
		passed = tell(&survivor, SURVIVOR_GO_ON, 0);
	return passed && come_and_go(point, RING_VISITOR);
}

static bool publish_meanwhile(const struct script *script, int64_t count)
{
	int64_t sent;

	if (!actor_tell(&survivor, SURVIVOR_PUBLISH, count, &sent))
		return false;
	return is_blocked_by(script) || sent == count ||
	       wrong("messages of the survivor", sent, count);
}

size_t meeting_list(const struct script *script, enum meeting *ret)
{
	size_t count = 0;

	for (int i = MEETING_PUBLISH; i < MEETING_COUNT; i++)
		if ((!script->alone || i >= MEETING_VISIT) &&
		    (!script->pattern || i == MEETING_PUBLISH || i == MEETING_VISIT ||
		     i == MEETING_CLEAN))
			ret[count++] = (enum meeting)i;
	return count;
}

/* Others than publishers and subscribers have less to do. */
static bool meet_pattern(const struct point *point)
{
	bool lives = !point->round->script->alone;

	switch (point->meeting) {
	case MEETING_LIFE:
		return tell(&survivor, SURVIVOR_GO_ON, 0) && tell(&visitor, VISITOR_ALL, lives);
	case MEETING_VISIT:
	case MEETING_RIVAL:
		return tell(&visitor, VISITOR_ALL, lives);
	case MEETING_CLEAN:
		return tell(&visitor, VISITOR_CLEAN, 0);
	default:
		return tell(&survivor, SURVIVOR_GO_ON, 0);
	}
}

static bool meet(const struct point *point)
{
	const struct script *script = point->round->script;

	if (script->pattern)
		return meet_pattern(point);
	switch (point->meeting) {
	case MEETING_LIFE:
		return live_on(point);
	case MEETING_PUBLISH:
		return publish_meanwhile(script, 1);
	case MEETING_LAP:
		return publish_meanwhile(script, WORLD_DEPTH);
	case MEETING_MANY:
		return publish_meanwhile(script, 5 * WORLD_SURVIVOR_POOL);
	case MEETING_TAKE:
		return tell(&survivor, SURVIVOR_TAKE, 0);
	case MEETING_VISIT:
		return come_and_go(point, RING_VISITOR);
	case MEETING_RIVAL:
		return come_and_go(point, script->ring);
	case MEETING_CLEAN:
		return tell(&visitor, VISITOR_CLEAN, 0);
	default:
		return true;
	}
}

static bool meet_if_any(const struct point *point)
{
	bool passed;

	if (point->meeting == MEETING_NONE)
		return true;
	atomic_store(&stage->met, 1);
	atomic_store(&stage->stands, 1);
	passed = meet(point);
	atomic_store(&stage->stands, 0);
	return passed;
}

/*
 * Afterwards
 */

/* One who died before may have sent one more than he could say. */
static bool has_come(int64_t sent, int64_t more)
{
	int64_t came;

	if (!actor_tell(&survivor, SURVIVOR_SEEN, -1, &came))
		return false;
	return (came >= sent && came <= sent + more) ||
	       wrong("the victim's last message that came", came, sent);
}

/* Of whoever died before, in one step. */
static int64_t before_at_once(const struct script *script)
{
	const char *before = script->predecessors[0].script;

	return before ? script_at_once(script_find(before)) : 0;
}

/* All that was sent is there, and nothing else; what nobody alive reads any more may be gone. */
static bool is_all_there(const struct point *point, int64_t found)
{
	const struct script *script = point->round->script;
	int64_t sent = (int64_t)atomic_load(&stage->sent);

	/* Who died before, or here, may have sent and not said so. */
	if (found == sent || found == sent + before_at_once(script) ||
	    (!point->goes_on && found == sent + script_at_once(script)))
		return true;
	/* It went with its process. */
	if (found == 0 && point->round->script->ring == RING_BLOCK)
		return true;
	/* The rival may have adopted the ring and sent more. */
	if (point->meeting == MEETING_RIVAL)
		return true;
	if (found == 0 && (point->round->script->alone || !actor_is_there(&survivor)))
		return true;
	/* One with another ring has removed that of the dead, because everybody had read it. */
	if (found == 0 && (point->meeting == MEETING_LIFE || point->meeting == MEETING_VISIT))
		return has_come(sent, before_at_once(script));
	return wrong("messages in the ring", found, sent);
}

/* Of a ring that grows it is the limit of its loans, which may have been about to be raised; a fresh one
 * has its own. */
static int64_t chunks_of(const struct point *point, bool adopted)
{
	int64_t least = adopted ? stage->loans_least : WORLD_LOANS, count;

	if (world_is_fixed(point->round->script->ring))
		return WORLD_POOL;
	if (!actor_tell(&visitor, VISITOR_COUNT, 0, &count) || count < least ||
	    count > stage->loans_most)
		return least;
	return count;
}

/* The survivor has got them all, too. */
static bool has_seen(int64_t last)
{
	int64_t index;

	return actor_tell(&visitor, VISITOR_INDEX, 0, &index) &&
	       tell(&survivor, SURVIVOR_TAKE, 0) &&
	       ask(&survivor, SURVIVOR_SEEN, index, last, "the last message that came");
}

/* Published is received, lost, or nothing else: who died while publishing has sent one more, or
 * not. */
static bool adds_up(const struct point *point)
{
	const struct script *script = point->round->script;
	int64_t sent = (int64_t)atomic_load(&stage->all), came;
	int64_t more = point->goes_on ? 0 : script_at_once(script);

	for (size_t i = 0; i < PREDECESSORS_MAX; i++)
		if (script->predecessors[i].script)
			more += script_at_once(script_find(script->predecessors[i].script));
	if (!actor_tell(&survivor, SURVIVOR_SEEN_ALL, 0, &came))
		return false;
	/* Nothing is read any more where nobody looked while it lived. */
	if (point->round->script->ring == RING_BLOCK && came < sent)
		return true;
	return (came >= sent && came <= sent + more) || wrong("messages that came", came, sent);
}

/* With every slot inline, what cannot be lent is held by somebody who lives. */
static bool count_chunks(const struct point *point, bool lives, bool adopted)
{
	int64_t held = 0, all;
	enum ring_kind ring = point->round->script->ring;
	bool is_another = !world_is_fixed(ring) || ring == RING_BLOCK;

	if (!visitor_sends(point, VISITOR_FLUSH, WORLD_DEPTH + 1))
		return false;
	all = chunks_of(point, adopted);
	if (!lives)
		return ask(&visitor, VISITOR_COUNT, 0, all, "chunks that can be lent");
	if (!tell(&survivor, SURVIVOR_TAKE, 0) || !actor_tell(&survivor, SURVIVOR_HELD, 0, &held))
		return false;
	/* What is held of a relay is no chunk of its ring. */
	if (ring == RING_RELAY)
		held = 0;
	/* A rival's ring may be the one that is held; one in a block is its process's alone. */
	if (is_another || point->meeting == MEETING_RIVAL)
		held = 0;
	else if (!ask(&visitor, VISITOR_COUNT, 0, all - held, "chunks that can be lent"))
		return false;
	/* What it holds has not been lent, and is what it was. */
	return tell(&survivor, SURVIVOR_LET_GO, 0) &&
	       ask(&visitor, VISITOR_COUNT, 0, all, "chunks that can be lent in the end") &&
	       ask(&survivor, SURVIVOR_COUNT, 0, WORLD_SURVIVOR_POOL,
		   "chunks that the survivor can lend");
}

static bool visit(const struct point *point, bool lives)
{
	int64_t found, last;

	if (point->round->script->pattern)
		return tell(&visitor, VISITOR_ALL, lives);
	if (!actor_tell(&visitor, VISITOR_OPEN, point->round->script->ring, &found) ||
	    !is_all_there(point, found) || !tell(&visitor, VISITOR_LOOK, 0) ||
	    !visitor_sends(point, VISITOR_PUBLISH, 2 * WORLD_DEPTH + 1) ||
	    !actor_tell(&visitor, VISITOR_PUBLISH, 0, &last))
		return false;
	if (last != found + 2 * WORLD_DEPTH + 1)
		return wrong("messages of the visitor", last, found + 2 * WORLD_DEPTH + 1);
	if (lives && (!has_seen(last) || !adds_up(point)))
		return false;
	return count_chunks(point, lives, found > 0) && tell(&visitor, VISITOR_CLOSE, 0);
}

/* Once is enough. */
static bool clean(void)
{
	return tell(&visitor, VISITOR_CLEAN, 0) &&
	       ask(&visitor, VISITOR_CLEAN, 0, 0, "things that the second clean-up found");
}

static bool end_world(bool lives)
{
	int exact = stage->pattern ? SURVIVOR_SETTLE : SURVIVOR_CHECK_SUMS;
	uint32_t files;

	if (lives && (!tell(&survivor, exact, 0) || !tell(&survivor, SURVIVOR_CLOSE, 0) ||
		      !ask(&survivor, SURVIVOR_DESCRIPTORS, 0, survivor_descriptors,
			   "descriptors of the survivor")))
		return false;
	if (!ask(&visitor, VISITOR_DESCRIPTORS, 0, visitor_descriptors,
		 "descriptors of the visitor"))
		return false;
	files = world_count_files();
	return files == 0 || wrong("files that are left", files, 0);
}

static bool go_on(const struct point *point)
{
	bool lives = !point->round->script->alone;

	switch (point->way) {
	case WAY_VISIT:
		return (!lives || tell(&survivor, SURVIVOR_GO_ON, 0)) && visit(point, lives) &&
		       clean() && end_world(lives);
	case WAY_CLEAN:
		return clean() && (!lives || tell(&survivor, SURVIVOR_GO_ON, 0)) &&
		       visit(point, lives) && end_world(lives);
	case WAY_ALL_DEAD:
		actor_kill(&survivor);
		return clean() && world_count_files() == 0 && visit(point, false) &&
		       end_world(false);
	default:
		actor_kill(&survivor);
		return visit(point, false) && clean() && end_world(false);
	}
}

/*
 * The point
 */

static bool play_to_end(const struct point *point, struct traced *victim)
{
	const struct script *script = point->round->script;
	enum trace_place place = trace_next_mark(victim);

	for (size_t i = point->round->step + 1; place == TRACE_MARK; i++) {
		if (i < script_count_steps(script) && !prepare_step(script, i, script->alone))
			return false;
		place = trace_next_mark(victim);
	}
	victim->pid = 0;
	return (WIFEXITED(victim->status) && WEXITSTATUS(victim->status) == 0) ||
	       wrong("the victim did not end well; status", victim->status, 0);
}

/* So those who died like this one, in another world, need not be looked at again. */
static bool leaves_the_same(const struct point *point)
{
	static struct still now;

	if (!point->leaves || point->meeting != MEETING_NONE)
		return true;
	still_take(&now);
	return still_is_equal(&now, point->leaves) ||
	       wrong("bytes that another death at this instruction did not leave",
		     (int64_t)now.size, (int64_t)point->leaves->size);
}

static enum point_result die(const struct point *point, struct traced *victim)
{
	const struct round *round = point->round;
	enum trace_place place;
	bool missed;

	if (!open_world(round->script) || !kill_predecessors(round, PREDECESSORS_MAX) ||
	    !bring(victim, round->script, round->step, round->script->alone))
		return POINT_FAILED;
	place = trace_reach(victim, &round->trace, point->k, round->deep);
	if (place == TRACE_ENDED)
		return POINT_FAILED;
	missed = place == TRACE_MARK || victim->at != round->trace.address[point->k];
	if (!meet_if_any(point))
		return POINT_FAILED;
	if (point->goes_on && !play_to_end(point, victim))
		return POINT_FAILED;
	trace_kill(victim);
	(void)atomic_fetch_add(&stage->deaths, !point->goes_on);
	if (!missed && !leaves_the_same(point))
		return POINT_FAILED;
	if (!go_on(point))
		return POINT_FAILED;
	return missed ? POINT_MISSED : POINT_PASSED;
}

enum point_result point_run(const struct point *point)
{
	struct traced victim = {0};
	enum point_result result = die(point, &victim);

	if (result == POINT_FAILED)
		start_anew(&victim);
	return result;
}
