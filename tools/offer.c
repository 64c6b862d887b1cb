/* SPDX-License-Identifier: Apache-2.0 */
#include "offer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static int read_header(struct offer *offer, const struct frame *frame, const char *header)
{
	size_t size = strlen(header) / 2;

	if (strlen(header) % 2 || strspn(header, "0123456789abcdefABCDEF") != strlen(header))
		return frame_usage(frame, "--header is an even number of hexadecimal digits");
	if (size == 0 || size > FLOE_HEADER_MAX)
		return frame_usage(frame, "--header has 1 to %d bytes", FLOE_HEADER_MAX);
	offer->header = frame_alloc(size, 1);
	offer->type.size = size;
	for (size_t i = 0; i < size; i++)
		offer->header[i] = (unsigned char)(digit(header[2 * i]) << 4 |
						   digit(header[2 * i + 1]));
	return FRAME_DONE;
}

static int read_attributes(struct offer *offer, const struct frame *frame,
			   const struct frame_list *list)
{
	offer->attributes = frame_alloc(list->count + 1, sizeof(*offer->attributes));
	for (size_t i = 0; i < list->count; i++) {
		char *equals = strchr(list->texts[i], '=');

		if (!equals)
			return frame_usage(frame, "--attribute is KEY=VALUE, not '%s'",
					   list->texts[i]);
		*equals = 0;
		offer->attributes[i] = (struct floe_attribute){list->texts[i], equals + 1};
	}
	offer->attributes_count = list->count;
	return FRAME_DONE;
}

int offer_read(struct offer *ret_offer, const struct frame *frame, const char *header,
	       const char *name, const struct frame_list *attributes)
{
	int status = FRAME_DONE;

	*ret_offer = (struct offer){.type.name = name};
	if (name && !header)
		return frame_usage(frame, "--header-type is the name of what --header has");
	if (header)
		status = read_header(ret_offer, frame, header);
	return status == FRAME_DONE ? read_attributes(ret_offer, frame, attributes) : status;
}

void offer_put(const struct offer *offer, struct floe_publisher_options *options)
{
	options->header = offer->type.size ? &offer->type : NULL;
	options->attributes = offer->attributes_count ? offer->attributes : NULL;
	options->attributes_count = offer->attributes_count;
}

void offer_sign(const struct offer *offer, struct floe_publisher *publisher,
		const struct floe_loan *loan)
{
	if (offer->type.size)
		memcpy(floe_loan_header(publisher, loan), offer->header, offer->type.size);
}

void offer_close(struct offer *offer)
{
	free(offer->header);
	free(offer->attributes);
	*offer = (struct offer){0};
}
