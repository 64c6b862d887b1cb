/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHEDULE_STACK_H
#define SCHEDULE_STACK_H

/*
 * Stacks: going from one to another. ucontext does it with two system calls, which is what an
 * execution costs altogether; so x86-64 has its own.
 */

#include <stddef.h>

#ifndef __x86_64__
#include <ucontext.h>
#endif

struct stack {
	void *memory;
	size_t size;
#ifdef __x86_64__
	void *pointer; /* while nobody is on it */
#else
	ucontext_t context;
#endif
};

/* The next stack_switch to it begins `enter`, which never returns. */
void stack_begin(struct stack *stack, void (*enter)(void));
void stack_switch(struct stack *from, struct stack *to);

#endif
