/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_CENSUS_H
#define REGISTRY_CENSUS_H

/*
 * Census: does everybody alive on a topic mean the same type, and is there what subscribers want?
 *
 * Asked by each participant after its own place has a name: of two who disagree and come at the
 * same time at least the later sees the other.
 */

#include "channel/accord.h"
#include "registry/members.h"
#include "registry/topic.h"

/* 0, or -EPROTOTYPE with a sentence that says who differs in what. */
int census_check(const struct topic *topic, const struct party *ours, const struct members *members,
		 struct floe_error *error);

#endif
