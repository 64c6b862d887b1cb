/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_OFFER_H
#define TOOLS_OFFER_H

/*
 * Offer: what a publisher of the command line has beside its type, as options say it: a header of fixed
 * bytes, and attributes.
 */

#include "frame.h"

struct offer {
	struct floe_type type; /* of the header; size 0: there is none */
	unsigned char *header;
	struct floe_attribute *attributes;
	size_t attributes_count;
};

/* header: hexadecimal digits, or NULL; name: of its type, or NULL; attributes: KEY=VALUE each. FRAME_DONE, or
 * FRAME_USAGE. offer_close in any case. */
int offer_read(struct offer *ret_offer, const struct frame *frame, const char *header,
	       const char *name, const struct frame_list *attributes);

/* It is what these options ask for. */
void offer_put(const struct offer *offer, struct floe_publisher_options *options);

/* Beside the payload of this loan. */
void offer_sign(const struct offer *offer, struct floe_publisher *publisher,
		const struct floe_loan *loan);

void offer_close(struct offer *offer);

#endif
