/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_GATE_H
#define CRASH_GATE_H

/*
 * Gate: all memory that this process shares with others, closed to it, so that each instruction that
 * touches it is noticed. What it reads may have been written by somebody, and somebody may read what
 * it writes; between two touches, and two calls into the kernel, nobody can tell where it stands, nor
 * can it tell when they did something.
 *
 * Of one process, in the handlers of its signals: nothing here calls what could be interrupted.
 */

/* From now on SIGSEGV opens it and calls this. The mapping of `own` is left out. */
void gate_make(void (*touched)(void), const void *own);

/* What is mapped now is closed. */
void gate_survey(void);
void gate_close(void);
void gate_open(void);

#endif
