/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_SERVICE_H
#define TOOLS_SERVICE_H

/*
 * Service: what `floe info` shows of one. Each server has a topic that it alone subscribes, and each
 * client.
 */

#include "frame.h"
#include "group.h"

/* Looks into the topics of the service, and prints. The exit code. */
int service_show(struct frame *frame, const struct group_service *service,
		 struct look_topics *topics);

#endif
