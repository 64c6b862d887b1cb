/* SPDX-License-Identifier: Apache-2.0 */
#include "value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

bool value_read_digits(const char *text, uint64_t *ret, const char **ret_end)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	*ret_end = end;
	return errno == 0;
}

bool value_read_size(const char *text, uint64_t *ret, const char **ret_end)
{
	static const char units[] = "KMGT";
	const char *unit;

	if (!value_read_digits(text, ret, ret_end))
		return false;
	unit = **ret_end ? strchr(units, **ret_end) : NULL;
	if (!unit)
		return true;
	++*ret_end;
	return !__builtin_mul_overflow(*ret, (uint64_t)1 << (10 * (unit - units + 1)), ret);
}

bool value_read_mode(const char *text, uint32_t *ret)
{
	char *end;
	unsigned long value = strtoul(text, &end, 8);

	if (*text < '0' || *text > '7' || *end || value > 07777 || (value & 0700) != 0700 ||
	    (value & 04000))
		return false;
	*ret = (uint32_t)value;
	return true;
}

bool value_read_time(const char *text, int64_t *ret_ns)
{
	static const struct {
		const char *unit;
		int64_t ns;
	} units[] = {{"ms", 1000000}, {"s", 1000000000}, {"", 1000000000}, {"min", 60000000000}};
	const char *end;
	uint64_t value;

	if (value_read_digits(text, &value, &end) && value <= 86400)
		for (size_t i = 0; i < FLOE_COUNT(units); i++)
			if (!strcmp(end, units[i].unit)) {
				*ret_ns = (int64_t)value * units[i].ns;
				return true;
			}
	return false;
}

bool value_read_switch(const char *text, bool *ret)
{
	if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
		return false;
	*ret = !strcmp(text, "on");
	return true;
}
