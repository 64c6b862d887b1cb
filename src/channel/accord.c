/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/accord.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/name.h"
#include "channel/segment.h"

static const struct accord_shared nothing;

static size_t size_with(uint64_t count)
{
	return size_align(offsetof(struct accord_shared, attribute) +
				  count * sizeof(struct attribute_shared),
			  FLOE_CACHELINE);
}

size_t accord_size(const struct accord_shared *accord)
{
	if (!accord || (!accord->header.size && !accord->count))
		return 0;
	return size_with(accord->count);
}

/* A header is known by its size; it need not have a name. */
static void format_header(struct type_shared *ret_type, const struct floe_type *header)
{
	struct floe_type type = *header;

	type.schema = NULL;
	if (!type.name)
		type.name = "";
	type_format(ret_type, &type);
}

void accord_format(struct accord_shared *ret_accord, const struct floe_type *header,
		   const struct floe_attribute *attributes, size_t count)
{
	memset(ret_accord, 0, sizeof(*ret_accord));
	if (header)
		format_header(&ret_accord->header, header);
	ret_accord->count = count;
	for (size_t i = 0; i < count; i++) {
		struct attribute_shared *to = &ret_accord->attribute[i];

		memcpy(to->key, attributes[i].key, strlen(attributes[i].key) + 1);
		to->any = !attributes[i].value;
		if (attributes[i].value)
			memcpy(to->value, attributes[i].value, strlen(attributes[i].value) + 1);
	}
}

/* It ends, and people can be shown it. */
static bool is_text(const char *text, size_t size_max)
{
	return name_check_text(text, "", size_max, NULL) == 0;
}

static bool is_header_sane(const struct type_shared *header)
{
	return header->size <= FLOE_HEADER_MAX && header->alignment <= FLOE_CACHELINE &&
	       (!header->alignment || is_power_of_two(header->alignment)) &&
	       is_text(header->name, sizeof(header->name) - 1);
}

/* What options.c refuses from our own program. */
static bool is_attribute_sane(const struct accord_shared *accord, uint64_t i)
{
	const struct attribute_shared *attribute = &accord->attribute[i];

	if (name_check(attribute->key, "", FLOE_ATTRIBUTE_KEY_MAX, NULL) < 0 ||
	    strchr(attribute->key, '=') || !is_text(attribute->value, FLOE_ATTRIBUTE_VALUE_MAX))
		return false;
	for (uint64_t k = 0; k < i; k++)
		if (!strcmp(accord->attribute[k].key, attribute->key))
			return false;
	return true;
}

int accord_read(struct accord_shared *ret_accord, const void *from, size_t size)
{
	*ret_accord = nothing;
	if (size == 0)
		return 0;
	if (size > ACCORD_SIZE_MAX || size < size_with(0))
		return -EPROTO;
	copy_once(ret_accord, from, size < sizeof(*ret_accord) ? size : sizeof(*ret_accord));
	if (ret_accord->count > FLOE_ATTRIBUTES_MAX || size_with(ret_accord->count) != size ||
	    !is_header_sane(&ret_accord->header))
		return -EPROTO;
	for (uint64_t i = 0; i < ret_accord->count; i++)
		if (!is_attribute_sane(ret_accord, i))
			return -EPROTO;
	return 0;
}

int accord_read_offer(struct accord_shared *ret_offer, const void *from, size_t size)
{
	int r = accord_read(ret_offer, from, size);

	/* Else it would fit whatever is wanted. */
	for (uint64_t i = 0; r == 0 && i < ret_offer->count; i++)
		if (ret_offer->attribute[i].any)
			r = -EPROTO;
	return r;
}

static const struct accord_shared *accord_of(const struct party *party)
{
	return party->accord ? party->accord : &nothing;
}

bool party_is_silent(const struct party *party)
{
	return !party->type.name[0] && !accord_size(party->accord) &&
	       !(party->wants && party->lanes);
}

/* Where two are compared, and for whom the sentence is. */
struct meeting {
	const struct party *ours;
	const struct party *theirs;
	const char *topic;
	const char *who;
	struct floe_error *error;
};

struct quotation {
	char text[48];
};

/* As it stands in a sentence: " 'name'", or nothing, for it need not have one. */
static struct quotation quote(const struct type_shared *header)
{
	struct quotation ret = {""};

	if (header->name[0])
		(void)snprintf(ret.text, sizeof(ret.text), " '%.40s'", header->name);
	return ret;
}

/* One side wants a header, and the other one, who publishes, has none. */
static int check_presence(const struct meeting *m)
{
	const struct type_shared *ours = &accord_of(m->ours)->header;
	const struct type_shared *theirs = &accord_of(m->theirs)->header;

	if (m->ours->wants && ours->size && !m->theirs->wants && !theirs->size)
		return error_set(m->error, -EPROTOTYPE,
				 "topic '%.60s': a header%s of %" PRIu64
				 " bytes is wanted here, %s has none",
				 m->topic, quote(ours).text, ours->size, m->who);
	if (m->theirs->wants && theirs->size && !m->ours->wants && !ours->size)
		return error_set(m->error, -EPROTOTYPE,
				 "topic '%.60s': %s wants a header%s of %" PRIu64
				 " bytes, here is none",
				 m->topic, m->who, quote(theirs).text, theirs->size);
	return 0;
}

/* Of two with different names the names are told, and nobody asks for their sizes. */
static bool may_be_same(const struct type_shared *ours, const struct type_shared *theirs)
{
	return !ours->name[0] || !theirs->name[0] || !strcmp(ours->name, theirs->name);
}

static int check_header(const struct meeting *m)
{
	const struct type_shared *ours = &accord_of(m->ours)->header;
	const struct type_shared *theirs = &accord_of(m->theirs)->header;

	if (!ours->size || !theirs->size)
		return check_presence(m);
	if (ours->size != theirs->size && may_be_same(ours, theirs))
		return error_set(m->error, -EPROTOTYPE,
				 "topic '%.60s': the header%s has %" PRIu64 " bytes here, %" PRIu64
				 " at %s",
				 m->topic, quote(ours).text, ours->size, theirs->size, m->who);
	return header_check(ours, theirs, m->topic, m->who, m->error);
}

static const struct attribute_shared *find(const struct party *party, const char *key)
{
	const struct accord_shared *accord = accord_of(party);

	for (uint64_t i = 0; i < accord->count; i++)
		if (!strcmp(accord->attribute[i].key, key))
			return &accord->attribute[i];
	return NULL;
}

/* Elsewhere the keys are an application's, and mean what it likes. */
static bool is_request_header(const char *topic, const struct attribute_shared *attribute)
{
	const char *at = strrchr(topic, '@');

	return at && at != topic && !strcmp(at, ACCORD_MEETING) &&
	       !strcmp(attribute->key, ACCORD_REQUEST_HEADER);
}

/* Must who meets `by` have this of it? Of one who says nothing at all it is found out later. */
static bool is_wanted(const struct meeting *m, const struct attribute_shared *attribute,
		      const struct party *by, const struct party *of)
{
	if (by->wants == of->wants)
		return false;
	return by->wants || (is_request_header(m->topic, attribute) && !party_is_silent(of));
}

static int check_ours(const struct meeting *m, const struct attribute_shared *ours)
{
	const struct attribute_shared *theirs = find(m->theirs, ours->key);

	if (!theirs && is_wanted(m, ours, m->ours, m->theirs))
		return error_set(m->error, -EPROTOTYPE,
				 "topic '%.60s': the attribute '%.40s' is wanted here, %s has none "
				 "of that name",
				 m->topic, ours->key, m->who);
	if (!theirs || ours->any || theirs->any || !strcmp(ours->value, theirs->value))
		return 0;
	return error_set(m->error, -EPROTOTYPE,
			 "topic '%.60s': the attribute '%.40s' is '%.56s' here, '%.56s' at %s",
			 m->topic, ours->key, ours->value, theirs->value, m->who);
}

static int check_theirs(const struct meeting *m, const struct attribute_shared *theirs)
{
	if (!is_wanted(m, theirs, m->theirs, m->ours) || find(m->ours, theirs->key))
		return 0;
	return error_set(m->error, -EPROTOTYPE,
			 "topic '%.60s': %s wants the attribute '%.40s', here is none of that name",
			 m->topic, m->who, theirs->key);
}

static int check_attributes(const struct meeting *m)
{
	const struct accord_shared *ours = accord_of(m->ours);
	const struct accord_shared *theirs = accord_of(m->theirs);
	int r = 0;

	for (uint64_t i = 0; i < ours->count && r == 0; i++)
		r = check_ours(m, &ours->attribute[i]);
	for (uint64_t i = 0; i < theirs->count && r == 0; i++)
		r = check_theirs(m, &theirs->attribute[i]);
	return r;
}

/* Only of one who drops the newest it matters. */
static int check_lane(const struct meeting *m)
{
	const struct party *wants = m->ours->wants ? m->ours : m->theirs;
	const struct party *has = m->ours->wants ? m->theirs : m->ours;

	if (m->ours->wants == m->theirs->wants || wants->lanes <= has->lanes)
		return 0;
	if (m->ours->wants)
		return error_set(
			m->error, -EPROTOTYPE,
			"topic '%.60s': this is number %u of those that drop the newest, %s "
			"has lanes_max %u",
			m->topic, wants->lanes, m->who, has->lanes);
	return error_set(m->error, -EPROTOTYPE,
			 "topic '%.60s': %s is number %u of those that drop the newest, lanes_max "
			 "is %u here",
			 m->topic, m->who, wants->lanes, has->lanes);
}

int party_check(const struct party *ours, const struct party *theirs, const char *topic,
		const char *who, struct floe_error *error)
{
	struct meeting m = {ours, theirs, topic, who, error};
	int r = type_check(&ours->type, &theirs->type, topic, who, error);

	if (r == 0)
		r = check_header(&m);
	if (r == 0)
		r = check_lane(&m);
	return r < 0 ? r : check_attributes(&m);
}
