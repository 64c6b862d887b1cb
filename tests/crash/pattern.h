/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_PATTERN_H
#define CRASH_PATTERN_H

/*
 * Pattern: what survivor and visitor do beside a script that is about a board, an event or a service
 * and not about messages. Each call is made in the process of whoever does it; what is found wrong
 * there ends that process.
 *
 *	survivor   open, { act before a step, go_on }*, settle, close
 *	visitor    visit: comes with nothing, works at once, looks at everything, goes
 */

#include <stdbool.h>
#include <stdint.h>

#include "world.h"

struct pattern {
	void (*open)(void);
	void (*act)(int64_t what);
	/* At any time, also while the victim stands somewhere. */
	void (*go_on)(void);
	/* The victim has ended, a visitor has come and gone: the accounts are exact. */
	void (*settle)(void);
	void (*close)(void);
	/* lives: the survivor does. */
	void (*visit)(bool lives);
};

extern const struct pattern pattern_board, pattern_event, pattern_serving, pattern_asking,
	pattern_terms;

/* What the victim does, for the scripts. */
void board_writer_open(void);
void board_write_small(void);
void board_write_large(void);
void board_prepare(void);
void board_commit(void);
void board_writer_close(void);
void board_reader_open(void);
void board_find(void);
void board_read(void);
void board_read_again(void);
void board_borrow(void);
void board_list(void);
void board_reader_close(void);

void event_notifier_open(void);
void event_notify(void);
void event_notify_far(void);
void event_notifier_close(void);
void event_listener_open(void);
void event_take(void);
void event_take_all(void);
void event_wait_asleep(void);
void event_wait_ready(void);
void event_descriptor(void);
void event_listener_close(void);

void serving_open(void);
void serving_take(void);
void serving_stream(void);
void serving_answer(void);
void serving_end(void);
void serving_close(void);

void asking_open(void);
void asking_loan(void);
void asking_send(void);
void asking_send_again(void);
void asking_take(void);
void asking_release(void);
void asking_take_last(void);
void asking_cancel(void);
void asking_take_cancelled(void);
void asking_close(void);

void terms_lay_down(void);
void terms_lay_down_again(void);
void terms_lay_down_quotas(void);
void terms_take_away(void);

/* Survivor's acts. */
enum act {
	ACT_WRITE = 1, /* its own key, once */
	ACT_NOTIFY,    /* its own id */
	ACT_NAP,       /* a wait whose deadline is over: notifiers are asked for a wake */
	ACT_ASK,       /* two requests */
	ACT_HEAR,      /* takes what there is */
	ACT_STREAM,    /* takes a request, and sends a response after which more come */
	ACT_ANSWER,    /* sends the last responses to all requests */
};

#endif
