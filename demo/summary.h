/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_SUMMARY_H
#define DEMO_SUMMARY_H

/*
 * The summary: what the demo claims, checked against what was counted.
 */

#include "show.h"

/* After show_close. Prints the last figures and every check. True: everything holds. */
bool summary_print(const struct show *show);

#endif
