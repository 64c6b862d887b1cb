/* SPDX-License-Identifier: Apache-2.0 */
#include "bytes.h"

#include <stdlib.h>

static bool make_room(struct buffer *buffer, size_t size)
{
	size_t wanted = buffer->size_max ? buffer->size_max : 256;
	unsigned char *larger;

	if (size > SIZE_MAX / 4 - buffer->size)
		return false;
	while (wanted < buffer->size + size)
		wanted *= 2;
	larger = realloc(buffer->data, wanted);
	if (!larger)
		return false;
	buffer->data = larger;
	buffer->size_max = wanted;
	return true;
}

unsigned char *buffer_add(struct buffer *buffer, size_t size)
{
	unsigned char *to;

	if (!buffer->bad && size > buffer->size_max - buffer->size)
		buffer->bad = !make_room(buffer, size);
	if (buffer->bad)
		return NULL;
	to = buffer->data + buffer->size;
	buffer->size += size;
	return to;
}

void buffer_add_string(struct buffer *buffer, const char *text)
{
	unsigned char *to = buffer_add(buffer, 4 + strlen(text));

	if (to)
		(void)put_string(to, text);
}

void buffer_add_bytes(struct buffer *buffer, const void *bytes, size_t size)
{
	unsigned char *to = buffer_add(buffer, size);

	if (to)
		(void)put_bytes(to, bytes, size);
}

void buffer_add_pair(struct buffer *buffer, const char *key, const char *value)
{
	buffer_add_string(buffer, key);
	buffer_add_string(buffer, value);
}

void buffer_end(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){0};
}

char *get_string(struct cursor *cursor)
{
	struct cursor block = get_block(cursor);
	size_t size = block.bad ? 0 : cursor_left(&block);
	char *text = block.bad ? NULL : malloc(size + 1);

	if (!text)
		return NULL;
	(void)put_bytes((unsigned char *)text, block.at, size);
	text[size] = '\0';
	return text;
}

struct cursor map_find(struct cursor map, const char *key)
{
	while (!map.bad && cursor_left(&map)) {
		struct cursor name = get_block(&map);
		struct cursor value = get_block(&map);

		if (!map.bad && block_is(&name, key))
			return value;
	}
	return (struct cursor){.bad = true};
}
