/* SPDX-License-Identifier: Apache-2.0 */
#include "still.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "frame/frame.h"
#include "os/os.h"
#include "registry/node_layout.h"
#include "scene.h"
#include "trace.h"
#include "world.h"

#define FILES_MAX 64
#define NAME_SIZE 320
#define PAGE 4096
#define MINUTE_NS (UINT64_C(60) * 1000000000)
#define DAY_NS (1440 * MINUTE_NS)
/* Earlier ones are like counters, sizes, and pairs of small numbers: what differs would be the same. */
#define MOMENTS_FROM_NS (30 * MINUTE_NS)
/* Numbers of files as processes see them, moments as they are compared: no other word is like these
 * but by chance. */
#define NUMBER (UINT64_C(0x6e75) << 48)
#define MOMENT (UINT64_C(0x6d6f) << 48)

static void add(struct still *still, const void *bytes, size_t size)
{
	if (still->size + size > still->room) {
		still->room = 2 * (still->size + size) + 65536;
		still->bytes = realloc(still->bytes, still->room);
		expect(still->bytes);
	}
	memcpy(still->bytes + still->size, bytes, size);
	still->size += size;
}

static void add_number(struct still *still, uint64_t number)
{
	add(still, &number, sizeof(number));
}

/*
 * Walking: names below the folder, parents before children, in order.
 */

struct entry {
	char path[NAME_SIZE]; /* below the folder */
	struct stat st;
};

static struct entry entries[FILES_MAX];
static size_t entry_count;
static int root = -1;

static int open_root(void)
{
	if (root >= 0)
		close(root);
	root = open(getenv("FLOE_DIR"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static void list(const char *path)
{
	int fd = path[0] ? openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : dup(root);
	DIR *dir = fdopendir(fd);
	struct dirent *found;

	expect(dir);
	rewinddir(dir);
	while ((found = readdir(dir))) {
		struct entry *entry = &entries[entry_count];

		if (!strcmp(found->d_name, ".") || !strcmp(found->d_name, ".."))
			continue;
		expect(entry_count < FILES_MAX);
		expect((size_t)snprintf(entry->path, NAME_SIZE, "%s%s%s", path, path[0] ? "/" : "",
					found->d_name) < NAME_SIZE);
		expect_equal(fstatat(root, entry->path, &entry->st, AT_SYMLINK_NOFOLLOW), 0);
		entry_count++;
		if (S_ISDIR(entry->st.st_mode))
			list(entry->path);
	}
	closedir(dir);
}

static void walk(void)
{
	entry_count = 0;
	if (open_root() >= 0)
		list("");
	qsort(entries, entry_count, sizeof(entries[0]), by_path);
}

/*
 * Bytes
 */

/* A name outside the folder keeps a file that others remove. */
static struct kept {
	struct entry entry;
	char spare[NAME_SIZE];
	int fd;
	unsigned char *now;   /* mapped */
	unsigned char **page; /* what was there, NULL: nothing */
	size_t page_count;
} kept[FILES_MAX];
static size_t kept_count;
static struct stage told; /* by the victim */
static uint64_t first_ns; /* moments begin there */

static const struct kept *find_kept_file(ino_t number)
{
	for (size_t i = 0; i < kept_count; i++)
		if (kept[i].fd >= 0 && kept[i].entry.st.st_ino == number)
			return &kept[i];
	return NULL;
}

/* Of the omen it counts whether it ended. */
static void blot_numbers(unsigned char *page)
{
	struct node_shared *node = (struct node_shared *)(void *)page;

	if (node->identity.magic != NODE_MAGIC)
		return;
	node->pid = 0;
	node->omen &= FUTEX_OWNER_DIED;
}

/* The first file with this number; FILES_MAX: it has gone. */
static uint64_t find_number(ino_t number)
{
	for (size_t i = 0; i < entry_count; i++)
		if (entries[i].st.st_ino == number)
			return i;
	return FILES_MAX;
}

/* Which file it is, or that it is a moment: numbers and clock go on from run to run. */
static uint64_t blot_word(uint64_t word)
{
	if (word >= first_ns && word < first_ns + DAY_NS)
		return MOMENT;
	return word >> 48 == NUMBER >> 48 ? NUMBER + find_number(word - NUMBER) : word;
}

static void blot_words(unsigned char *page)
{
	uint64_t word;

	for (size_t i = 0; i < PAGE; i += sizeof(word)) {
		memcpy(&word, page + i, sizeof(word));
		if (word < first_ns)
			continue;
		word = blot_word(word);
		memcpy(page + i, &word, sizeof(word));
	}
}

/* A page of zeros is as good as none. */
static bool is_empty(const unsigned char *page)
{
	static const unsigned char zeros[PAGE];

	return memcmp(page, zeros, PAGE) == 0;
}

static void add_page(struct still *still, const unsigned char *bytes, off_t at)
{
	unsigned char page[PAGE];

	if (is_empty(bytes))
		return;
	memcpy(page, bytes, PAGE);
	if (at == 0)
		blot_numbers(page);
	blot_words(page);
	add_number(still, (uint64_t)at);
	add(still, page, PAGE);
}

static void read_page(struct still *still, int fd, off_t at)
{
	unsigned char page[PAGE] = {0};

	expect(pread(fd, page, PAGE, at) > 0);
	add_page(still, page, at);
}

/* The next piece of a file that has memory; false: there is none. */
static bool find_extent(int fd, off_t from, off_t *ret_begin, off_t *ret_end)
{
	*ret_begin = lseek(fd, from, SEEK_DATA);
	if (*ret_begin < 0)
		return false;
	*ret_end = lseek(fd, *ret_begin, SEEK_HOLE);
	return *ret_end > *ret_begin;
}

static void add_content(struct still *still, const struct entry *entry)
{
	int fd = openat(root, entry->path, O_RDONLY | O_CLOEXEC);
	off_t begin, end = 0;

	expect(fd >= 0);
	while (find_extent(fd, end, &begin, &end))
		for (; begin < end; begin += PAGE)
			read_page(still, fd, begin);
	close(fd);
}

/* The same of one that is mapped here. */
static void add_kept(struct still *still, const struct kept *k)
{
	off_t begin, end = 0;

	while (find_extent(k->fd, end, &begin, &end))
		for (; begin < end; begin += PAGE)
			add_page(still, k->now + begin, begin);
}

/* A further name of an earlier one. */
static size_t find_same(size_t i)
{
	size_t same = 0;

	while (entries[same].st.st_ino != entries[i].st.st_ino)
		same++;
	return same;
}

static void add_stage(struct still *still)
{
	add_number(still, atomic_load(&stage->sent));
	add_number(still, atomic_load(&stage->all));
	for (size_t i = 0; i < STAGE_THINGS; i++) {
		add_number(still, atomic_load(&stage->begun[i]));
		add_number(still, atomic_load(&stage->made[i]));
	}
	add_number(still, atomic_load(&stage->loans_least));
	add_number(still, atomic_load(&stage->loans_most));
}

static void add_entry(struct still *still, size_t i)
{
	const struct entry *entry = &entries[i];
	const struct kept *k = find_kept_file(entry->st.st_ino);

	add(still, entry->path, strlen(entry->path) + 1);
	add_number(still, entry->st.st_mode);
	add_number(still, find_same(i));
	if (!S_ISREG(entry->st.st_mode) || find_same(i) < i)
		return;
	add_number(still, (uint64_t)entry->st.st_size);
	add_number(still, (uint64_t)entry->st.st_blocks);
	if (k)
		add_kept(still, k);
	else
		add_content(still, entry);
}

/* A minute ago: a victim's clock may have begun before. */
static void begin_moments(void)
{
	uint64_t now_ns = (uint64_t)os_real.now_ns();

	first_ns = now_ns > MINUTE_NS ? now_ns - MINUTE_NS : 1;
}

bool still_can_tell_moments(void)
{
	if (first_ns == 0)
		begin_moments();
	return first_ns >= MOMENTS_FROM_NS;
}

void still_take(struct still *ret)
{
	if (first_ns == 0)
		begin_moments();
	ret->size = 0;
	add_stage(ret);
	walk();
	for (size_t i = 0; i < entry_count; i++)
		add_entry(ret, i);
}

bool still_is_equal(const struct still *a, const struct still *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

void still_free(struct still *still)
{
	free(still->bytes);
	*still = (struct still){0};
}

/*
 * Keeping
 */

static void keep_page(struct kept *k, off_t at)
{
	unsigned char **page = &k->page[at / PAGE];

	if (is_empty(k->now + at))
		return;
	*page = malloc(PAGE);
	expect(*page);
	memcpy(*page, k->now + at, PAGE);
}

static void keep_file(struct kept *k, size_t number)
{
	off_t begin, end = 0;

	(void)snprintf(k->spare, sizeof(k->spare), "%s/%zu", scene_store(), number);
	k->fd = openat(root, k->entry.path, O_RDWR | O_CLOEXEC);
	expect(k->fd >= 0);
	expect_equal(linkat(root, k->entry.path, AT_FDCWD, k->spare, 0), 0);
	k->now = mmap(NULL, (size_t)k->entry.st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, k->fd,
		      0);
	expect(k->now != MAP_FAILED);
	k->page_count = ((size_t)k->entry.st.st_size + PAGE - 1) / PAGE;
	k->page = calloc(k->page_count, sizeof(*k->page));
	expect(k->page);
	while (find_extent(k->fd, end, &begin, &end))
		for (; begin < end; begin += PAGE)
			keep_page(k, begin);
}

void still_keep(void)
{
	told = *stage;
	walk();
	kept_count = entry_count;
	for (size_t i = 0; i < entry_count; i++) {
		kept[i] = (struct kept){.entry = entries[i], .fd = -1};
		if (S_ISREG(entries[i].st.st_mode) && find_same(i) == i)
			keep_file(&kept[i], i);
	}
}

/* The victim calls them, and has as many instructions in each world, whatever is kept there. */
TRACE_NOT_OURS static void tell_as_before(struct stat *st)
{
	for (size_t i = 0; i < kept_count; i++)
		if (kept[i].fd >= 0 && kept[i].entry.st.st_ino == st->st_ino) {
			st->st_nlink--;
			break;
		}
	st->st_ino += NUMBER;
}

TRACE_NOT_OURS int still_stat(int fd, struct stat *ret)
{
	int r = os_real.stat(fd, ret);

	if (r == 0)
		tell_as_before(ret);
	return r;
}

TRACE_NOT_OURS int still_stat_at(int dirfd, const char *path, struct stat *ret)
{
	int r = os_real.stat_at(dirfd, path, ret);

	if (r == 0)
		tell_as_before(ret);
	return r;
}

/* When it was made differs from run to run. */
TRACE_NOT_OURS int still_identify(int dirfd, const char *path, uint64_t *ret_number,
				  uint64_t *ret_made_ns)
{
	struct stat seen;
	int r = *path ? still_stat_at(dirfd, path, &seen) : still_stat(dirfd, &seen);

	*ret_number = r < 0 ? 0 : seen.st_ino;
	*ret_made_ns = 0;
	return r;
}

void still_let_go(void)
{
	for (size_t i = 0; i < kept_count; i++) {
		if (kept[i].fd < 0)
			continue;
		(void)munmap(kept[i].now, (size_t)kept[i].entry.st.st_size);
		close(kept[i].fd);
		(void)unlink(kept[i].spare);
		for (size_t n = 0; n < kept[i].page_count; n++)
			free(kept[i].page[n]);
		free(kept[i].page);
	}
	kept_count = 0;
}

/*
 * Restoring
 */

static const struct kept *find_kept(const struct entry *entry)
{
	for (size_t i = 0; i < kept_count; i++)
		if (!strcmp(kept[i].entry.path, entry->path))
			return kept[i].entry.st.st_ino == entry->st.st_ino ? &kept[i] : NULL;
	return NULL;
}

/* Children first. */
static void remove_others(void)
{
	for (size_t i = entry_count; i--;)
		if (!find_kept(&entries[i]))
			expect_equal(unlinkat(root, entries[i].path,
					      S_ISDIR(entries[i].st.st_mode) ? AT_REMOVEDIR : 0),
				     0);
}

static const struct kept *first_name(const struct kept *k)
{
	const struct kept *first = kept;

	while (first->entry.st.st_ino != k->entry.st.st_ino)
		first++;
	return first;
}

/* A folder gets another number when it is made again. */
static void name_again(struct kept *k)
{
	struct stat st;

	if (fstatat(root, k->entry.path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino == k->entry.st.st_ino)
		return;
	if (!S_ISDIR(k->entry.st.st_mode)) {
		expect_equal(linkat(AT_FDCWD, first_name(k)->spare, root, k->entry.path, 0), 0);
		return;
	}
	expect_equal(mkdirat(root, k->entry.path, 0700), 0);
	expect_equal(fchmodat(root, k->entry.path, k->entry.st.st_mode & 07777, 0), 0);
	expect_equal(fstatat(root, k->entry.path, &k->entry.st, AT_SYMLINK_NOFOLLOW), 0);
}

static bool has_memory_as_before(const struct kept *k)
{
	struct stat st;

	expect_equal(fstat(k->fd, &st), 0);
	if (st.st_mode != k->entry.st.st_mode)
		expect_equal(fchmod(k->fd, k->entry.st.st_mode & 07777), 0);
	return st.st_blocks == k->entry.st.st_blocks;
}

static void write_page(const struct kept *k, off_t at)
{
	const unsigned char *page = k->page[at / PAGE];

	if (page && memcmp(k->now + at, page, PAGE) != 0)
		memcpy(k->now + at, page, PAGE);
	if (!page && !is_empty(k->now + at))
		memset(k->now + at, 0, PAGE);
}

static void write_again(const struct kept *k)
{
	off_t begin, end = 0;

	while (find_extent(k->fd, end, &begin, &end))
		for (; begin < end; begin += PAGE)
			write_page(k, begin);
}

/* Memory that was taken away comes back first. */
static void fill_holes(const struct kept *k)
{
	for (size_t i = 0; i < k->page_count; i++)
		if (k->page[i])
			write_page(k, (off_t)i * PAGE);
}

/* A file with more memory than it had, or less, gets all of it anew: what has some lies in front. */
static bool restore_bytes(const struct kept *k)
{
	if (has_memory_as_before(k)) {
		write_again(k);
		return true;
	}
	expect_equal(fallocate(k->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			       k->entry.st.st_size),
		     0);
	expect_equal(fallocate(k->fd, FALLOC_FL_KEEP_SIZE, 0, k->entry.st.st_blocks * 512), 0);
	fill_holes(k);
	return has_memory_as_before(k);
}

bool still_restore(void)
{
	bool restored = true;

	*stage = told;
	remove_others();
	for (size_t i = 0; i < kept_count; i++) {
		name_again(&kept[i]);
		if (kept[i].fd >= 0)
			restored &= restore_bytes(&kept[i]);
	}
	return restored;
}
