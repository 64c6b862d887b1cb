/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The guard's call. After a page was replaced every handle is under suspicion: its next call looks
 * whether it is the one that lost memory. So calls on sound handles cost nothing more than before.
 */

#include <floe/floe.h>

#include "api/handle.h"
#include "memory/guard.h"

FLOE_PUBLIC int floe_guard_install(void)
{
	return guard_install(handle_suspect_all);
}
