/* SPDX-License-Identifier: Apache-2.0 */
#include "base/identity.h"

#include <errno.h>

#include "base/error.h"

int identity_check(struct identity_shared seen, uint64_t magic, uint32_t signature,
		   const char *what, const char *path, struct floe_error *error)
{
	if (seen.magic != magic)
		return error_set(error, -EPROTO, "'%s' is not %s of floe: remove it", path, what);
	if (seen.format != IDENTITY_FORMAT)
		return error_set(error, -EPROTO,
				 "'%s' was made by format %u, this library reads %u: "
				 "restart its owner",
				 path, seen.format, IDENTITY_FORMAT);
	if (seen.signature != signature)
		return error_set(error, -EPROTO,
				 "'%s' was made by a build with another layout of format %u: "
				 "rebuild one",
				 path, seen.format);
	return 0;
}
