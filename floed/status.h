/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOED_STATUS_H
#define FLOED_STATUS_H

/*
 * Status: what a coordinator counts, in eight words of its node's file that it alone writes; and what
 * others read of them. Nobody has to ask the coordinator, also not when it is dead.
 */

#include <floe/floe.h>

#include "registry/node.h"

/* name, kind for Prometheus, what it is */
#define STATUS_COUNTS(X) \
	X(BEGAN, began, "gauge", "milliseconds from the start of the machine to that of floed") \
	X(NODES, nodes, "gauge", "processes that are watched") \
	X(TOPICS, topics, "gauge", "topics that the configuration lays down") \
	X(DEATHS, deaths_total, "counter", "processes that died and were cleaned away") \
	X(REMOVED, removed_total, "counter", "names that were removed after deaths") \
	X(EXCESSES, excesses_total, "counter", "times that a user was found above its quota") \
	X(RELOADS, reloads_total, "counter", "times that the configuration was read again")

enum status_count {
#define STATUS_ENUM(name, word, kind, help) STATUS_##name,
	STATUS_COUNTS(STATUS_ENUM)
#undef STATUS_ENUM
	STATUS_COUNT,
};

void status_begin(struct node_shared *node);
void status_set(struct node_shared *node, enum status_count which, uint64_t value);
void status_add(struct node_shared *node, enum status_count which, uint64_t value);

/* The coordinator's process in this domain; 0: none lives. */
int32_t status_find(const struct domain *domain, uint64_t ret_counts[STATUS_COUNT]);

/* Print to standard output; return an exit status, 1: no coordinator lives. */
int status_print(const struct domain *domain);
int status_print_metrics(const struct domain *domain);

#endif
