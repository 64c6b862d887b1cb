/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The wait set: an epoll with a table beside it. A struct floe_waitset is a handle; `struct waitset` is
 * what lies behind it.
 *
 * All timers share one timerfd, set to the next of them; all signals share one signalfd. What these
 * have told and nobody was told yet stays in its entry as `pending`.
 *
 * Whatever is expected has a time by which it is late, which moves when it was ready. The clock is not set
 * again for that, but goes off at the earliest of them as it was when all were looked at last:
 *
 *	expected_ns <= due_ns of each that is expected
 *
 * So a wait costs nothing for what is expected and not ready, and each of them is looked at once in a period.
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "api/handle.h"
#include "api/listening.h"
#include "api/options.h"
#include "api/subscription.h"
#include "os/os.h"

#define NEVER INT64_MAX
#define SIGNAL_MAX 64
#define RETRY_NS 1000000

/* A tag is the entry's index and its generation, or one of these. */
#define TAG_STOP UINT64_MAX
#define TAG_CLOCK (UINT64_MAX - 1)
#define TAG_SIGNALS (UINT64_MAX - 2)

struct entry {
	struct floe_waitset_options options;
	uint32_t kind; /* 0: free */
	uint32_t generation;
	int fd; /* or the signal's number */
	struct floe_subscriber *sub;
	struct floe_listener *listener;
	int64_t due_ns, period_ns; /* of timers; of what is expected due_ns alone */
	uint64_t pending;          /* how often a timer, a signal, lateness is still to be told */
	/* In how many waits there was no room to say that it is ready, that it is late. */
	uint64_t left, late_left;
};

struct news {
	struct floe_ready ready;
	uint32_t generation;
	uint64_t left;
};

struct waitset {
	int poll, stop, clock, signals; /* descriptors; the last two -1 until they are needed */
	_Atomic bool stopped;
	bool has_thread;
	pthread_t thread;
	_Atomic int32_t thread_id; /* by itself, for it runs before `thread` is written */
	uint64_t signal_set;
	uint32_t count, room; /* entries that were ever used; that there is memory for */
	uint32_t used;        /* that are not free */
	uint32_t counted_count;
	uint32_t *counted; /* which are timers and signals, so that others are not looked at */
	uint32_t expected_count;
	uint32_t *expected; /* which are expected */
	int64_t expected_ns;
	uint32_t late; /* of them have something pending */
	bool rang;     /* the clock went off and was not set since */
	struct entry *entry;
	struct epoll_event *events; /* room + 3 */
	struct news *news;          /* 2 * room: one may be ready and late */
};

static struct waitset *find(struct floe_waitset *waitset)
{
	return handle_find(waitset, HANDLE_WAITSET);
}

/* While it has a thread only that one may touch the table. */
static bool is_others(const struct waitset *w)
{
	return w->has_thread && atomic_load(&w->thread_id) != os->get_tid();
}

/*
 * Opening and closing
 */

static void end(struct waitset *w)
{
	os_close_fdp(&w->poll);
	os_close_fdp(&w->stop);
	os_close_fdp(&w->clock);
	os_close_fdp(&w->signals);
	free(w->entry);
	free(w->events);
	free(w->news);
	free(w->counted);
	free(w->expected);
	free(w);
}

static int set_up(struct waitset *w)
{
	w->poll = os->make_poll();
	if (w->poll < 0)
		return w->poll;
	w->stop = os->make_event();
	if (w->stop < 0)
		return w->stop;
	return os->poll_add(w->poll, w->stop, EPOLLIN, TAG_STOP);
}

FLOE_PUBLIC int floe_waitset_open(struct floe_waitset **ret)
{
	struct waitset *w;
	void *handle;
	int r;

	if (!ret)
		return -EINVAL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->poll = w->stop = w->clock = w->signals = -1;
	w->expected_ns = NEVER;
	r = set_up(w);
	if (r == 0)
		r = handle_open(&handle, HANDLE_WAITSET, w);
	if (r < 0) {
		end(w);
		return r;
	}
	*ret = handle;
	return 0;
}

FLOE_PUBLIC void floe_waitset_close(struct floe_waitset *waitset)
{
	struct waitset *w = find(waitset);

	/* In its own thread it cannot wait for its own end. */
	if (!w || floe_waitset_join(waitset) < 0)
		return;
	w = handle_close(waitset, HANDLE_WAITSET);
	if (w)
		end(w);
}

/*
 * Attaching
 */

static int enlarge(void *array, size_t count, size_t size)
{
	void *old, *more;

	memcpy(&old, array, sizeof(old));
	more = realloc(old, count * size);
	if (!more)
		return -ENOMEM;
	memcpy(array, &more, sizeof(more));
	return 0;
}

/* Each may be larger than `room` says. */
static int grow(struct waitset *w)
{
	uint32_t room = w->room ? 2 * w->room : 8;
	int r = enlarge(&w->entry, room, sizeof(*w->entry));

	if (r == 0)
		r = enlarge(&w->events, room + 3, sizeof(*w->events));
	if (r == 0)
		r = enlarge(&w->news, 2 * (size_t)room, sizeof(*w->news));
	if (r == 0)
		r = enlarge(&w->counted, room, sizeof(*w->counted));
	if (r == 0)
		r = enlarge(&w->expected, room, sizeof(*w->expected));
	if (r == 0)
		w->room = room;
	return r;
}

/* A place in the table: a new one, or one that was left. Its id, -ENOSPC, -ENOMEM */
static int find_place(struct waitset *w)
{
	int r;

	if (w->used == FLOE_WAITSET_MAX)
		return -ENOSPC;
	for (uint32_t i = 0; w->used < w->count && i < w->count; i++)
		if (!w->entry[i].kind)
			return (int)i;
	if (w->count == w->room) {
		r = grow(w);
		if (r < 0)
			return r;
	}
	w->entry[w->count] = (struct entry){0};
	return (int)w->count++;
}

static bool is_counted(const struct entry *entry)
{
	return entry->kind == FLOE_READY_TIMER || entry->kind == FLOE_READY_SIGNAL;
}

static uint64_t tag_of(const struct waitset *w, uint32_t id)
{
	return (uint64_t)w->entry[id].generation << 32 | id;
}

static bool is_expected(const struct entry *entry)
{
	return entry->options.expect_ns > 0;
}

static void leave(uint32_t *list, uint32_t *count, uint32_t id)
{
	for (uint32_t i = 0; i < *count; i++)
		if (list[i] == id)
			list[i] = list[--*count];
}

static void forget(struct waitset *w, uint32_t id)
{
	w->used--;
	if (is_counted(&w->entry[id]))
		leave(w->counted, &w->counted_count, id);
	if (is_expected(&w->entry[id])) {
		leave(w->expected, &w->expected_count, id);
		w->late -= w->entry[id].pending > 0;
	}
	w->entry[id] = (struct entry){.generation = w->entry[id].generation + 1};
}

/* The place is taken; what is behind it is told to the kernel by the caller. */
static int begin_add(struct floe_waitset *waitset, uint32_t kind,
		     const struct floe_waitset_options *options, struct waitset **ret)
{
	struct waitset *w = find(waitset);
	struct floe_waitset_options o;
	int id;
	int r;

	if (!w)
		return -EINVAL;
	if (is_others(w))
		return -EBUSY;
	r = options_read_waitset(&o, options);
	if (r < 0)
		return r;
	if (o.expect_ns && (kind == FLOE_READY_TIMER || kind == FLOE_READY_SIGNAL))
		return -EINVAL;
	id = find_place(w);
	if (id < 0)
		return id;
	w->entry[id].options = o;
	w->entry[id].kind = kind;
	w->used++;
	if (is_counted(&w->entry[id]))
		w->counted[w->counted_count++] = (uint32_t)id;
	*ret = w;
	return id;
}

static int open_shared(const struct waitset *w, int *fd, int opened, uint64_t tag)
{
	int r = opened < 0 ? opened : os->poll_add(w->poll, opened, EPOLLIN, tag);

	if (r < 0) {
		os_close_fdp(&opened);
		return r;
	}
	*fd = opened;
	return 0;
}

/* The clock goes off at the next timer; at once, when something is still to be told. */
static int set_clock(struct waitset *w)
{
	int64_t due_ns = w->late ? 0 : w->expected_ns;
	int64_t left_ns;

	w->rang = false;
	for (uint32_t i = 0; i < w->counted_count; i++) {
		const struct entry *entry = &w->entry[w->counted[i]];

		if (entry->pending)
			due_ns = 0;
		else if (entry->kind == FLOE_READY_TIMER && entry->due_ns < due_ns)
			due_ns = entry->due_ns;
	}
	if (w->clock < 0)
		return 0;
	/* Far away rather than never: setting it is what silences it. */
	left_ns = due_ns == NEVER ? NEVER / 4 : due_ns - os->now_ns();
	return os->set_timer(w->clock, left_ns < 1 ? 1 : left_ns);
}

static int need_clock(struct waitset *w)
{
	return w->clock >= 0 ? 0 : open_shared(w, &w->clock, os->make_timer(), TAG_CLOCK);
}

/* From now on it is late when it was not ready for so long. */
static int expect(struct waitset *w, uint32_t id)
{
	struct entry *entry = &w->entry[id];
	int r = need_clock(w);

	if (r < 0)
		return r;
	w->expected[w->expected_count++] = id;
	entry->due_ns = os->now_ns() + entry->options.expect_ns;
	if (entry->due_ns >= w->expected_ns)
		return 0;
	w->expected_ns = entry->due_ns;
	return set_clock(w);
}

static int add_fd(struct floe_waitset *waitset, uint32_t kind, int fd, uint32_t events,
		  struct floe_subscriber *sub, struct floe_listener *listener,
		  const struct floe_waitset_options *options)
{
	struct waitset *w;
	int id = fd < 0 ? fd : begin_add(waitset, kind, options, &w);
	int r;

	if (id < 0)
		return id;
	w->entry[id].fd = fd;
	w->entry[id].sub = sub;
	w->entry[id].listener = listener;
	r = is_expected(&w->entry[id]) ? expect(w, (uint32_t)id) : 0;
	if (r == 0)
		r = os->poll_add(w->poll, fd, events, tag_of(w, (uint32_t)id));
	if (r < 0) {
		forget(w, (uint32_t)id);
		return r == -EBADF || r == -ELOOP ? -EINVAL : r;
	}
	return id;
}

FLOE_PUBLIC int floe_waitset_add_subscriber(struct floe_waitset *waitset,
					    struct floe_subscriber *sub,
					    const struct floe_waitset_options *options)
{
	return find(waitset) ? add_fd(waitset, FLOE_READY_SUBSCRIBER, floe_subscriber_fd(sub),
				      EPOLLIN, sub, NULL, options)
			     : -EINVAL;
}

FLOE_PUBLIC int floe_waitset_add_listener(struct floe_waitset *waitset,
					  struct floe_listener *listener,
					  const struct floe_waitset_options *options)
{
	return find(waitset) ? add_fd(waitset, FLOE_READY_LISTENER, floe_listener_fd(listener),
				      EPOLLIN, NULL, listener, options)
			     : -EINVAL;
}

FLOE_PUBLIC int floe_waitset_add_fd(struct floe_waitset *waitset, int fd, uint32_t events,
				    const struct floe_waitset_options *options)
{
	if (fd < 0 || !events || events & ~(uint32_t)(EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP))
		return -EINVAL;
	return add_fd(waitset, FLOE_READY_FD, fd, events, NULL, NULL, options);
}

FLOE_PUBLIC int floe_waitset_add_timer(struct floe_waitset *waitset, int64_t first_ns,
				       int64_t period_ns,
				       const struct floe_waitset_options *options)
{
	struct waitset *w;
	int id = first_ns < 0 || period_ns < 0 || period_ns > NEVER / 4
			 ? -EINVAL
			 : begin_add(waitset, FLOE_READY_TIMER, options, &w);
	int r;

	if (id < 0)
		return id;
	w->entry[id].due_ns = first_ns;
	w->entry[id].period_ns = period_ns;
	r = need_clock(w);
	if (r == 0)
		r = set_clock(w);
	if (r < 0)
		forget(w, (uint32_t)id);
	return r < 0 ? r : id;
}

/* The descriptor reads the signals of this set from now on. */
static int set_signals(struct waitset *w, uint64_t set)
{
	int fd = os->make_signals(w->signals, &set);
	int r = fd < 0 ? fd : 0;

	if (r == 0 && w->signals < 0)
		r = open_shared(w, &w->signals, fd, TAG_SIGNALS);
	if (r == 0)
		w->signal_set = set;
	return r;
}

FLOE_PUBLIC int floe_waitset_add_signal(struct floe_waitset *waitset, int signal_number,
					const struct floe_waitset_options *options)
{
	struct waitset *w = find(waitset);
	uint64_t bit = 1;
	int id, r;

	if (!w || signal_number < 1 || signal_number > SIGNAL_MAX || signal_number == SIGKILL ||
	    signal_number == SIGSTOP)
		return -EINVAL;
	bit <<= signal_number - 1;
	if (w->signal_set & bit)
		return -EEXIST;
	id = begin_add(waitset, FLOE_READY_SIGNAL, options, &w);
	if (id < 0)
		return id;
	w->entry[id].fd = signal_number;
	r = need_clock(w);
	if (r == 0)
		r = set_signals(w, w->signal_set | bit);
	if (r < 0)
		forget(w, (uint32_t)id);
	return r < 0 ? r : id;
}

/* A descriptor that was closed went out of the epoll by itself, and its number may be another's now. */
static void remove_fd(const struct waitset *w, uint32_t id)
{
	for (uint32_t i = 0; i < w->count; i++)
		if (i != id && w->entry[i].kind && !is_counted(&w->entry[i]) &&
		    w->entry[i].fd == w->entry[id].fd)
			return;
	(void)os->poll_remove(w->poll, w->entry[id].fd);
}

FLOE_PUBLIC int floe_waitset_remove(struct floe_waitset *waitset, uint32_t id)
{
	struct waitset *w = find(waitset);
	uint32_t kind;
	int r = 0;

	if (!w)
		return -EINVAL;
	if (is_others(w))
		return -EBUSY;
	if (id >= w->count || !w->entry[id].kind)
		return -EINVAL;
	kind = w->entry[id].kind;
	if (kind == FLOE_READY_SIGNAL)
		r = set_signals(w, w->signal_set & ~(UINT64_C(1) << (w->entry[id].fd - 1)));
	else if (kind != FLOE_READY_TIMER)
		remove_fd(w, id);
	forget(w, id);
	return r < 0 ? r : set_clock(w);
}

/*
 * Waiting
 */

static void note_timers(struct waitset *w)
{
	int64_t now_ns = os->now_ns();

	for (uint32_t i = 0; i < w->counted_count; i++) {
		struct entry *entry = &w->entry[w->counted[i]];
		uint64_t times = 1;

		if (entry->kind != FLOE_READY_TIMER || entry->due_ns > now_ns)
			continue;
		if (entry->period_ns)
			times += (uint64_t)((now_ns - entry->due_ns) / entry->period_ns);
		entry->pending += times;
		entry->due_ns = entry->period_ns ? entry->due_ns + (int64_t)times * entry->period_ns
						 : NEVER;
	}
}

static void note_late(struct waitset *w)
{
	int64_t now_ns = os->now_ns();

	if (w->expected_ns > now_ns)
		return;
	w->expected_ns = NEVER;
	for (uint32_t i = 0; i < w->expected_count; i++) {
		struct entry *entry = &w->entry[w->expected[i]];
		int64_t period_ns = entry->options.expect_ns;
		uint64_t times;

		if (entry->due_ns <= now_ns) {
			times = 1 + (uint64_t)((now_ns - entry->due_ns) / period_ns);
			w->late += entry->pending == 0;
			entry->pending += times;
			entry->due_ns += (int64_t)times * period_ns;
		}
		if (entry->due_ns < w->expected_ns)
			w->expected_ns = entry->due_ns;
	}
}

/* Our descriptors may ring with nothing there, where io_uring cannot wait each millisecond. */
static bool has_more(const struct entry *entry)
{
	if (entry->sub)
		return subscription_has_more(entry->sub);
	return !entry->listener || listening_has_more(entry->listener);
}

static void note_ready(struct entry *entry)
{
	if (is_expected(entry) && has_more(entry))
		entry->due_ns = os->now_ns() + entry->options.expect_ns;
}

static void note_signals(struct waitset *w)
{
	int number;

	while ((number = os->read_signal(w->signals)) > 0)
		for (uint32_t i = 0; i < w->counted_count; i++) {
			struct entry *entry = &w->entry[w->counted[i]];

			if (entry->kind == FLOE_READY_SIGNAL && entry->fd == number)
				entry->pending++;
		}
}

static void say(struct waitset *w, uint32_t *count, uint32_t id, uint32_t kind, uint64_t value)
{
	const struct entry *entry = &w->entry[id];

	w->news[(*count)++] = (struct news){
		.ready = {id, kind, value, entry->options.user},
		.generation = entry->generation,
		.left = kind == FLOE_READY_LATE ? entry->late_left : entry->left,
	};
}

static void say_pending(struct waitset *w, uint32_t *count)
{
	for (uint32_t i = 0; i < w->counted_count; i++) {
		uint32_t id = w->counted[i];

		if (w->entry[id].pending)
			say(w, count, id, w->entry[id].kind, w->entry[id].pending);
	}
	for (uint32_t i = 0; w->late && i < w->expected_count; i++) {
		uint32_t id = w->expected[i];

		if (w->entry[id].pending)
			say(w, count, id, FLOE_READY_LATE, w->entry[id].pending);
	}
}

/* What epoll says, and what timers and signals have for us. The rest of an entry that was removed
 * meanwhile is not said. */
static uint32_t gather(struct waitset *w, int events)
{
	uint32_t count = 0;

	for (int i = 0; i < events; i++) {
		uint64_t tag = w->events[i].data.u64;
		uint32_t id = (uint32_t)tag;

		if (tag == TAG_CLOCK) {
			w->rang = true;
		} else if (tag == TAG_SIGNALS) {
			note_signals(w);
		} else if (tag != TAG_STOP && id < w->count && w->entry[id].kind &&
			   tag == tag_of(w, id)) {
			note_ready(&w->entry[id]);
			say(w, &count, id, w->entry[id].kind, w->events[i].events);
		}
	}
	/* After what is ready, which is not late any more. */
	if (w->rang) {
		note_timers(w);
		note_late(w);
	}
	say_pending(w, &count);
	return count;
}

static bool comes_before(const struct waitset *w, const struct news *a, const struct news *b)
{
	int32_t first = w->entry[a->ready.id].options.priority;
	int32_t second = w->entry[b->ready.id].options.priority;

	return first != second ? first > second : a->left > b->left;
}

/* Insertion, and stable: mostly all have one priority and none was left, and then it is one comparison each. */
static void sort(const struct waitset *w, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++)
		for (uint32_t j = i; j > 0 && comes_before(w, &w->news[j], &w->news[j - 1]); j--) {
			struct news higher = w->news[j];

			w->news[j] = w->news[j - 1];
			w->news[j - 1] = higher;
		}
}

/* One look: what is in w->news, sorted; 0 deadline; -errno */
static int look(struct waitset *w, int64_t deadline_ns, uint32_t *ret_count)
{
	int r;

	*ret_count = 0;
	if (atomic_load(&w->stopped))
		return -ECANCELED;
	if (!w->room) {
		r = grow(w);
		if (r < 0)
			return r;
	}
	r = os->poll_wait(w->poll, w->events, (int)(w->used + 3), deadline_ns);
	if (atomic_load(&w->stopped))
		return -ECANCELED;
	if (r < 0)
		return r;
	*ret_count = gather(w, r);
	sort(w, *ret_count);
	return r;
}

/* There is no room for them: of their priority they are the first the next time. */
static void leave_rest(struct waitset *w, uint32_t from, uint32_t count)
{
	for (uint32_t i = from; i < count; i++) {
		struct entry *entry = &w->entry[w->news[i].ready.id];

		if (w->news[i].ready.kind == FLOE_READY_LATE)
			entry->late_left++;
		else
			entry->left++;
	}
}

/* They are told now. */
static void take(struct waitset *w, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct floe_ready *ready = &w->news[i].ready;
		struct entry *entry = &w->entry[ready->id];

		if (ready->kind == FLOE_READY_LATE)
			w->late--;
		if (ready->kind == FLOE_READY_LATE || is_counted(entry))
			entry->pending = 0;
		if (ready->kind == FLOE_READY_LATE)
			entry->late_left = 0;
		else
			entry->left = 0;
	}
	if (w->counted_count || w->rang)
		(void)set_clock(w);
}

FLOE_PUBLIC int floe_waitset_wait(struct floe_waitset *waitset, int64_t deadline_ns,
				  struct floe_ready *ret, size_t count)
{
	struct waitset *w = find(waitset);
	uint32_t found = 0;

	if (!w || !ret || !count)
		return -EINVAL;
	if (w->has_thread)
		return -EBUSY;
	/* The clock may have gone off for what was removed: then there is nothing to say yet. */
	while (!found) {
		int r = look(w, deadline_ns, &found);

		if (r <= 0)
			return r;
		if (!found)
			take(w, 0);
	}
	if (found > count) {
		leave_rest(w, (uint32_t)count, found);
		found = (uint32_t)count;
	}
	for (uint32_t i = 0; i < found; i++)
		ret[i] = w->news[i].ready;
	take(w, found);
	return (int)found;
}

FLOE_PUBLIC int floe_waitset_stop(struct floe_waitset *waitset)
{
	struct waitset *w = find(waitset);

	if (!w)
		return -EINVAL;
	atomic_store(&w->stopped, true);
	/* A counter that is full is readable as well. */
	(void)os->raise_event(w->stop);
	return 0;
}

FLOE_PUBLIC int floe_waitset_fd(struct floe_waitset *waitset)
{
	const struct waitset *w = find(waitset);

	return w ? w->poll : -EINVAL;
}

/*
 * A thread
 */

/* A call may remove any other entry, so each is looked up again before it is called. */
static void call(struct floe_waitset *waitset, const struct waitset *w, struct news news)
{
	const struct entry *entry = &w->entry[news.ready.id];

	if (entry->kind && entry->generation == news.generation && entry->options.call)
		entry->options.call(waitset, &news.ready);
}

static void *run(void *argument)
{
	struct floe_waitset *waitset = argument;
	struct waitset *w = find(waitset);
	int r = 0;

	atomic_store(&w->thread_id, os->get_tid());
	while (r != -ECANCELED) {
		uint32_t count;

		r = look(w, -1, &count);
		take(w, count);
		for (uint32_t i = 0; i < count && !atomic_load(&w->stopped); i++)
			call(waitset, w, w->news[i]);
		/* Out of memory: it may pass. */
		if (r < 0 && r != -ECANCELED)
			os->sleep_ns(RETRY_NS);
	}
	return NULL;
}

FLOE_PUBLIC int floe_waitset_start(struct floe_waitset *waitset)
{
	struct waitset *w = find(waitset);
	sigset_t all, before;
	int r;

	if (!w)
		return -EINVAL;
	if (w->has_thread)
		return -EALREADY;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	w->has_thread = true;
	atomic_store(&w->thread_id, 0);
	r = pthread_create(&w->thread, NULL, run, waitset);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r)
		w->has_thread = false;
	return -r;
}

FLOE_PUBLIC int floe_waitset_join(struct floe_waitset *waitset)
{
	struct waitset *w = find(waitset);

	if (!w)
		return -EINVAL;
	if (!w->has_thread)
		return 0;
	if (!is_others(w))
		return -EDEADLK;
	(void)floe_waitset_stop(waitset);
	(void)pthread_join(w->thread, NULL);
	w->has_thread = false;
	return 0;
}
