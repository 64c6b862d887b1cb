/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/sites.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* As "function+12 (program)", or what of it is known. */
static void name_frame(const void *address, char *ret, size_t size)
{
	const char *file, *slash;
	Dl_info info;

	if (!dladdr(address, &info) || !info.dli_fname) {
		(void)snprintf(ret, size, "%p", address);
		return;
	}
	slash = strrchr(info.dli_fname, '/');
	file = slash ? slash + 1 : info.dli_fname;
	if (info.dli_sname)
		(void)snprintf(ret, size, "%s+%zu (%s)", info.dli_sname,
			       (size_t)((uintptr_t)address - (uintptr_t)info.dli_saddr), file);
	else
		(void)snprintf(ret, size, "%s+%#zx", file,
			       (size_t)((uintptr_t)address - (uintptr_t)info.dli_fbase));
}

static const void *find_library(const void *address)
{
	Dl_info info;

	return dladdr(address, &info) ? info.dli_fbase : NULL;
}

/* The allocator's own come first, and say nothing. 0: all are in one library or program with it. */
static uint32_t count_own_frames(const struct sample_site *site)
{
	static const char here;
	const void *own = find_library(&here);
	uint32_t count = 0;

	while (count < site->depth && find_library(site->stack[count]) == own)
		count++;
	return count < site->depth ? count : 0;
}

/* One call for each frame: its name, and whether it is the first. */
static void visit_frames(const struct sample_site *site, struct text *text,
			 void (*add)(struct text *text, const char *name, bool first))
{
	uint32_t first = count_own_frames(site);
	char name[256];

	for (uint32_t i = first; i < site->depth; i++) {
		name_frame(site->stack[i], name, sizeof(name));
		add(text, name, i == first);
	}
}

static void add_word(struct text *text, const char *name, bool first)
{
	text_add(text, "%s%s", first ? "" : " < ", name);
}

static void add_element(struct text *text, const char *name, bool first)
{
	text_add(text, first ? "" : ", ");
	text_add_string(text, name);
}

void sites_add_lines(struct heap *heap, struct text *text)
{
	struct sample_site site = {0};

	while (sample_next_site(heap, site.serial, &site)) {
		text_add(text, "%16" PRIu64 " bytes %8" PRIu64 " samples  ", site.estimated,
			 site.objects);
		visit_frames(&site, text, add_word);
		text_add(text, "\n");
	}
}

void sites_add_json(struct heap *heap, struct text *text)
{
	struct sample_site site = {0};
	bool first = true;

	text_add(text, "{\"every\": %" PRIu64 ", \"sites\": [", load_relaxed(&heap->sample_every));
	for (; sample_next_site(heap, site.serial, &site); first = false) {
		text_add(text,
			 "%s{\"estimated\": %" PRIu64 ", \"samples\": %" PRIu64
			 ", \"size\": %" PRIu64 ", \"stack\": [",
			 first ? "" : ", ", site.estimated, site.objects, site.size);
		visit_frames(&site, text, add_element);
		text_add(text, "]}");
	}
	text_add(text, "]}\n");
}
