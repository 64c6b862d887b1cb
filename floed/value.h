/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOED_VALUE_H
#define FLOED_VALUE_H

/*
 * Value: what the text of a setting means: sizes, times, modes. False: it means nothing.
 */

#include <stdbool.h>
#include <stdint.h>

/* Digits alone; `ret_end` gets what is behind them. */
bool value_read_digits(const char *text, uint64_t *ret, const char **ret_end);

/* Bytes, with K, M, G or T behind the digits; `ret_end` as above. */
bool value_read_size(const char *text, uint64_t *ret, const char **ret_end);

/* Octal, with rwx for the owner and without set-user-ID. */
bool value_read_mode(const char *text, uint32_t *ret);

/* Seconds, with "ms", "s" or "min" behind; up to a day. */
bool value_read_time(const char *text, int64_t *ret_ns);

/* "on", "off" */
bool value_read_switch(const char *text, bool *ret);

#endif
