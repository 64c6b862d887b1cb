/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOE_WATCH_H
#define FLOE_WATCH_H

/*
 * Watching a domain: who is there, and from then on who comes, goes and dies.
 *
 *	floe_watch_open  ->  { floe_watch_next until it says 0  ->  floe_watch_wait }*
 *			 ->  floe_watch_close
 *
 * First floe_watch_next tells everything that is there, then what changes. Nobody is asked anything
 * and nothing is looked at in turn: the kernel says which folder changed (inotify(7)), also when a
 * process is killed, for that closes its node's file. Then that folder is read and compared with what
 * was there before. What came and went between two looks is not told; what is there is, in the end,
 * whatever the kernel had to leave out: if its queue overflows, everything is read again.
 *
 * A watch takes four descriptors, whatever it watches, and one inotify watch for each topic. It is
 * used by one thread at a time; fork, results and blocking as in floe/floe.h. Opening reads the whole
 * domain, floe_watch_next the folders that changed; only floe_watch_wait waits.
 */

#include <floe/floe.h>

#ifdef __cplusplus
extern "C" {
#endif

/* floe_watch_event.what */
#define FLOE_WATCH_THERE 1u   /* it was there when the watch was opened */
#define FLOE_WATCH_CAME 2u    /* also: another process has taken over what a dead one left */
#define FLOE_WATCH_CHANGED 3u /* its state is another one, or a topic's type */
#define FLOE_WATCH_DIED 4u    /* its process is gone; what it left is there */
#define FLOE_WATCH_WENT 5u    /* and nothing of it is left here */

/* floe_watch_event.kind; 1 << kind is its bit in floe_watch_options.kinds. */
#define FLOE_KIND_NODE 0u
#define FLOE_KIND_TOPIC 1u
#define FLOE_KIND_PUBLISHER 2u
#define FLOE_KIND_SUBSCRIBER 3u
#define FLOE_KIND_NOTIFIER 4u /* floe/event.h */
#define FLOE_KIND_WRITER 5u   /* floe/board.h */
#define FLOE_KIND_SERVER 6u   /* floe/service.h; its topic is the service's name, as with clients */
#define FLOE_KIND_CLIENT 7u

/* floe_watch_options.flags: also the topics that services are made of, with who is on them; see
 * FLOE_SERVICE_NAME_MAX. */
#define FLOE_WATCH_INSIDE 1u

/* Zero and NULL mean: all. Patterns are those of file names in a shell, fnmatch(3) without flags. */
struct floe_watch_options {
	size_t size;
	uint32_t kinds;  /* 1 << FLOE_KIND_... */
	uint32_t states; /* 1 << FLOE_STATE_... of floe/inspect.h: what was, or has got, such one */
	const char *topic;   /* of topics, and of who is on them */
	const char *process; /* of who has a process */
	uint32_t flags;      /* FLOE_WATCH_INSIDE */
	const char *dir;     /* as in floe_publisher_options, these three */
	const char *domain;
	struct floe_error *error;
};

struct floe_watch_event {
	uint32_t what;
	uint32_t kind;
	uint32_t state; /* FLOE_STATE_... now; of what went: before */
	uint32_t index; /* which of its kind on this topic */
	uint64_t node;  /* whose it is; 0: a topic, or it was closed, or may not be looked at */
	int32_t pid;    /* as the process sees itself; 0: not known */
	uint32_t uid;   /* of topics: who made it */
	int32_t tid; /* of nodes: the thread that used floe last to open, wait or wake; 0: not known */
	char topic[FLOE_TOPIC_NAME_MAX + 1]; /* of nodes: "" */
	char type[128];                      /* "": none */
	char process[64];                    /* "": not known */
	char thread[20];                     /* name of `tid` */
};

struct floe_watch;

/* The domain need not exist. -EINVAL; -EMFILE, -ENFILE, -ENOMEM; -ENOSPC the user has no inotify
 * watches left (fs.inotify.max_user_watches); -EACCES; with a sentence. */
FLOE_PUBLIC int floe_watch_open(struct floe_watch **ret, const struct floe_watch_options *options);

/* NULL is fine. */
FLOE_PUBLIC void floe_watch_close(struct floe_watch *watch);

/*
 * What is there, or has changed: fills `size` bytes of an event, sizeof the struct.
 *   1; 0 nothing now; -ENOSPC, -EMFILE, -ENOMEM and the like: something could not be looked at, which
 *   is tried again with the next call that finds a change; -EINVAL
 */
FLOE_PUBLIC int floe_watch_next(struct floe_watch *watch, struct floe_watch_event *ret,
				size_t size);

/* Waits until floe_watch_next may have something. deadline_ns: CLOCK_MONOTONIC, -1 for ever.
 * 1; 0 deadline; -EINTR; -EINVAL */
FLOE_PUBLIC int floe_watch_wait(struct floe_watch *watch, int64_t deadline_ns);

/* A descriptor for poll(2), epoll(7) and floe_waitset_add_fd: readable when floe_watch_next may have
 * something, until that says 0. The watch's own. -EINVAL */
FLOE_PUBLIC int floe_watch_fd(struct floe_watch *watch);

#ifdef __cplusplus
}
#endif
#endif
