/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Requests and responses for peers without a notion of them.
 */

#include <stdio.h>

#include "peer.h"

static struct peer_channel named(const struct peer_channel *channel, const char *part, char *name,
				 size_t size)
{
	struct peer_channel way = *channel;

	snprintf(name, size, "%s_%s", channel->name, part);
	way.name = name;
	return way;
}

void peer_client_open(const struct peer_channel *channel, struct peer_sender **ret_requests,
		      struct peer_receiver **ret_responses)
{
	char names[2][64];
	struct peer_channel there = named(channel, "ask", names[0], sizeof(names[0]));
	struct peer_channel back = named(channel, "say", names[1], sizeof(names[1]));

	*ret_responses = peer_receiver_open(&back, 0);
	*ret_requests = peer_sender_open(&there, 0);
}

void peer_server_open(const struct peer_channel *channel, struct peer_receiver **ret_requests,
		      struct peer_sender **ret_responses)
{
	char names[2][64];
	struct peer_channel there = named(channel, "ask", names[0], sizeof(names[0]));
	struct peer_channel back = named(channel, "say", names[1], sizeof(names[1]));

	*ret_requests = peer_receiver_open(&there, 0);
	*ret_responses = peer_sender_open(&back, 0);
}
