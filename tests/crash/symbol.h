/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_SYMBOL_H
#define CRASH_SYMBOL_H

/* Symbol: which function of this program an address is in, for people. */

#include <stddef.h>
#include <stdint.h>

/* "publisher_send+0x3c", or the address alone. */
void symbol_name(uintptr_t address, char *ret, size_t size);

#endif
