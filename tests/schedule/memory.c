/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <stddef.h>
#include <string.h>

#define ACTORS 8
#define BUFFER 64
#define HISTORY 48
#define MESSAGES 2000
#define VIEW (MEMORY_WORDS + ACTORS)

static enum model model;
static unsigned (*choose_one)(unsigned count);
static const char *wrong;

static uint64_t read_now(const void *address, unsigned size)
{
	return size == 4 ? *(const volatile uint32_t *)address
			 : *(const volatile uint64_t *)address;
}

static void write_now(void *address, unsigned size, uint64_t value)
{
	if (size == 4)
		*(volatile uint32_t *)address = (uint32_t)value;
	else
		*(volatile uint64_t *)address = value;
}

/*
 * Buffered
 */

struct store {
	void *address;
	uint64_t value;
	unsigned size;
	unsigned word;
};

static struct {
	struct store store[BUFFER];
	unsigned first;
	unsigned count;
} buffers[ACTORS];
static unsigned char waiting[MEMORY_WORDS]; /* stores of this word in all buffers */

static struct store *buffered(unsigned actor, unsigned i)
{
	return &buffers[actor].store[(buffers[actor].first + i) % BUFFER];
}

/* The oldest `count` stores leave. */
static void leave(unsigned actor, unsigned count)
{
	for (; count; count--) {
		struct store *store = buffered(actor, 0);

		write_now(store->address, store->size, store->value);
		waiting[store->word]--;
		buffers[actor].first++;
		buffers[actor].count--;
	}
}

static void buffer_store(unsigned actor, unsigned word, void *address, unsigned size,
			 uint64_t value)
{
	if (buffers[actor].count == BUFFER)
		leave(actor, 1);
	*buffered(actor, buffers[actor].count++) = (struct store){address, value, size, word};
	waiting[word]++;
}

/* The youngest store of this word in the actor's own buffer. */
static bool find_own(unsigned actor, unsigned word, uint64_t *ret_value)
{
	for (unsigned i = buffers[actor].count; i-- > 0;)
		if (buffered(actor, i)->word == word) {
			*ret_value = buffered(actor, i)->value;
			return true;
		}
	return false;
}

/* Somebody else's stores of this word wait: how many of them are to be found? All, the first. */
static void let_leave(unsigned actor, unsigned word)
{
	unsigned count = 1, left = 0, ends[BUFFER];

	for (unsigned i = 0; i < buffers[actor].count; i++)
		if (buffered(actor, i)->word == word)
			ends[left++] = i + 1;
	if (left == 0)
		return;
	count += left;
	left -= choose_one(count);
	if (left)
		leave(actor, ends[left - 1]);
}

static uint64_t buffer_load(unsigned actor, unsigned word, const void *address, unsigned size)
{
	uint64_t value;

	if (waiting[word] == 0)
		return read_now(address, size);
	if (find_own(actor, word, &value))
		return value;
	for (unsigned other = 0; other < ACTORS; other++)
		let_leave(other, word);
	return read_now(address, size);
}

/*
 * Weak
 */

struct view {
	unsigned char at[VIEW]; /* of each word: index in its history; then each actor's reads */
};

struct message {
	uint64_t value;
	struct view view;
};

static struct history {
	unsigned execution; /* that this is of */
	unsigned count;
	unsigned char reads[ACTORS]; /* payload: the last read of each actor */
	struct message *message[HISTORY];
} histories[MEMORY_WORDS];
static unsigned execution;
static struct message messages[MESSAGES]; /* of all words, in the order of their stores */
static unsigned message_count;

static struct {
	struct view now;
	struct view acquired; /* after the next acquire fence */
	struct view released; /* at the last release fence */
} views[ACTORS];
static struct view common;

static void join(struct view *to, const struct view *from)
{
	for (unsigned i = 0; i < VIEW; i++)
		to->at[i] = to->at[i] > from->at[i] ? to->at[i] : from->at[i];
}

static struct message *add_message(struct history *h, uint64_t value, const struct view *view)
{
	struct message *message = &messages[message_count];

	if (h->count == HISTORY || message_count == MESSAGES - 1) {
		wrong = "too many stores for this test";
		return message;
	}
	message_count++;
	h->message[h->count++] = message;
	message->value = value;
	message->view = *view;
	return message;
}

static struct history *history_of(unsigned word, const void *address, unsigned size)
{
	static const struct view nothing;
	struct history *h = &histories[word];

	if (h->execution != execution) {
		h->execution = execution;
		h->count = 0;
		memset(h->reads, 0, sizeof(h->reads));
		(void)add_message(h, read_now(address, size), &nothing);
	}
	return h;
}

static uint64_t read_payload(unsigned actor, unsigned word, struct history *h)
{
	struct view *now = &views[actor].now;

	if (now->at[word] + 1u != h->count)
		wrong = "payload is read without being ordered after its last store";
	h->reads[actor] = ++now->at[MEMORY_WORDS + actor];
	return h->message[h->count - 1]->value;
}

static uint64_t weak_load(unsigned actor, unsigned word, const void *address, unsigned size,
			  enum order order)
{
	struct history *h = history_of(word, address, size);
	struct view *now = &views[actor].now;
	unsigned oldest = now->at[word];
	unsigned found;

	if (order == ORDER_PLAIN)
		return read_payload(actor, word, h);
	if (order == ORDER_seq_cst && common.at[word] > oldest)
		oldest = common.at[word];
	found = h->count - 1;
	if (found > oldest)
		found -= choose_one(h->count - oldest);
	now->at[word] = (unsigned char)found;
	if (order == ORDER_acquire || order == ORDER_seq_cst)
		join(now, &h->message[found]->view);
	else
		join(&views[actor].acquired, &h->message[found]->view);
	if (order == ORDER_seq_cst)
		common.at[word] = (unsigned char)found;
	return h->message[found]->value;
}

static void write_payload(unsigned actor, const struct history *h)
{
	for (unsigned i = 0; i < ACTORS; i++)
		if (i != actor && h->reads[i] > views[actor].now.at[MEMORY_WORDS + i])
			wrong = "payload is written without being ordered after a read";
}

static void append(unsigned actor, unsigned word, void *address, unsigned size, uint64_t value,
		   const struct view *view)
{
	struct history *h = &histories[word];
	struct message *message = add_message(h, value, view);

	views[actor].now.at[word] = (unsigned char)(h->count - 1);
	message->view.at[word] = views[actor].now.at[word];
	write_now(address, size, value);
}

static void weak_store(unsigned actor, unsigned word, void *address, unsigned size, uint64_t value,
		       enum order order)
{
	const struct history *h = history_of(word, address, size);
	bool releases = order == ORDER_release || order == ORDER_seq_cst;

	if (order == ORDER_PLAIN)
		write_payload(actor, h);
	append(actor, word, address, size, value,
	       releases ? &views[actor].now : &views[actor].released);
	if (order == ORDER_seq_cst)
		common.at[word] = views[actor].now.at[word];
}

static uint64_t weak_add(unsigned actor, unsigned word, void *address, uint64_t value)
{
	struct history *h = history_of(word, address, 8);
	uint64_t before = h->message[h->count - 1]->value;

	join(&views[actor].now, &h->message[h->count - 1]->view);
	append(actor, word, address, 8, before + value, &views[actor].now);
	common.at[word] = views[actor].now.at[word];
	return before;
}

static void weak_fence(unsigned actor, enum order order)
{
	struct view *now = &views[actor].now;

	if (order != ORDER_release)
		join(now, &views[actor].acquired);
	if (order == ORDER_seq_cst) {
		join(now, &common);
		common = *now;
	}
	if (order != ORDER_acquire)
		views[actor].released = *now;
}

/*
 * All
 */

void memory_begin(enum model which, unsigned (*choose)(unsigned count))
{
	model = which;
	choose_one = choose;
	wrong = NULL;
	if (model == MODEL_BUFFERED) {
		for (unsigned i = 0; i < ACTORS; i++)
			buffers[i].count = 0;
		memset(waiting, 0, sizeof(waiting));
	} else if (model == MODEL_WEAK) {
		execution++;
		message_count = 0;
		memset(views, 0, sizeof(views));
		memset(&common, 0, sizeof(common));
	}
}

uint64_t memory_load(unsigned actor, unsigned word, const void *address, unsigned size,
		     enum order order)
{
	if (model == MODEL_ORDERED)
		return read_now(address, size);
	if (model == MODEL_BUFFERED)
		return buffer_load(actor, word, address, size);
	return weak_load(actor, word, address, size, order);
}

void memory_store(unsigned actor, unsigned word, void *address, unsigned size, uint64_t value,
		  enum order order)
{
	if (model == MODEL_WEAK) {
		weak_store(actor, word, address, size, value, order);
		return;
	}
	if (model == MODEL_BUFFERED && order != ORDER_seq_cst) {
		buffer_store(actor, word, address, size, value);
		return;
	}
	memory_fence(actor, ORDER_seq_cst);
	write_now(address, size, value);
}

uint64_t memory_add(unsigned actor, unsigned word, void *address, uint64_t value)
{
	uint64_t before;

	if (model == MODEL_WEAK)
		return weak_add(actor, word, address, value);
	memory_fence(actor, ORDER_seq_cst);
	before = read_now(address, 8);
	write_now(address, 8, before + value);
	return before;
}

void memory_fence(unsigned actor, enum order order)
{
	if (model == MODEL_WEAK)
		weak_fence(actor, order);
	else if (model == MODEL_BUFFERED && order == ORDER_seq_cst)
		leave(actor, buffers[actor].count);
}

/* Whatever was done before it by anybody is seen by everybody after it. */
void memory_barrier(unsigned actors)
{
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < actors; i++)
			memory_fence(i, ORDER_seq_cst);
}

void memory_learn(unsigned actor, unsigned dead)
{
	if (model == MODEL_WEAK)
		join(&views[actor].now, &views[dead].now);
	else if (model == MODEL_BUFFERED)
		leave(dead, buffers[dead].count);
}

void memory_settle(void)
{
	for (unsigned i = 0; model == MODEL_BUFFERED && i < ACTORS; i++)
		leave(i, buffers[i].count);
}

const char *memory_wrong(void)
{
	return wrong;
}
