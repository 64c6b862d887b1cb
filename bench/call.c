/* SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

__attribute__((aligned(64))) int call_nothing(void *state, void *ret)
{
	(void)state;
	(void)ret;
	return 0;
}
