/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "os/os.h"
#include "registry/file.h"
#include "registry/peer.h"
#include "registry/usage.h"
#include "registry/view.h"

#define USERS_MAX 256

static const struct {
	const char *word;
	const char *kind;
	const char *help;
} table[] = {
#define STATUS_ROW(name, word, kind, help) {#word, kind, help},
	STATUS_COUNTS(STATUS_ROW)
#undef STATUS_ROW
};
static_assert(FLOE_COUNT(table) == STATUS_COUNT &&
		      STATUS_COUNT <= FLOE_COUNT(((struct node_shared *)0)->count),
	      "the words of a node");

static uint64_t now_ms(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void status_begin(struct node_shared *node)
{
	status_set(node, STATUS_BEGAN, now_ms());
}

/* Each count is a word of its own: dying between two of them tells of one thing too few. */
void status_set(struct node_shared *node, enum status_count which, uint64_t value)
{
	store_release(&node->count[which], value);
}

void status_add(struct node_shared *node, enum status_count which, uint64_t value)
{
	status_set(node, which, load_relaxed(&node->count[which]) + value);
}

struct search {
	const struct domain *domain;
	int dir;
	uint64_t *counts;
	int32_t pid;
};

static int look_at(void *user, const char *name)
{
	struct search *search = user;
	floe_cleanup(os_close_fdp) int fd = file_open(search->dir, name, O_RDONLY, NULL);
	struct node_shared seen;

	if (fd < 0 || os->read_at(fd, &seen, sizeof(seen), 0) != (ssize_t)sizeof(seen) ||
	    identity_check(seen.identity, NODE_MAGIC, NODE_SIGNATURE, "", "", NULL) < 0 ||
	    load_relaxed(&seen.count[STATUS_BEGAN]) == 0 || os->is_locked(fd) != 1)
		return 0;
	search->pid = seen.pid;
	for (size_t i = 0; i < STATUS_COUNT; i++)
		search->counts[i] = load_relaxed(&seen.count[i]);
	return 1;
}

int32_t status_find(const struct domain *domain, uint64_t ret_counts[STATUS_COUNT])
{
	struct search search = {.domain = domain, .counts = ret_counts};
	char path[DOMAIN_NAME_MAX];

	domain_path(domain, "nodes", ".", path);
	search.dir = file_open_dir(AT_FDCWD, path, NULL);
	if (search.dir < 0)
		return 0;
	(void)file_list(search.dir, look_at, &search);
	os_close_fdp(&search.dir);
	return search.pid;
}

int status_print(const struct domain *domain)
{
	uint64_t counts[STATUS_COUNT];
	int32_t pid = status_find(domain, counts);

	if (pid == 0) {
		printf("no floed coordinates '%s'\n", domain->path);
		return 1;
	}
	printf("process %d coordinates '%s'\n", pid, domain->path);
	printf("%-15s %" PRIu64 " s\n", "running for", (now_ms() - counts[STATUS_BEGAN]) / 1000);
	for (size_t i = STATUS_BEGAN + 1; i < STATUS_COUNT; i++)
		printf("%-15s %-8" PRIu64 " %s\n", table[i].word, counts[i], table[i].help);
	return 0;
}

/* A label's value: what Prometheus wants escaped is; names hold no control characters. */
static void print_label(const char *name)
{
	for (; *name; name++) {
		if (*name == '"' || *name == '\\')
			(void)putchar('\\');
		(void)putchar(*name);
	}
}

static int print_topic(void *user, const char *name)
{
	static struct view_room room;
	struct floe_topic_info info;

	if (view_topic(user, name, &room, &info) < 0)
		return 0;
	for (int i = 0; i < 5; i++) {
		static const char *const words[] = {"publishers", "subscribers", "leftovers",
						    "published_total", "memory_bytes"};
		const uint64_t values[] = {info.publishers, info.subscribers, info.leftovers,
					   info.published, info.memory};

		printf("floe_topic_%s{topic=\"", words[i]);
		print_label(name);
		printf("\"} %" PRIu64 "\n", values[i]);
	}
	return 0;
}

static void print_users(const struct domain *domain)
{
	struct usage users[USERS_MAX];
	int count = usage_read(domain, users, USERS_MAX);

	for (int i = 0; i < count && i < USERS_MAX; i++)
		printf("floe_user_publishers{uid=\"%u\"} %u\n"
		       "floe_user_memory_bytes{uid=\"%u\"} %" PRIu64 "\n",
		       users[i].uid, users[i].publishers, users[i].uid, users[i].memory);
}

int status_print_metrics(const struct domain *domain)
{
	uint64_t counts[STATUS_COUNT];
	int32_t pid = status_find(domain, counts);
	struct domain copy = *domain;

	printf("# HELP floed_up 1 while a coordinator lives\n# TYPE floed_up gauge\nfloed_up %d\n",
	       pid != 0);
	for (size_t i = 0; pid && i < STATUS_COUNT; i++)
		printf("# HELP floed_%s %s\n# TYPE floed_%s %s\nfloed_%s %" PRIu64 "\n",
		       table[i].word, table[i].help, table[i].word, table[i].kind, table[i].word,
		       counts[i]);
	(void)view_each_topic(domain, print_topic, &copy);
	print_users(domain);
	return 0;
}
