/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOED_ESTATE_H
#define FLOED_ESTATE_H

/*
 * Estate: the topics that the configuration lays down: their folders with owner and mode, their
 * terms, and rings that lie ready for publishers to come.
 *
 * For each of them floed holds the lock that participants hold, so that a topic without any is not
 * removed. When floed is dead the lock is free, and the next one who cleans takes all of it away;
 * what is laid down stays in force until then.
 */

#include "config.h"
#include "registry/node.h"
#include "registry/topic.h"

struct estate_topic {
	struct config_topic config;
	struct topic topic;
};

struct estate {
	struct node *node;
	struct estate_topic **topic;
	size_t count;
	struct quotas_shared quotas;
};

void estate_init(struct estate *ret_estate, struct node *node);

/* Lays down what the configuration says, and takes back what it says no longer. 0; or -errno with a
 * sentence: then part of it is done, and doing it again goes on. */
int estate_apply(struct estate *estate, const struct config *config, struct floe_error *error);

/* Puts back what somebody took away. */
void estate_look(struct estate *estate);

/* Clears topics that nobody is in of what the dead left there. */
void estate_sweep(struct estate *estate);

/* Takes all of it back; what is in use stays without terms. */
void estate_end(struct estate *estate);

#endif
