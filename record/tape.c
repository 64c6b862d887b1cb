/* SPDX-License-Identifier: Apache-2.0 */
#include "tape.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bytes.h"
#include "mount.h"
#include "touch.h"

#define SECOND INT64_C(1000000000)
/* A killed recorder loses what is younger than this, and what waits; where it has no pause, what its
 * writer hides. */
#define OPEN_NS 500000000
/* A payload that is smaller is copied: that takes less than a piece of its own. */
#define REFER_SIZE 65536u
/* With more than this before it, a payload would have to stay where it is for too long: a batch that is
 * written, or the small ones that are under way, and the next one. */
#define REFER_BACKLOG (2u * OUTPUT_BATCH_SIZE)
static_assert(REFER_BACKLOG >= (OUTPUT_BATCHES_MAX + 1) * OUTPUT_BATCH_SMALL,
	      "the next one is there when the oldest has landed");
#define HEAD_CHUNK_SIZE 4096u
/* How long the last messages may wait for others. */
#define MORE_NS 1000000
/* Chunks that are kept for the next ones, so that their memory need not come and go. */
#define FREE_MAX 32u

struct definition {
	unsigned char *content;
	size_t size;
	bool is_schema;
};

struct tape {
	struct tape_plan plan;
	char *path;

	/* Of the thread that opened it. */
	struct chunk *open;
	int64_t open_ns;
	bool is_locked;
	bool is_quick; /* what is written need not be waited for: the file lies in large pages */
	uint32_t align;

	/* Of the tape's own thread; where the file is quick, of the first until that waits for the second. */
	struct writer writer;
	bool has_file;
	char *file;
	size_t defined; /* definitions that the file has */
	unsigned number;
	int64_t file_ns; /* when it was begun */
	uint64_t finished;
	/* What was given up of files that are ended, or could not be begun. */
	uint64_t over_bytes;
	uint64_t over_direct;

	/* Of both, with the lock. */
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_cond_t less; /* that waits */
	bool is_waited_for;
	bool was_waited_for; /* since the last look for more */
	struct chunk *first;
	struct chunk **last;
	struct chunk *free;
	unsigned free_count;
	struct definition *definitions;
	size_t definitions_count;
	uint64_t memory;
	uint64_t less_backlog; /* then there is room for more */
	unsigned snapshots;    /* asked for and not begun */
	bool is_ending;
	int error;
	char sentence[sizeof(((struct tape_error *)0)->text)];
	struct tape_counts counts; /* bytes, direct: with what was given up */
	uint64_t lost_bytes;
	uint64_t lost_direct;

	/* Of both. */
	_Atomic uint64_t backlog;
	_Atomic unsigned referred;
	pthread_mutex_t watching; /* the observers */
	pthread_mutex_t next;     /* who has it has them next */
	pthread_t thread;
};

static int64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

/*
 * Memory
 */

static void account(struct tape *tape, struct chunk *chunk)
{
	uint64_t memory = chunk_memory(chunk);

	tape->memory += memory - chunk->accounted;
	chunk->accounted = memory;
}

static void drop(struct tape *tape, struct chunk *chunk)
{
	tape->memory -= chunk->accounted;
	chunk_close(chunk);
}

/* With the lock. */
static void give_back(struct tape *tape, struct chunk *chunk)
{
	if (chunk->payload) {
		(void)atomic_fetch_sub(&tape->referred, 1);
		if (tape->plan.let_go)
			tape->plan.let_go(tape->plan.user, chunk);
	}
	if (chunk->size_max < tape->plan.chunk_size || tape->free_count == FREE_MAX) {
		drop(tape, chunk);
		return;
	}
	account(tape, chunk);
	chunk_reset(chunk);
	chunk->next = tape->free;
	tape->free = chunk;
	tape->free_count++;
}

/* With the lock: the oldest of a snapshot's window. */
static void forget_first(struct tape *tape)
{
	struct chunk *chunk = tape->first;

	tape->first = chunk->next;
	if (!tape->first)
		tape->last = &tape->first;
	tape->counts.messages -= chunk->count;
	tape->counts.bytes -= chunk_payloads(chunk);
	for (uint32_t i = 0; tape->plan.forget && i < chunk->count; i++)
		tape->plan.forget(tape->plan.user, chunk->entries[i].channel, 1);
	(void)atomic_fetch_sub(&tape->backlog, chunk->size);
	give_back(tape, chunk);
}

/* One with room for `size` bytes, and not for much more. */
static struct chunk *take_free(struct tape *tape, size_t size)
{
	for (struct chunk **at = &tape->free; *at; at = &(*at)->next) {
		struct chunk *chunk = *at;

		if (chunk->size_max < size || chunk->size_max / 2 > size)
			continue;
		*at = chunk->next;
		tape->free_count--;
		chunk->next = NULL;
		return chunk;
	}
	return NULL;
}

static void drop_free(struct tape *tape)
{
	struct chunk *chunk = tape->free;

	tape->free = chunk->next;
	tape->free_count--;
	drop(tape, chunk);
}

/* With the lock. NULL: not now */
static struct chunk *take_chunk(struct tape *tape, size_t size)
{
	struct chunk *chunk;

	if (size < tape->plan.chunk_size)
		size = tape->plan.chunk_size;
	chunk = take_free(tape, size);
	if (chunk)
		return chunk;
	while (tape->plan.snapshot_ns && tape->first && tape->memory + size > tape->plan.memory_max)
		forget_first(tape);
	while (tape->free && tape->memory + size > tape->plan.memory_max)
		drop_free(tape);
	if (tape->memory + size > tape->plan.memory_max)
		return NULL;
	chunk = chunk_open(size);
	if (!chunk)
		return NULL;
	chunk->has_crc = tape->plan.crc != WRITER_CRC_NONE;
	account(tape, chunk);
	return chunk;
}

/*
 * Files. Of the tape's own thread.
 */

/* With the lock free. The first failure counts. */
static void fail(struct tape *tape, int code, const char *what)
{
	(void)pthread_mutex_lock(&tape->lock);
	if (tape->error == 0) {
		tape->error = code;
		(void)snprintf(tape->sentence, sizeof(tape->sentence), "cannot write '%s': %s",
			       tape->file ? tape->file : tape->path, what ? what : strerror(-code));
	}
	(void)pthread_mutex_unlock(&tape->lock);
}

static void add_to_sentence(struct tape *tape, const char *text)
{
	size_t size;

	(void)pthread_mutex_lock(&tape->lock);
	size = strlen(tape->sentence);
	(void)snprintf(tape->sentence + size, sizeof(tape->sentence) - size, "%s", text);
	(void)pthread_mutex_unlock(&tape->lock);
}

static void release(void *user, struct chunk *chunk)
{
	struct tape *tape = user;

	(void)atomic_fetch_sub(&tape->backlog, chunk->size + chunk->payload_size);
	(void)pthread_mutex_lock(&tape->lock);
	give_back(tape, chunk);
	if (tape->is_waited_for && atomic_load(&tape->backlog) <= tape->less_backlog)
		(void)pthread_cond_signal(&tape->less);
	(void)pthread_mutex_unlock(&tape->lock);
}

static void lose(void *user, uint16_t channel, uint32_t count)
{
	struct tape *tape = user;

	(void)pthread_mutex_lock(&tape->lock);
	tape->counts.lost += count;
	(void)pthread_mutex_unlock(&tape->lock);
	if (tape->plan.lose)
		tape->plan.lose(tape->plan.user, channel, count);
}

/* run.mcap: run-000.mcap, run-001.mcap when there are several. */
static char *name_file(const struct tape *tape)
{
	const char *slash = strrchr(tape->path, '/');
	const char *dot = strrchr(tape->path, '.');
	size_t stem = dot && (!slash || dot > slash + 1) ? (size_t)(dot - tape->path)
							 : strlen(tape->path);
	char *name;

	if (!tape->plan.split_size && !tape->plan.split_ns && !tape->plan.snapshot_ns)
		return strdup(tape->path);
	if (asprintf(&name, "%.*s-%03u%s", (int)stem, tape->path, tape->number, tape->path + stem) <
	    0)
		return NULL;
	return name;
}

static const char *describe(int code)
{
	switch (code) {
	case -EEXIST:
		return "there is such a file already (--force overwrites it)";
	case -EROFS:
		return "the file system is read-only";
	case -EACCES:
	case -EPERM:
		return "no permission";
	default:
		return NULL;
	}
}

static int begin_file(struct tape *tape)
{
	const struct writer_plan plan = {
		.compression = tape->plan.compression,
		.crc = tape->plan.crc,
		.mode = tape->plan.mode,
		.release = release,
		.lose = lose,
		.user = tape,
	};
	int flags = O_RDWR | O_CREAT | O_CLOEXEC | (tape->plan.overwrite ? O_TRUNC : O_EXCL);
	int fd;
	int r;

	free(tape->file);
	tape->file = name_file(tape);
	if (!tape->file)
		return -ENOMEM;
	fd = open(tape->file, flags, 0666);
	r = fd < 0 ? -errno : writer_open(&tape->writer, fd, &plan);
	if (r < 0) {
		fail(tape, r, describe(r));
		return r;
	}
	tape->has_file = true;
	tape->defined = 0;
	tape->number++;
	tape->file_ns = now_ns();
	(void)pthread_mutex_lock(&tape->lock);
	tape->counts.files++;
	tape->counts.is_direct = tape->writer.output.is_direct;
	tape->counts.flies = output_flies(&tape->writer.output);
	tape->counts.flights_error = tape->writer.output.flights_error;
	tape->less_backlog = REFER_BACKLOG - tape->writer.output.batch_size;
	(void)pthread_mutex_unlock(&tape->lock);
	return 0;
}

static void count_written(struct tape *tape)
{
	(void)pthread_mutex_lock(&tape->lock);
	/* A ring may be had, and no write be taken. */
	if (tape->has_file && tape->writer.output.flights_error) {
		tape->counts.flies = false;
		tape->counts.flights_error = tape->writer.output.flights_error;
	}
	tape->counts.written = tape->finished + (tape->has_file ? writer_size(&tape->writer) : 0);
	tape->lost_bytes = tape->over_bytes + (tape->has_file ? tape->writer.lost_bytes : 0);
	tape->lost_direct = tape->over_direct + (tape->has_file ? tape->writer.lost_referred : 0);
	(void)pthread_mutex_unlock(&tape->lock);
}

static void flush(struct tape *tape)
{
	int r;

	if (!tape->has_file || tape->error)
		return;
	r = writer_flush(&tape->writer);
	if (r < 0)
		fail(tape, r, NULL);
	count_written(tape);
}

static void list(void *user, struct buffer *map)
{
	const struct tape *tape = user;

	tape->plan.list_losses(tape->plan.user, map);
}

static void end_file(struct tape *tape)
{
	bool is_whole;
	int r;

	if (!tape->has_file)
		return;
	/* What comes of its batches is known by then. */
	flush(tape);
	r = writer_end(&tape->writer, "floe.losses", tape->plan.list_losses ? list : NULL,
		       &is_whole);
	tape->has_file = false;
	tape->finished += tape->writer.end_size;
	tape->over_bytes += tape->writer.lost_bytes;
	tape->over_direct += tape->writer.lost_referred;
	count_written(tape);
	if (r < 0)
		fail(tape, r, NULL);
	if (r < 0 || tape->error)
		add_to_sentence(tape, is_whole ? "; what is there was ended and can be read"
					       : "; 'floe bag repair' may end what is there");
}

/*
 * Writing
 */

/* What is not in the file yet. Definitions stay where they are once they were added. */
static int write_definitions(struct tape *tape)
{
	int r = 0;

	(void)pthread_mutex_lock(&tape->lock);
	while (r >= 0 && tape->defined < tape->definitions_count) {
		struct definition definition = tape->definitions[tape->defined++];

		(void)pthread_mutex_unlock(&tape->lock);
		r = definition.is_schema
			    ? writer_add_schema(&tape->writer, definition.content, definition.size)
			    : writer_add_channel(&tape->writer, definition.content,
						 definition.size);
		(void)pthread_mutex_lock(&tape->lock);
	}
	(void)pthread_mutex_unlock(&tape->lock);
	return r;
}

static bool is_split_due(const struct tape *tape)
{
	if (!tape->has_file)
		return false;
	if (tape->plan.split_size && writer_size(&tape->writer) >= tape->plan.split_size)
		return true;
	return tape->plan.split_ns && now_ns() - tape->file_ns >= tape->plan.split_ns;
}

static void write_one(struct tape *tape, struct chunk *chunk)
{
	int r = tape->error;

	if (r == 0 && is_split_due(tape))
		end_file(tape);
	if (r == 0 && !tape->has_file)
		r = begin_file(tape);
	if (r == 0)
		r = write_definitions(tape);
	if (r < 0) {
		if (!tape->error)
			fail(tape, r, NULL);
		for (uint32_t i = 0; i < chunk->count; i++)
			lose(tape, chunk->entries[i].channel, 1);
		tape->over_bytes += chunk_payloads(chunk);
		tape->over_direct += chunk->payload != NULL;
		count_written(tape);
		release(tape, chunk);
		return;
	}
	r = writer_add_chunk(&tape->writer, chunk);
	if (r < 0)
		fail(tape, r, NULL);
	count_written(tape);
}

static void fill(struct tape *tape)
{
	int r = tape->has_file && !tape->error ? writer_fill(&tape->writer) : 0;

	if (r < 0)
		fail(tape, r, NULL);
}

static void check_name(struct tape *tape)
{
	struct stat status;

	if (!tape->has_file || tape->error)
		return;
	if (fstat(tape->writer.output.fd, &status) == 0 && status.st_nlink == 0)
		fail(tape, -ENOENT, "somebody removed it while it was written");
}

/* The one thread has the observers nearly all the time, and would have them again at once: the other
 * one would wait for ever without a queue. */
static void watch(struct tape *tape)
{
	(void)pthread_mutex_lock(&tape->next);
	(void)pthread_mutex_lock(&tape->watching);
	(void)pthread_mutex_unlock(&tape->next);
}

/* Asked by the writer, in its thread, once the payload is in the file. */
static bool ask_whole(void *user, struct chunk *chunk)
{
	struct tape *tape = user;
	bool is_whole;

	/* It is the thread that has the observers, or that one waits. */
	if (tape->is_quick)
		return tape->plan.is_whole(tape->plan.user, chunk);
	watch(tape);
	is_whole = tape->plan.is_whole(tape->plan.user, chunk);
	(void)pthread_mutex_unlock(&tape->watching);
	return is_whole;
}

/* All that waits; with the lock. */
static struct chunk *take_all(struct tape *tape)
{
	struct chunk *first = tape->first;

	tape->first = NULL;
	tape->last = &tape->first;
	return first;
}

static bool has_work(const struct tape *tape)
{
	if (tape->is_ending || tape->snapshots)
		return true;
	return !tape->plan.snapshot_ns && tape->first;
}

static void write_all(struct tape *tape, struct chunk *chunk)
{
	while (chunk) {
		struct chunk *next = chunk->next;

		write_one(tape, chunk);
		chunk = next;
	}
}

/* The disk need not wait for a small write in between. Who waits for the back-log to become less has only just
 * been told. */
static bool comes_soon(struct tape *tape)
{
	struct timespec until;
	int r = 0;

	(void)pthread_mutex_lock(&tape->lock);
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += MORE_NS;
	until.tv_sec += until.tv_nsec / SECOND;
	until.tv_nsec %= SECOND;
	while (r == 0 && tape->was_waited_for && !has_work(tape))
		r = pthread_cond_timedwait(&tape->work, &tape->lock, &until);
	tape->was_waited_for = false;
	r = has_work(tape);
	(void)pthread_mutex_unlock(&tape->lock);
	return r;
}

/* What is under way lands meanwhile, and who waited for that may have more. */
static bool is_more_waiting(struct tape *tape)
{
	bool is_more = comes_soon(tape);

	while (!is_more && tape->has_file && writer_is_busy(&tape->writer)) {
		int r = writer_land(&tape->writer);

		if (r < 0)
			fail(tape, r, NULL);
		is_more = comes_soon(tape);
	}
	return is_more;
}

static void *run(void *user)
{
	struct tape *tape = user;
	bool is_ending = false;

	while (!is_ending) {
		struct chunk *chunk;

		(void)pthread_mutex_lock(&tape->lock);
		while (!has_work(tape))
			(void)pthread_cond_wait(&tape->work, &tape->lock);
		is_ending = tape->is_ending;
		tape->snapshots = 0;
		chunk = take_all(tape);
		(void)pthread_mutex_unlock(&tape->lock);

		write_all(tape, chunk);
		if (tape->plan.snapshot_ns || is_ending)
			end_file(tape);
		else if (!is_more_waiting(tape))
			flush(tape);
		check_name(tape);
	}
	return NULL;
}

/*
 * The other side
 */

/* A thread that has to be woken for each chunk takes longer than this, and finds it in no cache. */
static void write_here(struct tape *tape, struct chunk *chunk)
{
	(void)pthread_mutex_lock(&tape->lock);
	account(tape, chunk);
	(void)pthread_mutex_unlock(&tape->lock);
	write_one(tape, chunk);
	fill(tape);
	flush(tape);
	check_name(tape);
}

static void send(struct tape *tape, struct chunk *chunk)
{
	(void)atomic_fetch_add(&tape->backlog, chunk->size + chunk->payload_size);
	chunk->next = NULL;
	if (tape->is_quick) {
		write_here(tape, chunk);
		return;
	}
	(void)pthread_mutex_lock(&tape->lock);
	account(tape, chunk);
	*tape->last = chunk;
	tape->last = &chunk->next;
	(void)pthread_cond_signal(&tape->work);
	(void)pthread_mutex_unlock(&tape->lock);
}

static void send_open(struct tape *tape)
{
	struct chunk *chunk = tape->open;

	if (!chunk || chunk->count == 0)
		return;
	tape->open = NULL;
	send(tape, chunk);
}

/* 1; 0; -E2BIG */
static int open_chunk(struct tape *tape, size_t payload)
{
	size_t size = chunk_message_size(payload);

	if (size > tape->plan.memory_max || size > UINT32_MAX / 2)
		return -E2BIG;
	(void)pthread_mutex_lock(&tape->lock);
	if (tape->error == 0)
		tape->open = take_chunk(tape, size);
	(void)pthread_mutex_unlock(&tape->lock);
	if (tape->open && tape->is_quick && tape->has_file)
		tape->open->room = writer_room(&tape->writer);
	tape->open_ns = now_ns();
	return tape->open != NULL;
}

struct addition {
	struct chunk *chunk;
	const struct chunk_message *messages;
	unsigned count;
};

static int add_some(void *user)
{
	const struct addition *what = user;

	return chunk_add_many(what->chunk, what->messages, what->count);
}

/* How many; -ENOMEM; -EFAULT: one is gone, and the chunk is as it was. */
static int add(struct tape *tape, const struct chunk_message *messages, unsigned count)
{
	struct addition what = {tape->open, messages, count};
	const struct chunk before = *tape->open;
	int r = chunk_make_room(tape->open, count);

	if (r == 0)
		r = touch_run(add_some, &what);
	if (r == -EFAULT) {
		tape->open->count = before.count;
		tape->open->size = before.size;
		tape->open->start = before.start;
		tape->open->end = before.end;
	}
	return r;
}

int tape_add(struct tape *tape, const struct chunk_message *message)
{
	int r = 1;

	if (tape->open && !chunk_has_room(tape->open, message->size)) {
		send_open(tape);
		if (tape->open) { /* an empty one that is too small */
			(void)pthread_mutex_lock(&tape->lock);
			give_back(tape, tape->open);
			(void)pthread_mutex_unlock(&tape->lock);
			tape->open = NULL;
		}
	}
	if (!tape->open)
		r = open_chunk(tape, message->size);
	if (r <= 0)
		return r;
	r = add(tape, message, 1);
	if (r <= 0)
		return r < 0 ? r : -ENOMEM;
	tape->counts.messages++;
	tape->counts.bytes += message->size;
	return 1;
}

unsigned tape_add_many(struct tape *tape, const struct chunk_message *messages, unsigned count)
{
	int r = tape->open ? add(tape, messages, count) : 0;

	if (r <= 0)
		return 0;
	for (int i = 0; i < r; i++)
		tape->counts.bytes += messages[i].size;
	tape->counts.messages += (unsigned)r;
	return (unsigned)r;
}

void tape_drop_last(struct tape *tape, unsigned count)
{
	struct chunk *chunk = tape->open;
	size_t before;

	if (count == 0)
		return;
	before = chunk->size;
	chunk_drop_last(chunk, count);
	tape->counts.messages -= count;
	tape->counts.bytes -= before - chunk->size - count * MCAP_MESSAGE_HEAD;
	if (chunk->count == 0)
		chunk_reset(chunk);
}

bool tape_can_refer(const struct tape *tape, const void *payload, size_t size)
{
	return size >= REFER_SIZE && !tape->plan.never_refer && !tape->plan.snapshot_ns &&
	       tape->plan.compression == COMPRESSION_NONE && (uintptr_t)payload % tape->align == 0;
}

bool tape_is_busy(const struct tape *tape)
{
	return !tape->plan.snapshot_ns && atomic_load(&tape->backlog) >= REFER_BACKLOG;
}

uint64_t tape_backlog(const struct tape *tape)
{
	return atomic_load(&tape->backlog);
}

bool tape_is_settled(const struct tape *tape)
{
	return atomic_load(&tape->referred) == 0;
}

void tape_wait(struct tape *tape, int64_t deadline_ns)
{
	const struct timespec deadline = {deadline_ns / SECOND, deadline_ns % SECOND};
	int r = 0;

	(void)pthread_mutex_lock(&tape->lock);
	tape->is_waited_for = true;
	tape->was_waited_for = true;
	while (r == 0 && tape->error == 0 && atomic_load(&tape->backlog) > tape->less_backlog)
		r = pthread_cond_timedwait(&tape->less, &tape->lock, &deadline);
	tape->is_waited_for = false;
	(void)pthread_mutex_unlock(&tape->lock);
}

int tape_refer(struct tape *tape, const struct chunk_message *message, uint64_t ticket,
	       uint64_t sequence)
{
	struct chunk *chunk;
	int r;

	(void)pthread_mutex_lock(&tape->lock);
	chunk = tape->error == 0 && tape->memory + HEAD_CHUNK_SIZE <= tape->plan.memory_max
			? chunk_open(HEAD_CHUNK_SIZE)
			: NULL;
	(void)pthread_mutex_unlock(&tape->lock);
	if (!chunk)
		return 0;
	r = chunk_refer(chunk, message);
	if (r < 0) {
		chunk_close(chunk);
		return r;
	}
	chunk->is_whole = ask_whole;
	chunk->ticket = ticket;
	chunk->sequence = sequence;
	(void)atomic_fetch_add(&tape->referred, 1);
	/* From now on the tape's thread may ask. */
	if (!tape->is_locked)
		tape_lock(tape);
	tape->counts.messages++;
	tape->counts.bytes += message->size;
	tape->counts.direct++;
	send(tape, chunk);
	return 1;
}

void tape_lock(struct tape *tape)
{
	if (atomic_load(&tape->referred) == 0)
		return;
	watch(tape);
	tape->is_locked = true;
}

void tape_unlock(struct tape *tape)
{
	if (!tape->is_locked)
		return;
	tape->is_locked = false;
	(void)pthread_mutex_unlock(&tape->watching);
}

/* Chunks of a snapshot's window go when they are too old. */
static void forget_old(struct tape *tape, const struct chunk *newest)
{
	uint64_t window = (uint64_t)tape->plan.snapshot_ns;

	(void)pthread_mutex_lock(&tape->lock);
	while (tape->first && newest->end > window && tape->first->end < newest->end - window)
		forget_first(tape);
	(void)pthread_mutex_unlock(&tape->lock);
}

void tape_tick(struct tape *tape, int64_t now)
{
	if (!tape->open || tape->open->count == 0)
		return;
	if (tape->plan.snapshot_ns)
		forget_old(tape, tape->open);
	if (now - tape->open_ns >= OPEN_NS || tape->open->size >= tape->plan.chunk_size)
		send_open(tape);
}

int tape_check(struct tape *tape, struct tape_error *error)
{
	int r;

	(void)pthread_mutex_lock(&tape->lock);
	r = tape->error;
	if (r < 0)
		(void)snprintf(error->text, sizeof(error->text), "%s", tape->sentence);
	(void)pthread_mutex_unlock(&tape->lock);
	return r;
}

void tape_snapshot(struct tape *tape)
{
	send_open(tape);
	(void)pthread_mutex_lock(&tape->lock);
	tape->snapshots++;
	(void)pthread_cond_signal(&tape->work);
	(void)pthread_mutex_unlock(&tape->lock);
}

void tape_count(struct tape *tape, struct tape_counts *ret)
{
	(void)pthread_mutex_lock(&tape->lock);
	*ret = tape->counts;
	ret->memory = tape->memory;
	ret->bytes -= tape->lost_bytes;
	ret->direct -= tape->lost_direct;
	(void)pthread_mutex_unlock(&tape->lock);
	ret->backlog = atomic_load(&tape->backlog);
}

/*
 * Definitions
 */

static int define(struct tape *tape, const void *content, size_t size, bool is_schema)
{
	struct definition *larger;
	unsigned char *copy = malloc(size ? size : 1);

	if (!copy)
		return -ENOMEM;
	(void)put_bytes(copy, content, size);
	(void)pthread_mutex_lock(&tape->lock);
	larger = realloc(tape->definitions, (tape->definitions_count + 1) * sizeof(*larger));
	if (larger) {
		tape->definitions = larger;
		larger[tape->definitions_count++] = (struct definition){copy, size, is_schema};
	}
	(void)pthread_mutex_unlock(&tape->lock);
	if (!larger)
		free(copy);
	return larger ? 0 : -ENOMEM;
}

int tape_add_schema(struct tape *tape, const void *content, size_t size)
{
	return define(tape, content, size, true);
}

int tape_add_channel(struct tape *tape, const void *content, size_t size)
{
	return define(tape, content, size, false);
}

/*
 * Its life
 */

static void destroy(struct tape *tape)
{
	while (tape->free)
		drop_free(tape);
	chunk_close(tape->open);
	for (size_t i = 0; i < tape->definitions_count; i++)
		free(tape->definitions[i].content);
	free(tape->definitions);
	free(tape->file);
	free(tape->path);
	(void)pthread_mutex_destroy(&tape->lock);
	(void)pthread_mutex_destroy(&tape->watching);
	(void)pthread_mutex_destroy(&tape->next);
	(void)pthread_cond_destroy(&tape->work);
	(void)pthread_cond_destroy(&tape->less);
	free(tape);
}

/* A snapshot is much at once, and to compress takes time; so does the kernel for pages of 4 KiB. */
static bool is_quick(const struct tape *tape)
{
	return tape->has_file && tape->plan.compression == COMPRESSION_NONE &&
	       mount_has_large_pages(tape->writer.output.fd);
}

static int start(struct tape *tape)
{
	/* What cannot be written at all is told at once. */
	int r = tape->plan.snapshot_ns ? 0 : begin_file(tape);

	tape->align = tape->has_file ? tape->writer.output.align : 1;
	tape->is_quick = is_quick(tape);
	if (r == 0)
		r = -pthread_create(&tape->thread, NULL, run, tape);
	if (r < 0 && tape->has_file)
		writer_close(&tape->writer);
	return r;
}

/* Who takes messages may have a higher priority than who writes them, and lends it to him while he
 * has the lock. */
static void init_lending(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attributes;

	(void)pthread_mutexattr_init(&attributes);
	(void)pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
	(void)pthread_mutex_init(mutex, &attributes);
	(void)pthread_mutexattr_destroy(&attributes);
}

static void init_clocked(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;

	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(cond, &attributes);
	(void)pthread_condattr_destroy(&attributes);
}

int tape_open(struct tape **ret, const struct tape_plan *plan, struct tape_error *error)
{
	struct tape *tape = calloc(1, sizeof(*tape));
	int r;

	if (!tape)
		return -ENOMEM;
	tape->plan = *plan;
	/* As chunk_open rounds it. */
	tape->plan.chunk_size = (plan->chunk_size + OUTPUT_ALIGN_MAX - 1) &
				~(uint64_t)(OUTPUT_ALIGN_MAX - 1);
	tape->last = &tape->first;
	tape->less_backlog = REFER_BACKLOG - OUTPUT_BATCH_SIZE;
	init_lending(&tape->lock);
	init_lending(&tape->watching);
	init_lending(&tape->next);
	init_clocked(&tape->work);
	init_clocked(&tape->less);
	tape->path = strdup(plan->path);
	r = tape->path ? start(tape) : -ENOMEM;
	if (r < 0) {
		(void)snprintf(error->text, sizeof(error->text), "%s",
			       *tape->sentence ? tape->sentence : strerror(-r));
		destroy(tape);
		return r;
	}
	*ret = tape;
	return 0;
}

int tape_close(struct tape *tape, struct tape_counts *ret_counts, struct tape_error *error)
{
	int r;

	tape_unlock(tape);
	send_open(tape);
	(void)pthread_mutex_lock(&tape->lock);
	tape->is_ending = true;
	(void)pthread_cond_signal(&tape->work);
	(void)pthread_mutex_unlock(&tape->lock);
	(void)pthread_join(tape->thread, NULL);
	tape_count(tape, ret_counts);
	r = tape_check(tape, error);
	destroy(tape);
	return r;
}
