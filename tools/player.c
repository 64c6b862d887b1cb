/* SPDX-License-Identifier: Apache-2.0 */
#include "player.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoding.h"
#include "look.h"
#include "wait.h"

#define CHANNELS 65536u
#define SCHEMA_MAX 65536u
#define LOOK_NS (WAIT_SECOND / 10)

/* A ring of a file that others wrote. */
#define PAYLOAD_FIRST 4096u
#define RING_BYTES (UINT64_C(16) << 20)
#define DEPTH_LOW 4
#define DEPTH_HIGH 256

struct voice {
	const struct catalog_channel *channel;
	char *topic; /* where it is published */
	char *type;
	char *schema;
	uint64_t depth; /* 0: it depends on the messages */
	uint64_t payload_max;
	uint64_t flags;
	struct floe_publisher *publisher;
};

struct player {
	struct frame *frame;
	struct reader *reader;
	const struct frame_list *topics;
	const struct frame_list *remap;
	size_t lanes;
	struct voice **voices; /* [CHANNELS] by id; NULL: not played, or not yet */
	struct player_counts counts;
};

static bool is_wanted(const struct player *player, const char *topic)
{
	for (size_t i = 0; i < player->topics->count; i++)
		if (!strcmp(player->topics->texts[i], topic))
			return true;
	return player->topics->count == 0;
}

/* Topics may contain "=": the longest OLD that fits is meant. */
static const char *rename_topic(const struct player *player, const char *topic)
{
	size_t size = strlen(topic);

	for (size_t i = 0; i < player->remap->count; i++)
		if (!strncmp(player->remap->texts[i], topic, size) &&
		    player->remap->texts[i][size] == '=')
			return player->remap->texts[i] + size + 1;
	return topic;
}

/* Names of others may begin with a slash, or have it inside; ours are names of folders. */
static char *make_topic(const struct player *player, const char *topic)
{
	const char *name = rename_topic(player, topic);
	char *copy;

	while (name == topic && *name == '/' && name[1])
		topic = ++name;
	copy = strdup(name);
	for (char *at = copy; at && *at; at++)
		if (*at == '/')
			*at = '.';
	return copy;
}

static uint64_t get_number(const struct catalog_channel *channel, const char *key)
{
	struct cursor value = map_find(channel->map, key);
	char text[24] = "";

	if (value.bad || cursor_left(&value) >= sizeof(text))
		return 0;
	memcpy(text, value.at, cursor_left(&value));
	return strtoull(text, NULL, 10);
}

/* A text for floe_type, if it can be one: with the encodings in its first line, so that who records
 * it again knows them. */
static char *get_schema(const struct catalog_schema *schema, const char *encoding)
{
	size_t size = cursor_left(&schema->data);
	char *line = encoding_line(encoding, schema->encoding);
	size_t ahead = line ? strlen(line) : 0;
	char *text = NULL;

	if (size + ahead && size + ahead < SCHEMA_MAX &&
	    (size == 0 || !memchr(schema->data.at, 0, size))) {
		text = frame_alloc(ahead + size + 1, 1);
		(void)put_bytes(put_bytes((unsigned char *)text, line, ahead), schema->data.at,
				size);
	}
	free(line);
	return text;
}

static struct voice *make_voice(struct player *player, const struct catalog_channel *channel)
{
	const struct catalog_schema *schema = channel->schema ? catalog_find_schema(
									&player->reader->catalog,
									channel->schema)
							      : NULL;
	struct voice *voice = frame_alloc(1, sizeof(*voice));

	voice->channel = channel;
	voice->topic = make_topic(player, channel->topic);
	if (schema && *schema->name && strlen(schema->name) < 128) {
		voice->type = strdup(schema->name);
		voice->schema = get_schema(schema, channel->encoding);
	}
	voice->depth = get_number(channel, "floe.depth");
	voice->payload_max = get_number(channel, "floe.payload_max");
	voice->flags = get_number(channel, "floe.flags") & FLOE_TIMESTAMPS;
	if (voice->depth == 0 || voice->depth > FLOE_DEPTH_MAX ||
	    voice->payload_max > FLOE_PAYLOAD_MAX)
		voice->depth = voice->payload_max = 0;
	player->voices[channel->id] = voice;
	return voice;
}

static bool check_remap(const struct player *player)
{
	for (size_t i = 0; i < player->remap->count; i++)
		if (!strchr(player->remap->texts[i], '='))
			return false;
	return true;
}

struct player *player_open(struct frame *frame, struct reader *reader,
			   const struct frame_list *topics, const struct frame_list *remap,
			   size_t lanes)
{
	struct player *player = frame_alloc(1, sizeof(*player));

	/* Who may write the files of our topics may make them shorter. */
	(void)floe_guard_install();
	*player = (struct player){
		.frame = frame, .reader = reader, .topics = topics, .remap = remap, .lanes = lanes};
	player->voices = frame_alloc(CHANNELS, sizeof(struct voice *));
	if (check_remap(player))
		return player;
	(void)frame_usage(frame, "--remap wants OLD=NEW");
	player_close(player);
	return NULL;
}

/*
 * Publishers
 */

static uint64_t choose_depth(uint64_t payload_max)
{
	uint64_t depth = RING_BYTES / payload_max;

	return depth < DEPTH_LOW ? DEPTH_LOW : depth > DEPTH_HIGH ? DEPTH_HIGH : depth;
}

static int open_publisher(struct player *player, struct voice *voice)
{
	const struct catalog_channel *channel = voice->channel;
	const struct floe_type type = {
		.name = voice->type,
		.size = get_number(channel, "floe.type.size"),
		.alignment = get_number(channel, "floe.type.alignment"),
		.hash = get_number(channel, "floe.type.hash"),
		.schema = voice->schema,
	};
	struct floe_error error = {""};
	const struct floe_publisher_options floe_options = {
		.size = sizeof(floe_options),
		.depth = voice->depth ? voice->depth : choose_depth(voice->payload_max),
		.loans_max = 1,
		.payload_max = voice->payload_max,
		.holds_max = 1,
		.lanes_max = player->lanes,
		.type = voice->type ? &type : NULL,
		.flags = (uint32_t)voice->flags,
		.dir = player->frame->dir,
		.domain = player->frame->domain,
		.error = &error,
	};
	struct floe_publisher *publisher;
	int r = floe_publisher_open(&publisher, voice->topic, &floe_options);

	if (r < 0)
		return frame_fail(player->frame, "'%s': %s", voice->topic,
				  *error.text ? error.text : frame_reason(r));
	/* What the smaller ring still has stays there for its subscribers. */
	floe_publisher_close(voice->publisher);
	voice->publisher = publisher;
	return FRAME_DONE;
}

int player_begin(struct player *player)
{
	const struct catalog *catalog = &player->reader->catalog;

	for (size_t i = 0; i < catalog->channels_count; i++) {
		struct voice *voice;

		if (!is_wanted(player, catalog->channels[i].topic))
			continue;
		voice = make_voice(player, &catalog->channels[i]);
		if (voice->depth && open_publisher(player, voice) != FRAME_DONE)
			return FRAME_FAILED;
	}
	return FRAME_DONE;
}

static int make_room(struct player *player, struct voice *voice, size_t size)
{
	uint64_t wanted = voice->payload_max ? voice->payload_max : PAYLOAD_FIRST;

	if (voice->publisher && size <= voice->payload_max)
		return FRAME_DONE;
	while (wanted < size)
		wanted *= 2;
	voice->payload_max = wanted;
	return open_publisher(player, voice);
}

/*
 * Messages
 */

bool player_wants(const struct player *player, const struct message *message)
{
	return player->voices[message->channel] != NULL;
}

static int publish(struct player *player, struct voice *voice, struct floe_loan *loan)
{
	size_t size = loan->size;
	int r;

	while ((r = floe_publish(voice->publisher, loan)) == 0) {
		r = floe_publisher_wait(voice->publisher, wait_now_ns() + LOOK_NS);
		if ((r < 0 && r != -EINTR) || wait_is_stopped())
			break;
	}
	if (r == 1) {
		player->counts.messages++;
		player->counts.bytes += size;
		return FRAME_DONE;
	}
	floe_discard(voice->publisher, loan);
	player->counts.dropped++;
	return r < 0 && r != -EINTR
		       ? frame_fail(player->frame, "'%s': %s", voice->topic, frame_reason(r))
		       : FRAME_DONE;
}

int player_send(struct player *player, const struct message *message)
{
	struct voice *voice = player->voices[message->channel];
	struct floe_loan loan;
	int r;

	if (message->size == 0) {
		player->counts.left_out++;
		return FRAME_DONE;
	}
	r = make_room(player, voice, message->size);
	if (r != FRAME_DONE)
		return r;
	r = floe_loan(voice->publisher, message->size, &loan);
	if (r != 1)
		return frame_fail(player->frame, "'%s': cannot lend %zu bytes: %s", voice->topic,
				  message->size, r ? frame_reason(r) : "no chunk is free");
	memcpy(loan.data, message->payload, message->size);
	return publish(player, voice, &loan);
}

static uint64_t count_subscribers(const struct look_topics *topics, const char *name)
{
	const struct look_topic *topic = look_find(topics, name);

	return topic ? topic->info.subscribers : 0;
}

uint64_t player_subscribers(const struct player *player)
{
	struct look_topics topics = {0};
	uint64_t fewest = UINT64_MAX;

	if (look_topics(&topics, player->frame->view) < 0)
		return 0;
	for (size_t i = 0; i < CHANNELS; i++) {
		uint64_t count = player->voices[i]
					 ? count_subscribers(&topics, player->voices[i]->topic)
					 : UINT64_MAX;

		if (count < fewest)
			fewest = count;
	}
	look_topics_end(&topics);
	return fewest;
}

void player_count(const struct player *player, struct player_counts *ret)
{
	*ret = player->counts;
}

void player_close(struct player *player)
{
	for (size_t i = 0; i < CHANNELS; i++) {
		struct voice *voice = player->voices[i];

		if (!voice)
			continue;
		floe_publisher_close(voice->publisher);
		free(voice->topic);
		free(voice->type);
		free(voice->schema);
		free(voice);
	}
	free(player->voices);
	free(player);
}
