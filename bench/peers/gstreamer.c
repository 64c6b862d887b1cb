/* SPDX-License-Identifier: Apache-2.0 */

/*
 * GStreamer's shared memory, for video only: appsrc ! shmsink in the sender, shmsrc ! appsink in the
 * receiver. Nothing waits for a clock, nothing is dropped. shmsink copies each frame into its shared
 * memory; shmsrc hands out buffers that lie there.
 */

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../session.h"
#include "peer.h"

#define FRAME (1920 * 1080 * 3 / 2)
#define CAPS "video/x-raw,format=I420,width=1920,height=1080,framerate=60/1"
#define FRAMES_IN_MEMORY 8
#define LOOK_AGAIN_US 200

struct peer_sender {
	GstElement *pipeline, *source;
	_Atomic unsigned connected;
	GstBuffer *buffer;
	GstMapInfo map;
};

struct peer_receiver {
	GstElement *pipeline, *sink;
	char path[192];
	GstSample *next; /* pulled while waiting */
	GstSample *held;
	GstMapInfo map;
};

const bool peer_in_threads = false;

void peer_enter(const char *who)
{
	(void)who;
	gst_init(NULL, NULL);
}

void peer_leave(void)
{
}

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		fail("out of memory");
	return memory;
}

static GstElement *make_pipeline(const char *text)
{
	GError *error = NULL;
	GstElement *pipeline = gst_parse_launch(text, &error);

	if (error)
		fail("no pipeline: %s", error->message);
	return pipeline;
}

static void path_of(const struct peer_channel *channel, char path[192])
{
	if (channel->payload != FRAME)
		fail("it is for video only");
	snprintf(path, 192, "%s/%s", session_dir(), channel->name);
}

static void count_client(GstElement *element, int fd, gpointer sender)
{
	(void)element;
	(void)fd;
	atomic_fetch_add(&((struct peer_sender *)sender)->connected, 1);
}

struct peer_sender *peer_sender_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_sender *sender = allocate(sizeof(*sender));
	char path[192], text[640];
	GstElement *sink;

	(void)index;
	path_of(channel, path);
	snprintf(text, sizeof(text),
		 "appsrc name=source format=time block=true max-buffers=%u max-bytes=0 caps=" CAPS
		 " ! shmsink name=sink socket-path=%s shm-size=%d wait-for-connection=true "
		 "sync=false",
		 channel->depth, path, FRAMES_IN_MEMORY * (FRAME + 4096));
	sender->pipeline = make_pipeline(text);
	sender->source = gst_bin_get_by_name(GST_BIN(sender->pipeline), "source");
	sink = gst_bin_get_by_name(GST_BIN(sender->pipeline), "sink");
	g_signal_connect(sink, "client-connected", G_CALLBACK(count_client), sender);
	gst_object_unref(sink);
	gst_element_set_state(sender->pipeline, GST_STATE_PLAYING);
	return sender;
}

struct peer_receiver *peer_receiver_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_receiver *receiver = allocate(sizeof(*receiver));
	char text[640];

	(void)index;
	path_of(channel, receiver->path);
	snprintf(text, sizeof(text),
		 "shmsrc socket-path=%s is-live=true ! " CAPS
		 " ! appsink name=sink sync=false drop=false max-buffers=%u",
		 receiver->path, channel->depth);
	receiver->pipeline = make_pipeline(text);
	receiver->sink = gst_bin_get_by_name(GST_BIN(receiver->pipeline), "sink");
	return receiver;
}

void peer_sender_meet(struct peer_sender *sender)
{
	while (!atomic_load(&sender->connected))
		usleep(LOOK_AGAIN_US);
}

/* A source does not wait for its sink. */
void peer_receiver_meet(struct peer_receiver *receiver)
{
	while (access(receiver->path, R_OK) < 0)
		usleep(LOOK_AGAIN_US);
	gst_element_set_state(receiver->pipeline, GST_STATE_PLAYING);
}

void *peer_loan(struct peer_sender *sender)
{
	if (!sender->buffer) {
		sender->buffer = gst_buffer_new_allocate(NULL, FRAME, NULL);
		gst_buffer_map(sender->buffer, &sender->map, GST_MAP_WRITE);
	}
	return sender->map.data;
}

bool peer_send(struct peer_sender *sender)
{
	GstBuffer *buffer = sender->buffer;

	sender->buffer = NULL;
	gst_buffer_unmap(buffer, &sender->map);
	if (gst_app_src_push_buffer(GST_APP_SRC(sender->source), buffer) != GST_FLOW_OK)
		fail("the pipeline takes no buffer");
	return true;
}

static const void *open_sample(struct peer_receiver *receiver, GstSample *sample)
{
	receiver->held = sample;
	if (!gst_buffer_map(gst_sample_get_buffer(sample), &receiver->map, GST_MAP_READ))
		fail("a buffer cannot be mapped");
	return receiver->map.data;
}

const void *peer_take(struct peer_receiver *receiver)
{
	GstSample *sample = receiver->next;

	receiver->next = NULL;
	if (!sample)
		sample = gst_app_sink_try_pull_sample(GST_APP_SINK(receiver->sink), 0);
	return sample ? open_sample(receiver, sample) : NULL;
}

void peer_release(struct peer_receiver *receiver)
{
	gst_buffer_unmap(gst_sample_get_buffer(receiver->held), &receiver->map);
	gst_sample_unref(receiver->held);
}

void peer_wait(struct peer_receiver *receiver)
{
	if (!receiver->next)
		receiver->next = gst_app_sink_try_pull_sample(GST_APP_SINK(receiver->sink),
							      GST_SECOND);
}

void peer_sender_close(struct peer_sender *sender)
{
	gst_element_set_state(sender->pipeline, GST_STATE_NULL);
	gst_object_unref(sender->source);
	gst_object_unref(sender->pipeline);
	free(sender);
}

void peer_receiver_close(struct peer_receiver *receiver)
{
	gst_element_set_state(receiver->pipeline, GST_STATE_NULL);
	gst_object_unref(receiver->sink);
	gst_object_unref(receiver->pipeline);
	free(receiver);
}
