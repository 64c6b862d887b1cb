/* SPDX-License-Identifier: Apache-2.0 */
#include <floe/floe.h>

FLOE_PUBLIC const char *floe_version(void)
{
	return FLOE_VERSION;
}
