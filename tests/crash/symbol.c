/* SPDX-License-Identifier: Apache-2.0 */
#include "symbol.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

extern const char __executable_start[];

/* This program's own file, mapped once and kept. */
static const unsigned char *map_self(void)
{
	static const unsigned char *base;
	struct stat seen;
	void *memory;
	int fd;

	if (base)
		return base;
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &seen) < 0)
		return NULL;
	memory = mmap(NULL, (size_t)seen.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	base = memory == MAP_FAILED ? NULL : memory;
	return base;
}

static const Elf64_Shdr *find_symbols(const unsigned char *base)
{
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)(const void *)base;
	const Elf64_Shdr *section = (const Elf64_Shdr *)(const void *)(base + head->e_shoff);

	for (unsigned i = 0; i < head->e_shnum; i++)
		if (section[i].sh_type == SHT_SYMTAB)
			return &section[i];
	return NULL;
}

static bool is_in(const Elf64_Sym *symbol, uintptr_t offset)
{
	return ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && offset >= symbol->st_value &&
	       offset < symbol->st_value + symbol->st_size;
}

void symbol_name(uintptr_t address, char *ret, size_t size)
{
	const unsigned char *base = map_self();
	const Elf64_Shdr *symbols = base ? find_symbols(base) : NULL;
	uintptr_t offset = address - (uintptr_t)__executable_start;
	const Elf64_Shdr *sections;
	const Elf64_Sym *symbol;
	const char *names;

	(void)snprintf(ret, size, "%#" PRIxPTR, offset);
	if (!symbols)
		return;
	sections = (const Elf64_Shdr *)(const void *)(base + ((const Elf64_Ehdr *)base)->e_shoff);
	names = (const char *)base + sections[symbols->sh_link].sh_offset;
	symbol = (const Elf64_Sym *)(const void *)(base + symbols->sh_offset);
	for (size_t i = 0; i < symbols->sh_size / sizeof(*symbol); i++)
		if (is_in(&symbol[i], offset))
			(void)snprintf(ret, size, "%s+%#" PRIxPTR, names + symbol[i].st_name,
				       offset - symbol[i].st_value);
}
