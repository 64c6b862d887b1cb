/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_PATTERNS_H
#define FUZZ_PATTERNS_H

/*
 * Boards, events and services of a domain whose files are changed: how they are made first, and what
 * reads them afterwards.
 */

#include <stdbool.h>
#include <stddef.h>

/* A notifier and a board's writer on topic t; a server and a client of service s that have talked. */
void patterns_open(void);
void patterns_close(void);

/* The file of this name in the first folder whose path begins so. False: none */
bool patterns_find(const char *folder, const char *name, char *ret, size_t size);

void patterns_listen(void);
void patterns_read(void);
/* A client that has asked what is announced; it stays open. False: it cannot be opened. */
bool patterns_ask(void);
/* Who reads this topic is told of a publisher, and looks who is there. */
void patterns_come_and_go(const char *topic);
/* What came is taken, and it is closed. */
void patterns_take_answers(void);

#endif
