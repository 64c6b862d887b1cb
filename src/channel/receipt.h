/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_RECEIPT_H
#define CHANNEL_RECEIPT_H

/*
 * Receipt: what a publisher writes into its segment about a loan that is out, for people who look for
 * those that do not come back. Written on slow paths alone: for each loan of a publisher that is
 * traced, and for all that are out when there is none left.
 *
 * The publisher writes it, anybody reads. Dying leaves receipts of loans that died with it; whoever
 * adopts the segment erases them.
 */

#include <floe/floe.h>

#include "channel/segment_layout.h"

/* ticket: of the loan, never 0. file: NULL or text, of which the end is kept */
void receipt_write(struct loan_shared *receipt, uint64_t ticket, const struct floe_loan_info *info,
		   const char *file);
void receipt_erase(struct loan_shared *receipt);

/* 1; 0 there is none. What is read is input: text ends, numbers are what they are. */
int receipt_read(const struct loan_shared *receipt, struct floe_loan_info *ret_info);

/* "program+0x1234" of an address in this process, for `addr2line -e program 0x1234`. */
void receipt_place(const void *address, char *ret_text, size_t size);

#endif
