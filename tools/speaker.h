/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_SPEAKER_H
#define TOOLS_SPEAKER_H

/*
 * Speaker: who sent a message, as far as he says it: the attributes of his ring. They are looked up when his
 * first message comes, and again when another ring has his number.
 */

#include "frame.h"

struct speaker {
	uint64_t next; /* sequence of his next message */
	size_t count;
	struct floe_attribute_info attribute[FLOE_ATTRIBUTES_MAX];
};

struct speakers {
	struct speaker *of[FLOE_PUBLISHERS_MAX]; /* NULL: nothing has come of him */
};

/* Of this sample; *ret_new: he was looked up just now. Never NULL. */
const struct speaker *speakers_find(struct speakers *speakers, struct floe_view *view,
				    const char *topic, const struct floe_sample *sample,
				    bool *ret_new);

void speakers_end(struct speakers *speakers);

#endif
