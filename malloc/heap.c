/* SPDX-License-Identifier: Apache-2.0 */
#include "heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc/sites.h"
#include "os/os.h"

/* Of the report on samples at the end. */
#define REPORT_SIZE (1 << 20)

static struct lock making;
static struct heap *the_heap;
/* Written after the_heap, so that who sees it sees a whole heap. */
static shared_u32 made;

/* Only if FLOE_MALLOC_TELL is in the environment: standard error is the program's. */
static void tell(void *user, const char *sentence)
{
	(void)user;
	(void)!write(STDERR_FILENO, "floe-malloc: ", 13);
	(void)!write(STDERR_FILENO, sentence, strlen(sentence));
	(void)!write(STDERR_FILENO, "\n", 1);
}

/* heap_create sets the_heap before it registers for fork, which may allocate. */
static void make(void)
{
	struct heap_plan plan = {
		.source = {.fd = -1},
		.system = true,
		.tell = os->get_variable("FLOE_MALLOC_TELL") ? tell : NULL,
	};

	lock_take(&making);
	if (!the_heap)
		(void)heap_create(&the_heap, &plan, NULL);
	if (the_heap)
		/* Pairs with the acquire in malloc_heap. */
		store_release(&made, 1);
	lock_give(&making);
}

struct heap *malloc_heap(void)
{
	/* Pairs with the release in make. */
	if (floe_unlikely(!load_acquire(&made)) && !the_heap)
		make();
	return the_heap;
}

void *malloc_slow(size_t size)
{
	struct heap *heap = malloc_heap();

	if (floe_likely(heap))
		return heap_alloc_slow(heap, size);
	errno = ENOMEM;
	return NULL;
}

/* What the system says while pages are given back is not the caller's business. */
void free_slow(void *p)
{
	struct heap *heap;
	int before;

	if (!p)
		return;
	heap = malloc_heap();
	before = errno;
	if (heap)
		heap_free_slow(heap, p);
	errno = before;
}

/* FLOE_MALLOC_SAMPLE=BYTES: what is allocated at the end goes to standard error, by where it was. Not
 * in make: taking the first stack allocates. */
__attribute__((constructor)) static void begin_samples(void)
{
	const char *every = os->get_variable("FLOE_MALLOC_SAMPLE");
	struct heap *heap = every ? malloc_heap() : NULL;

	if (heap)
		(void)sample_begin(heap, strtoul(every, NULL, 0));
}

__attribute__((destructor)) static void tell_samples(void)
{
	static char buffer[REPORT_SIZE];
	struct text text = {.buffer = buffer, .size = sizeof(buffer)};

	if (!the_heap || !load_relaxed(&the_heap->sample_every))
		return;
	sites_add_lines(the_heap, &text);
	(void)!write(STDERR_FILENO, buffer, strlen(buffer));
}
