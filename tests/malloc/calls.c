/* SPDX-License-Identifier: Apache-2.0 */
/* The drop-in malloc under a program of its own: what the standards and glibc promise about each
 * call, and what must survive: fork, the end of threads, libraries that come and go. */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frame/frame.h"

/* The compiler knows what these do, and leaves calls out whose results it can tell. */
static void *(*volatile my_malloc)(size_t) = malloc;
static void *(*volatile my_calloc)(size_t, size_t) = calloc;
static void *(*volatile my_realloc)(void *, size_t) = realloc;
static void (*volatile my_free)(void *) = free;

static void it_is_the_one_that_is_tested(void)
{
	Dl_info info;
	void *p;

	memcpy(&p, (const void *)&my_malloc, sizeof(p));
	expect(dladdr(p, &info));
	expect(strstr(info.dli_fname, "libfloe-malloc.so"));
}

static void sizes_that_cannot_be_are_enomem(void)
{
	volatile size_t half = SIZE_MAX / 2;
	void *p = my_malloc(10);

	errno = 0;
	expect(!my_malloc(SIZE_MAX) && errno == ENOMEM);
	errno = 0;
	expect(!my_malloc((size_t)PTRDIFF_MAX + 1) && errno == ENOMEM);
	errno = 0;
	expect(!my_calloc(SIZE_MAX / 2, 3) && errno == ENOMEM);
	errno = 0;
	expect(!my_realloc(p, SIZE_MAX - 4096) && errno == ENOMEM);
	errno = 0;
	expect(!reallocarray(p, half, 3) && errno == ENOMEM);
	expect(malloc_usable_size(p) >= 10);
	my_free(p);
}

static void nothing_has_an_address_of_its_own(void)
{
	void *p = my_malloc(0), *q = my_malloc(0), *r = my_calloc(0, 5);

	expect(p && q && r && p != q && q != r);
	expect(!my_realloc(p, 0));
	my_free(q);
	my_free(r);
	my_free(NULL);
	expect(malloc_usable_size(NULL) == 0);
}

static void alignment_is_kept_or_refused(void)
{
	volatile size_t crooked = 24; /* so that the compiler does not know it */
	volatile size_t half = SIZE_MAX / 2;
	void *p = &p;

	for (size_t alignment = 8; alignment <= 1 << 22; alignment *= 2)
		for (size_t size = 1; size < 100000; size = size * 3 + 1) {
			expect(posix_memalign(&p, alignment, size) == 0);
			expect((uintptr_t)p % alignment == 0 && malloc_usable_size(p) >= size);
			memset(p, 1, size);
			my_free(p);
			p = aligned_alloc(alignment, size);
			expect(p && (uintptr_t)p % alignment == 0);
			my_free(p);
			p = memalign(alignment, size);
			expect(p && (uintptr_t)p % alignment == 0);
			my_free(p);
		}
	expect(posix_memalign(&p, 4, 1) == EINVAL);
	expect(posix_memalign(&p, 48, 1) == EINVAL);
	expect(posix_memalign(&p, 0, 1) == EINVAL);
	expect(posix_memalign(&p, 64, 2 * half) == ENOMEM);
	expect(!aligned_alloc(crooked, 1) && errno == EINVAL);
	p = valloc(10);
	expect(p && (uintptr_t)p % 4096 == 0);
	my_free(p);
	p = pvalloc(10);
	expect(p && (uintptr_t)p % 4096 == 0 && malloc_usable_size(p) >= 4096);
	my_free(p);
	for (size_t size = 1; size < 1 << 20; size += size / 3 + 1) {
		p = my_malloc(size);
		expect((uintptr_t)p % 16 == 0);
		my_free(p);
	}
}

static void calloc_is_zero_also_the_second_time(void)
{
	for (int round = 0; round < 3; round++)
		for (size_t size = 1; size < 4 << 20; size = size * 5 / 2 + 1) {
			unsigned char *p = my_calloc(1, size);

			for (size_t i = 0; i < size; i++)
				expect(p[i] == 0);
			memset(p, 0xff, size);
			my_free(p);
			if (round == 1)
				(void)malloc_trim(0);
		}
}

static void realloc_keeps_what_was_there(void)
{
	unsigned char *p = NULL;
	size_t before = 0;

	for (size_t size = 1; size < 3 << 20; size = size * 3 / 2 + 1) {
		p = my_realloc(p, size);
		for (size_t i = 0; i < before; i++)
			expect(p[i] == (unsigned char)i);
		for (size_t i = before; i < size; i++)
			p[i] = (unsigned char)i;
		before = size;
	}
	for (size_t size = before; size > 1; size = size * 2 / 3) {
		p = my_realloc(p, size);
		for (size_t i = 0; i < size; i++)
			expect(p[i] == (unsigned char)i);
	}
	my_free(p);
}

static void free_keeps_errno(void)
{
	errno = 77;
	for (size_t size = 1; size < 200 << 20; size *= 3)
		my_free(my_malloc(size));
	expect(errno == 77);
	my_free(&errno);
	my_free((void *)16);
	expect(errno == 77);
}

/* Memory that another thread allocated, and that it still had in its cache when it ended. */
static void *fill_list(void *list)
{
	void **p = list;

	for (int i = 0; i < 1000; i++)
		p[i] = my_malloc((size_t)i * 3);
	for (int i = 0; i < 1000; i += 2)
		my_free(p[i]);
	return NULL;
}

static void threads_come_and_go(void)
{
	static void *list[4][1000];
	pthread_t thread[4];

	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < 4; i++)
			expect(pthread_create(&thread[i], NULL, fill_list, list[i]) == 0);
		for (int i = 0; i < 4; i++) {
			expect(pthread_join(thread[i], NULL) == 0);
			for (int k = 1; k < 1000; k += 2)
				my_free(list[i][k]);
		}
	}
}

static pthread_key_t late;

static void free_late(void *p)
{
	my_free(my_malloc(100));
	my_free(p);
}

/* Forty keys: beyond the 32nd pthread_setspecific allocates. */
static void *end_late(void *unused)
{
	for (int i = 0; i < 40; i++) {
		pthread_key_t key;

		expect(pthread_key_create(&key, free_late) == 0);
		expect(pthread_setspecific(key, my_malloc(50)) == 0);
		late = key;
	}
	return unused;
}

static void destructors_of_a_thread_may_allocate(void)
{
	for (int i = 0; i < 5; i++) {
		pthread_t thread;

		expect(pthread_create(&thread, NULL, end_late, NULL) == 0);
		expect(pthread_join(thread, NULL) == 0);
	}
}

/* Before any library has been set up, and before main: what was allocated then stays. */
static char *early[40];

static void allocate_early(void)
{
	for (size_t i = 0; i < TEST_COUNT(early); i++) {
		early[i] = my_calloc(1, 1 + i * 400);
		if (early[i])
			memset(early[i], (int)i, 1 + i * 400);
	}
	my_free(early[0]);
	early[0] = my_realloc(NULL, 100);
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = allocate_early;

static void what_was_allocated_before_any_constructor_is_there(void)
{
	for (size_t i = 1; i < TEST_COUNT(early); i++) {
		expect(early[i]);
		for (size_t k = 0; k <= i * 400; k++)
			expect_equal(early[i][k], (char)i);
		early[i] = my_realloc(early[i], 50000);
		expect_equal(early[i][i * 400], (char)i);
		my_free(early[i]);
	}
	my_free(early[0]);
}

static volatile bool stopping;

static void *allocate_until_told(void *unused)
{
	while (!stopping) {
		void *p[50];

		for (size_t i = 0; i < 50; i++)
			p[i] = my_malloc(i * 300);
		for (size_t i = 0; i < 50; i++)
			my_free(p[i]);
	}
	return unused;
}

static void fork_finds_the_heap_whole(void)
{
	pthread_t thread[2];

	for (int i = 0; i < 2; i++)
		expect(pthread_create(&thread[i], NULL, allocate_until_told, NULL) == 0);
	for (int i = 0; i < 100; i++) {
		pid_t child = fork();
		int status;

		expect(child >= 0);
		if (child == 0) {
			for (size_t k = 0; k < 500; k++)
				my_free(my_malloc(k * 100));
			_exit(0);
		}
		expect(waitpid(child, &status, 0) == child && status == 0);
	}
	stopping = true;
	for (int i = 0; i < 2; i++)
		expect(pthread_join(thread[i], NULL) == 0);
}

static void *load_and_use(void *ret)
{
	char *(*remember)(const char *text);
	void *library = dlopen(getenv("MODULE"), RTLD_NOW | RTLD_LOCAL), *found;

	expect(library);
	found = dlsym(library, "module_remember");
	expect(found);
	memcpy(&remember, &found, sizeof(remember));
	*(char **)ret = remember("of a thread");
	expect(dlclose(library) == 0);
	return NULL;
}

/* In threads that come and go as well: each has its own variables in it. */
static void libraries_come_and_go(void)
{
	for (int i = 0; i < 100; i++) {
		pthread_t thread[2];
		char *text[3] = {NULL};

		for (int k = 0; k < 2; k++)
			expect(pthread_create(&thread[k], NULL, load_and_use, &text[k]) == 0);
		(void)load_and_use(&text[2]);
		for (int k = 0; k < 2; k++)
			expect(pthread_join(thread[k], NULL) == 0);
		for (int k = 0; k < 3; k++) {
			expect(text[k] && !strcmp(text[k], "of a thread"));
			my_free(text[k]);
		}
	}
}

static void what_was_freed_is_given_back(void)
{
	size_t size = 64 << 20;
	unsigned char *p = my_malloc(size);

	memset(p, 1, size);
	my_free(p);
	(void)malloc_trim(0);
	expect(malloc_trim(0) == 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(it_is_the_one_that_is_tested),
		TEST(sizes_that_cannot_be_are_enomem),
		TEST(nothing_has_an_address_of_its_own),
		TEST(alignment_is_kept_or_refused),
		TEST(calloc_is_zero_also_the_second_time),
		TEST(realloc_keeps_what_was_there),
		TEST(free_keeps_errno),
		TEST(what_was_allocated_before_any_constructor_is_there),
		TEST(threads_come_and_go),
		TEST(destructors_of_a_thread_may_allocate),
		TEST(fork_finds_the_heap_whole),
		TEST(libraries_come_and_go),
		TEST(what_was_freed_is_given_back),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
