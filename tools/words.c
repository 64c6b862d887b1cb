/* SPDX-License-Identifier: Apache-2.0 */
#include "words.h"

#include <string.h>

bool words_read(const struct frame *frame, const char *option, const char *words,
		const char *const *names, size_t count, uint32_t *ret_bits)
{
	for (const char *at = words; at; at = strchr(at, ',')) {
		size_t length, i;

		at += *at == ',';
		length = strcspn(at, ",");
		for (i = 0; i < count; i++)
			if (strlen(names[i]) == length && strncmp(names[i], at, length) == 0)
				break;
		if (i == count) {
			(void)frame_usage(frame, "--%s does not know '%.*s'", option, (int)length,
					  at);
			return false;
		}
		*ret_bits |= 1u << i;
	}
	return true;
}
