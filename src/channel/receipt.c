/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/receipt.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FILE_WORDS (sizeof(((struct loan_shared *)0)->file) / sizeof(uint64_t))
static_assert(sizeof(((struct floe_loan_info *)0)->file) == FILE_WORDS * 8, "copied as a whole");

/* The end of a path says more than its beginning. */
static void copy_end(char *to, size_t size, const char *text)
{
	size_t length = strlen(text);

	memset(to, 0, size);
	if (length >= size)
		text += length - (size - 1);
	memcpy(to, text, strlen(text));
}

void receipt_write(struct loan_shared *receipt, uint64_t ticket, const struct floe_loan_info *info,
		   const char *file)
{
	uint64_t words[FILE_WORDS] = {0};

	if (file)
		copy_end((char *)words, sizeof(words), file);
	store_relaxed(&receipt->ticket, 0);
	/* Pairs with the acquire fence in receipt_read: who sees a word of it sees that it changes. */
	fence_release();
	store_relaxed(&receipt->size, info->size);
	store_relaxed(&receipt->since_ns, info->since_ns);
	store_relaxed(&receipt->place, (uint64_t)info->exact << 32 | info->line);
	words_store(receipt->file, words, FILE_WORDS);
	/* Pairs with the acquire in receipt_read. Dying before it: the loan is not told. */
	store_release(&receipt->ticket, ticket);
}

void receipt_erase(struct loan_shared *receipt)
{
	store_relaxed(&receipt->ticket, 0);
}

int receipt_read(const struct loan_shared *receipt, struct floe_loan_info *ret_info)
{
	uint64_t ticket = load_acquire(&receipt->ticket);
	struct floe_loan_info info = {0};
	uint64_t words[FILE_WORDS], place;

	if (ticket == 0)
		return 0;
	info.size = load_relaxed(&receipt->size);
	info.since_ns = load_relaxed(&receipt->since_ns);
	place = load_relaxed(&receipt->place);
	words_load(words, receipt->file, FILE_WORDS);
	fence_acquire();
	if (load_relaxed(&receipt->ticket) != ticket)
		return 0;
	info.line = (uint32_t)place;
	info.exact = place >> 32 & 1;
	memcpy(info.file, words, sizeof(info.file));
	info.file[sizeof(info.file) - 1] = 0;
	*ret_info = info;
	return 1;
}

void receipt_place(const void *address, char *ret_text, size_t size)
{
	const char *name;
	Dl_info found;

	ret_text[0] = 0;
	if (!dladdr(address, &found) || !found.dli_fname)
		return;
	name = strrchr(found.dli_fname, '/');
	(void)snprintf(ret_text, size, "%.18s+0x%" PRIxPTR, name ? name + 1 : found.dli_fname,
		       (uintptr_t)address - (uintptr_t)found.dli_fbase);
}
