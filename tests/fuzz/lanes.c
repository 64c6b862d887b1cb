/* SPDX-License-Identifier: Apache-2.0 */
#include "domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	domain_play(DOMAIN_LANES, data, size);
	return 0;
}
