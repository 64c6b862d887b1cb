/* SPDX-License-Identifier: Apache-2.0 */
#include "speaker.h"

#include <stdlib.h>

/* What cannot be read has none, as who says nothing. */
static void look_up(struct speaker *speaker, struct floe_view *view, const char *topic,
		    uint32_t publisher)
{
	int r = floe_view_attributes(view, topic, publisher, speaker->attribute,
				     sizeof(speaker->attribute[0]), FLOE_ATTRIBUTES_MAX);

	speaker->count = r < 0 ? 0 : (size_t)r;
	if (speaker->count > FLOE_ATTRIBUTES_MAX)
		speaker->count = FLOE_ATTRIBUTES_MAX;
}

const struct speaker *speakers_find(struct speakers *speakers, struct floe_view *view,
				    const char *topic, const struct floe_sample *sample,
				    bool *ret_new)
{
	uint32_t publisher = (uint32_t)(sample->ticket % FLOE_PUBLISHERS_MAX);
	struct speaker *speaker = speakers->of[publisher];

	*ret_new = !speaker || sample->sequence - sample->lost != speaker->next;
	if (!speaker)
		speaker = speakers->of[publisher] = frame_alloc(1, sizeof(*speaker));
	if (*ret_new)
		look_up(speaker, view, topic, publisher);
	speaker->next = sample->sequence + 1;
	return speaker;
}

void speakers_end(struct speakers *speakers)
{
	for (size_t i = 0; i < FLOE_PUBLISHERS_MAX; i++) {
		free(speakers->of[i]);
		speakers->of[i] = NULL;
	}
}
