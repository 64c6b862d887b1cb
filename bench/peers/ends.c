/* SPDX-License-Identifier: Apache-2.0 */
#include "ends.h"

void senders_open(struct senders *senders, const struct peer_channel *channel)
{
	senders->count = channel->senders;
	for (unsigned i = 0; i < senders->count; i++)
		senders->all[i] = peer_sender_open(channel, i);
}

void senders_meet(struct senders *senders)
{
	for (unsigned i = 0; i < senders->count; i++)
		peer_sender_meet(senders->all[i]);
}

void senders_close(struct senders *senders)
{
	for (unsigned i = 0; i < senders->count; i++)
		peer_sender_close(senders->all[i]);
}

void receivers_open(struct receivers *receivers, const struct peer_channel *channel)
{
	receivers->count = channel->receivers;
	for (unsigned i = 0; i < receivers->count; i++)
		receivers->all[i] = peer_receiver_open(channel, i);
}

void receivers_meet(struct receivers *receivers)
{
	for (unsigned i = 0; i < receivers->count; i++)
		peer_receiver_meet(receivers->all[i]);
}

void receivers_close(struct receivers *receivers)
{
	for (unsigned i = 0; i < receivers->count; i++)
		peer_receiver_close(receivers->all[i]);
}
