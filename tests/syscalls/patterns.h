/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_PATTERNS_H
#define TESTS_PATTERNS_H

/*
 * Boards, events, services and terms: what a victim does with them, what it may find of the dead, what a
 * newcomer does, and what a neighbour does at each question.
 *
 * A newcomer says 0, or what went wrong.
 */

void board_live(void);
void board_leave_the_dead(void);
const char *board_newcome(void);
void board_live_beside(int wire, void *argument);

void event_live(void);
void event_leave_the_dead(void);
const char *event_newcome(void);
void event_live_beside(int wire, void *argument);

void service_live(void);
void service_leave_the_dead(void);
const char *service_newcome(void);
void service_live_beside(int wire, void *argument);

void terms_live(void);
void elastic_live(void);

#endif
