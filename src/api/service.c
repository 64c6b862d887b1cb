/* SPDX-License-Identifier: Apache-2.0 */
#include "api/service.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/name.h"
#include "channel/accord.h"
#include "os/os.h"

#define TYPE_NAME_MAX 60

void service_topic(char *ret, const char *service)
{
	(void)snprintf(ret, SERVICE_NAME_MAX, "%s" ACCORD_MEETING, service);
}

void service_server_topic(char *ret, const char *service, uint64_t id)
{
	(void)snprintf(ret, SERVICE_NAME_MAX, "%s@server.%016" PRIx64, service, id);
}

void service_client_topic(char *ret, const char *service, uint64_t id)
{
	(void)snprintf(ret, SERVICE_NAME_MAX, "%s@client.%016" PRIx64, service, id);
}

static bool is_id(const char *text)
{
	return strlen(text) == 16 && strspn(text, "0123456789abcdef") == 16;
}

enum service_part service_part_of(const char *topic, size_t *ret_length)
{
	const char *at = strrchr(topic, '@');

	*ret_length = at ? (size_t)(at - topic) : strlen(topic);
	if (!at || at == topic)
		return SERVICE_NONE;
	if (strcmp(at, ACCORD_MEETING) == 0)
		return SERVICE_MEETING;
	if ((strncmp(at, "@server.", 8) == 0 || strncmp(at, "@client.", 8) == 0) && is_id(at + 8))
		return SERVICE_INSIDE;
	return SERVICE_NONE;
}

int service_check_name(const char *service, struct floe_error *error)
{
	return name_check(service, "service name", FLOE_SERVICE_NAME_MAX, error);
}

static bool is_named(const struct floe_type *type)
{
	return type && type->name && type->name[0];
}

/* What does not fit into one type is folded into its hash; 0 means "none" there. */
static uint64_t fold(const struct floe_type *request, const struct floe_type *response)
{
	const uint64_t words[] = {request->hash, response->hash, response->size,
				  response->alignment};
	uint64_t hash = 0;

	for (unsigned i = 0; i < FLOE_COUNT(words); i++)
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15u;
	return hash;
}

int service_join_types(struct service_type *ret, const struct floe_type *request,
		       const struct floe_type *response, struct floe_error *error)
{
	*ret = (struct service_type){0};
	if (is_named(request) != is_named(response))
		return error_set(error, -EINVAL,
				 "the types of request and response belong together");
	if (!is_named(request))
		return 0;
	if (strlen(request->name) > TYPE_NAME_MAX || strlen(response->name) > TYPE_NAME_MAX)
		return error_set(error, -EINVAL, "a type's name in a service has at most %d bytes",
				 TYPE_NAME_MAX);
	(void)snprintf(ret->name, sizeof(ret->name), "%s -> %s", request->name, response->name);
	ret->type = (struct floe_type){
		.name = ret->name,
		.size = request->size,
		.alignment = request->alignment,
		.hash = fold(request, response),
	};
	return 0;
}

/* What may differ in two of the same name comes first: of long texts sentences show the beginning. */
static void add_header(struct service_says *says, const char *key, char *text, size_t size,
		       const struct floe_type *header)
{
	size_t end = (size_t)snprintf(text, size, "%zu bytes", header->size);

	if (header->hash)
		end += (size_t)snprintf(text + end, size - end, ", hash %" PRIx64, header->hash);
	if (header->alignment)
		end += (size_t)snprintf(text + end, size - end, ", aligned to %zu",
					header->alignment);
	if (header->name && header->name[0])
		(void)snprintf(text + end, size - end, ", %s", header->name);
	says->attribute[says->count++] = (struct floe_attribute){.key = key, .value = text};
}

int service_join_headers(struct service_says *ret, const struct floe_attribute *attributes,
			 size_t count, const struct floe_type *request,
			 const struct floe_type *response, struct floe_error *error)
{
	ret->count = count;
	if (count + !!request + !!response > FLOE_ATTRIBUTES_MAX)
		return error_set(error, -EINVAL,
				 "at most %d attributes are possible, and each header is one",
				 FLOE_ATTRIBUTES_MAX);
	for (size_t i = 0; i < count; i++)
		ret->attribute[i] = attributes[i];
	if (request)
		add_header(ret, ACCORD_REQUEST_HEADER, ret->request_header,
			   sizeof(ret->request_header), request);
	if (response)
		add_header(ret, ACCORD_RESPONSE_HEADER, ret->response_header,
			   sizeof(ret->response_header), response);
	return 0;
}

/* Names have been compared where all meet. */
const struct floe_type *service_keep_header(struct floe_type *ret, const struct floe_type *header)
{
	if (!header)
		return NULL;
	*ret = (struct floe_type){
		.size = header->size, .alignment = header->alignment, .hash = header->hash};
	return ret;
}

ssize_t service_rings_size(const struct floe_publisher_options *ring, size_t count,
			   size_t count_max)
{
	ssize_t size = floe_publisher_memory_size(ring);

	if (count > count_max)
		return -EINVAL;
	return size < 0 ? size : (ssize_t)count * size;
}

int service_make_id(uint64_t *ret, struct floe_error *error)
{
	int r;

	do {
		r = os->get_random(ret, sizeof(*ret));
	} while (r >= 0 && *ret == 0);
	return r < 0 ? error_system(error, r, "read", "random numbers") : 0;
}
