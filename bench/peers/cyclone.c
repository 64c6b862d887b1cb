/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Cyclone DDS. A type of fixed size for each payload, which is what its shared memory asks for and
 * what it can take in and out without serialising field by field. Reliable, volatile; keep all, so
 * that nothing is lost.
 *
 * peer-cyclone uses the loopback network, with the largest datagrams. peer-cyclone-shm (CYCLONE_SHM)
 * has its shared memory switched on, which is iceoryx 2.0 with its daemon; there keep last is the
 * only history, and samples are lent.
 */

#include <dds/dds.h>
#include <dds/ddsc/dds_data_allocator.h>
#include <dds/ddsc/dds_loan_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "message.h"

#include "../session.h"
#include "peer.h"

#ifndef CYCLONE_SHM
#define CYCLONE_SHM 0
#endif
#if CYCLONE_SHM
#define CYCLONE_SHARED_MEMORY "<SharedMemory><Enable>true</Enable></SharedMemory>"
#else
#define CYCLONE_SHARED_MEMORY ""
#endif

#define DOMAINS 200u
#define LOOK_AGAIN_US 50

/* Over shared memory a match is not enough: iox-roudi joins a writer's port with a reader's at its next
 * look, each 100 ms (DISCOVERY_INTERVAL), and what is written before is lost. Nobody says when it has
 * done so. */
#define JOIN_US 250000

struct peer_sender {
	dds_entity_t writer;
	unsigned expected;
	size_t payload;
	void *buffer; /* where samples are not lent */
	void *loan;
};

struct peer_receiver {
	dds_entity_t reader, waits;
	unsigned expected;
	void *held;
};

const bool peer_in_threads = false;

static dds_entity_t participant;

static const struct {
	size_t payload;
	const dds_topic_descriptor_t *type;
} types[] = {
	{8, &Bytes8_desc},        {64, &Bytes64_desc},         {256, &Bytes256_desc},
	{1024, &Bytes1K_desc},    {4096, &Bytes4K_desc},       {16384, &Bytes16K_desc},
	{65536, &Bytes64K_desc},  {262144, &Bytes256K_desc},   {1048576, &Bytes1M_desc},
	{8388608, &Bytes8M_desc}, {3110400, &BytesVideo_desc},
};

/* The same for both processes, and not that of another run. */
static uint32_t domain_of(const char *dir)
{
	uint32_t sum = 0;

	for (; *dir; dir++)
		sum = sum * 31 + (uint8_t)*dir;
	return 1 + sum % DOMAINS;
}

static void check(dds_return_t result, const char *call)
{
	if (result < 0)
		fail("%s: %s", call, dds_strretcode(result));
}

void peer_enter(const char *who)
{
	(void)who;
	setenv("CYCLONEDDS_URI",
	       "<CycloneDDS><Domain id='any'><General><Interfaces><NetworkInterface name='lo' "
	       "multicast='false'/></Interfaces><MaxMessageSize>65500B</MaxMessageSize></General>"
	       "<Discovery><ParticipantIndex>auto</ParticipantIndex><Peers><Peer "
	       "address='127.0.0.1'/></Peers></Discovery><Internal><SocketReceiveBufferSize "
	       "max='8MiB'/></Internal><Tracing><Verbosity>none</Verbosity></"
	       "Tracing>" CYCLONE_SHARED_MEMORY "</Domain></CycloneDDS>",
	       1);
	participant = dds_create_participant(domain_of(session_dir()), NULL, NULL);
	check(participant, "dds_create_participant");
}

void peer_leave(void)
{
	dds_delete(participant);
}

static dds_qos_t *make_qos(const struct peer_channel *channel)
{
	dds_qos_t *qos = dds_create_qos();

	dds_qset_reliability(qos, DDS_RELIABILITY_RELIABLE, DDS_SECS(10));
	dds_qset_durability(qos, DDS_DURABILITY_VOLATILE);
	dds_qset_writer_data_lifecycle(qos, false);
	if (CYCLONE_SHM)
		dds_qset_history(qos, DDS_HISTORY_KEEP_LAST, (int32_t)channel->depth);
	else
		dds_qset_history(qos, DDS_HISTORY_KEEP_ALL, 0);
	return qos;
}

static dds_entity_t open_topic(const struct peer_channel *channel)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		dds_entity_t topic;

		if (types[i].payload != channel->payload)
			continue;
		topic = dds_create_topic(participant, types[i].type, channel->name, NULL, NULL);
		check(topic, "dds_create_topic");
		return topic;
	}
	fail("there is no type of %zu bytes", channel->payload);
}

struct peer_sender *peer_sender_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_sender *sender = calloc(1, sizeof(*sender));
	dds_qos_t *qos = make_qos(channel);

	(void)index;
	if (!sender || !(sender->buffer = malloc(channel->payload)))
		fail("out of memory");
	sender->payload = channel->payload;
	sender->expected = channel->receivers;
	sender->writer = dds_create_writer(participant, open_topic(channel), qos, NULL);
	check(sender->writer, "dds_create_writer");
	dds_delete_qos(qos);
	return sender;
}

struct peer_receiver *peer_receiver_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_receiver *receiver = calloc(1, sizeof(*receiver));
	dds_qos_t *qos = make_qos(channel);
	dds_entity_t condition;

	(void)index;
	if (!receiver)
		fail("out of memory");
	receiver->expected = channel->senders;
	receiver->reader = dds_create_reader(participant, open_topic(channel), qos, NULL);
	check(receiver->reader, "dds_create_reader");
	receiver->waits = dds_create_waitset(participant);
	condition = dds_create_readcondition(receiver->reader, DDS_ANY_STATE);
	check(dds_waitset_attach(receiver->waits, condition, 0), "dds_waitset_attach");
	dds_delete_qos(qos);
	return receiver;
}

void peer_sender_meet(struct peer_sender *sender)
{
	dds_publication_matched_status_t status = {0};

	while (dds_get_publication_matched_status(sender->writer, &status) == 0 &&
	       status.current_count < sender->expected)
		usleep(LOOK_AGAIN_US);
	if (CYCLONE_SHM)
		usleep(JOIN_US);
}

void peer_receiver_meet(struct peer_receiver *receiver)
{
	dds_subscription_matched_status_t status = {0};

	while (dds_get_subscription_matched_status(receiver->reader, &status) == 0 &&
	       status.current_count < receiver->expected)
		usleep(LOOK_AGAIN_US);
}

void *peer_loan(struct peer_sender *sender)
{
	if (!CYCLONE_SHM || !dds_is_loan_available(sender->writer))
		return sender->loan = sender->buffer;
	return dds_loan_sample(sender->writer, &sender->loan) < 0 ? NULL : sender->loan;
}

/* Waits where there is no room. */
bool peer_send(struct peer_sender *sender)
{
	check(dds_write(sender->writer, sender->loan), "dds_write");
	return true;
}

const void *peer_take(struct peer_receiver *receiver)
{
	dds_sample_info_t info;
	void *samples[1] = {NULL};
	dds_return_t count = dds_take(receiver->reader, samples, &info, 1, 1);

	check(count, "dds_take");
	if (count == 0)
		return NULL;
	receiver->held = samples[0];
	if (info.valid_data)
		return receiver->held;
	dds_return_loan(receiver->reader, &receiver->held, 1);
	return NULL;
}

void peer_release(struct peer_receiver *receiver)
{
	dds_return_loan(receiver->reader, &receiver->held, 1);
}

void peer_wait(struct peer_receiver *receiver)
{
	check(dds_waitset_wait(receiver->waits, NULL, 0, DDS_SECS(1)), "dds_waitset_wait");
}

void peer_sender_close(struct peer_sender *sender)
{
	dds_delete(sender->writer);
	free(sender->buffer);
	free(sender);
}

void peer_receiver_close(struct peer_receiver *receiver)
{
	dds_delete(receiver->reader);
	free(receiver);
}
