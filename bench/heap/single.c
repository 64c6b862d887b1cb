/* SPDX-License-Identifier: Apache-2.0 */
#include "work.h"

#include <string.h>

/* One object of 64 bytes, again and again. */
void run_hot(void)
{
	for (int i = 0; i < 25000000; i++) {
		char *volatile p = malloc(64);

		*p = (char)i;
		free(p);
	}
}

/* A compiler's or a script's day: trees of small nodes with texts are built, read and dropped. */
struct node {
	struct node *left, *right;
	char *text;
	int key;
};

static struct node *insert(struct node *node, int key, uint64_t *state)
{
	if (!node) {
		size_t size = 8 + random_below(state, 56);

		node = calloc(1, sizeof(*node));
		node->key = key;
		node->text = malloc(size);
		memset(node->text, key, size);
		return node;
	}
	if (key < node->key)
		node->left = insert(node->left, key, state);
	else
		node->right = insert(node->right, key, state);
	return node;
}

static int drop(struct node *node)
{
	int sum;

	if (!node)
		return 0;
	sum = node->text[0] + drop(node->left) + drop(node->right);
	free(node->text);
	free(node);
	return sum;
}

void run_tree(void)
{
	uint64_t state = SEED(1);
	volatile int sum = 0;

	for (int round = 0; round < 1200; round++) {
		struct node *root = NULL;

		for (int i = 0; i < 700; i++)
			root = insert(root, (int)random_below(&state, 1 << 30), &state);
		sum += drop(root);
	}
}

/* Ten thousand objects of random sizes, of which a random one is replaced each time. */
static void replace(char **object, uint32_t count, uint64_t *state, int times)
{
	for (int i = 0; i < times; i++) {
		uint32_t at = random_below(state, count);
		size_t size = random_size(state);

		free(object[at]);
		object[at] = malloc(size);
		object[at][0] = object[at][size - 1] = (char)i;
	}
}

void run_random(void)
{
	static char *object[10000];
	uint64_t state = SEED(2);

	replace(object, 10000, &state, 4000000);
	for (int i = 0; i < 10000; i++)
		free(object[i]);
}

/* Much is allocated, a part is dropped in another order, more is allocated, all is dropped. */
void run_phases(void)
{
	enum {
		COUNT = 60000
	};
	static char *object[COUNT];
	uint64_t state = SEED(3);

	for (int round = 0; round < 8; round++) {
		for (int i = 0; i < COUNT; i++) {
			object[i] = malloc(16 + random_below(&state, 400));
			*object[i] = (char)i;
		}
		for (int i = 0; i < COUNT; i += 3) {
			free(object[i]);
			object[i] = NULL;
		}
		for (int i = COUNT - 1; i >= 0; i--)
			if (i % 3 == 1) {
				free(object[i]);
				object[i] = malloc(64);
				*object[i] = (char)i;
			}
		for (int i = 0; i < COUNT; i++)
			free(object[i]);
	}
}

/* Texts and tables that grow while others are there. */
void run_grow(void)
{
	enum {
		COUNT = 64
	};
	char *buffer[COUNT] = {NULL};
	size_t size[COUNT] = {0};
	uint64_t state = SEED(4);

	for (int i = 0; i < 1500000; i++) {
		uint32_t at = random_below(&state, COUNT);
		size_t more = 16 + size[at] / 4;

		buffer[at] = realloc(buffer[at], size[at] + more);
		memset(buffer[at] + size[at], i, more < 256 ? more : 256);
		size[at] += more;
		if (size[at] > (random_below(&state, 16) ? 20000u : 1000000u)) {
			free(buffer[at]);
			buffer[at] = NULL;
			size[at] = 0;
		}
	}
	for (int i = 0; i < COUNT; i++)
		free(buffer[i]);
}

/* Buffers and pictures: few, and large. */
void run_large(void)
{
	static char *object[60];
	uint64_t state = SEED(5);

	for (int i = 0; i < 800000; i++) {
		uint32_t at = random_below(&state, 60);
		size_t size = 4096 + random_below(&state, random_below(&state, 8) ? 60000 : 500000);

		free(object[at]);
		object[at] = malloc(size);
		for (size_t k = 0; k < size; k += 4096)
			object[at][k] = (char)i;
	}
	for (int i = 0; i < 60; i++)
		free(object[i]);
}
