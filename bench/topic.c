/* SPDX-License-Identifier: Apache-2.0 */
#include "topic.h"

#include <stdio.h>

#define NAME_SIZE (FLOE_TOPIC_NAME_MAX + 1)
#define LARGE_PAYLOAD ((size_t)1 << 20)

/* A name must not contain '/', a case's does. */
static void make_name(char name[NAME_SIZE], const char *case_name, const char *part)
{
	snprintf(name, NAME_SIZE, "%s.%s", case_name, part);
	for (char *slash = name; (slash = strchr(slash, '/'));)
		*slash = '.';
}

struct floe_publisher *topic_publisher(const char *case_name, const char *part,
				       const struct floe_publisher_options *options)
{
	struct floe_publisher_options all = *options;
	struct floe_error error = {""};
	struct floe_publisher *pub;
	char name[NAME_SIZE];

	make_name(name, case_name, part);
	all.size = sizeof(all);
	all.dir = session_dir();
	all.error = &error;
	if (floe_publisher_open(&pub, name, &all) < 0)
		fail("cannot open a publisher of %s: %s", name, error.text);
	return pub;
}

struct floe_subscriber *topic_subscriber(const char *case_name, const char *part,
					 const struct floe_subscriber_options *options)
{
	struct floe_subscriber_options all = *options;
	struct floe_error error = {""};
	struct floe_subscriber *sub;
	char name[NAME_SIZE];

	make_name(name, case_name, part);
	all.size = sizeof(all);
	all.dir = session_dir();
	all.error = &error;
	if (floe_subscriber_open(&sub, name, &all) < 0)
		fail("cannot open a subscriber of %s: %s", name, error.text);
	return sub;
}

struct floe_notifier *topic_notifier(const char *case_name, const char *part)
{
	struct floe_error error = {""};
	struct floe_notifier_options options = {.size = sizeof(options), .error = &error};
	struct floe_notifier *notifier;
	char name[NAME_SIZE];

	make_name(name, case_name, part);
	options.dir = session_dir();
	if (floe_notifier_open(&notifier, name, &options) < 0)
		fail("cannot open a notifier of %s: %s", name, error.text);
	return notifier;
}

struct floe_listener *topic_listener(const char *case_name, const char *part)
{
	struct floe_error error = {""};
	struct floe_listener_options options = {
		.size = sizeof(options), .spin_ns = 1, .error = &error};
	struct floe_listener *listener;
	char name[NAME_SIZE];

	make_name(name, case_name, part);
	options.dir = session_dir();
	if (floe_listener_open(&listener, name, &options) < 0)
		fail("cannot open a listener of %s: %s", name, error.text);
	return listener;
}

struct floe_client *topic_client(const char *case_name, size_t payload_max)
{
	struct floe_error error = {""};
	struct floe_client_options options = {
		.size = sizeof(options),
		.payload_max = payload_max,
		.dir = session_dir(),
		.error = &error,
	};
	struct floe_client *client;
	char name[NAME_SIZE];

	make_name(name, case_name, "call");
	if (floe_client_open(&client, name, &options) < 0)
		fail("cannot open a client of %s: %s", name, error.text);
	return client;
}

struct floe_server *topic_server(const char *case_name, size_t payload_max)
{
	struct floe_error error = {""};
	struct floe_server_options options = {
		.size = sizeof(options),
		.payload_max = payload_max,
		.dir = session_dir(),
		.error = &error,
	};
	struct floe_server *server;
	char name[NAME_SIZE];

	make_name(name, case_name, "call");
	if (floe_server_open(&server, name, &options) < 0)
		fail("cannot open a server of %s: %s", name, error.text);
	return server;
}

struct floe_board_writer *topic_board_writer(const char *case_name, const char *part)
{
	static const struct floe_board_key key = {.name = "value", .size = sizeof(uint64_t)};
	struct floe_error error = {""};
	struct floe_board_writer_options options = {
		.size = sizeof(options), .keys = &key, .keys_count = 1, .error = &error};
	struct floe_board_writer *writer;
	char name[NAME_SIZE];

	make_name(name, case_name, part);
	options.dir = session_dir();
	if (floe_board_writer_open(&writer, name, &options) < 0)
		fail("cannot open a writer of %s: %s", name, error.text);
	return writer;
}

struct floe_board_reader *topic_board_reader(const char *case_name, const char *part)
{
	struct floe_error error = {""};
	struct floe_board_reader_options options = {.size = sizeof(options), .error = &error};
	struct floe_board_reader *reader;
	char name[NAME_SIZE];

	make_name(name, case_name, part);
	options.dir = session_dir();
	if (floe_board_reader_open(&reader, name, &options) < 0)
		fail("cannot open a reader of %s: %s", name, error.text);
	return reader;
}

size_t topic_depth(size_t payload)
{
	return payload < LARGE_PAYLOAD ? 16 : 2;
}
