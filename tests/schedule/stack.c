/* SPDX-License-Identifier: Apache-2.0 */
#include "stack.h"

#include <stdint.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

/* Frames of who died there, or was left in the middle, are no longer guarded. */
static void forget_frames(const struct stack *stack)
{
#ifdef __SANITIZE_ADDRESS__
	__asan_unpoison_memory_region(stack->memory, stack->size);
#else
	(void)stack;
#endif
}

#ifdef __x86_64__

/* What a called function must leave as it was. */
void stack_swap(void **from, void *to);
__asm__(".text\n"
	".type stack_swap, @function\n"
	"stack_swap:\n"
	"	push %rbp\n"
	"	push %rbx\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	mov %rsp, (%rdi)\n"
	"	mov %rsi, %rsp\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbx\n"
	"	pop %rbp\n"
	"	ret\n"
	".size stack_swap, . - stack_swap\n");

void stack_begin(struct stack *stack, void (*enter)(void))
{
	uintptr_t end = ((uintptr_t)stack->memory + stack->size) & ~(uintptr_t)15;
	void **top = (void **)end;

	forget_frames(stack);
	*--top = NULL; /* where enter would return to */
	*--top = (void *)(uintptr_t)enter;
	for (int i = 0; i < 6; i++)
		*--top = NULL;
	stack->pointer = top;
}

void stack_switch(struct stack *from, struct stack *to)
{
	stack_swap(&from->pointer, to->pointer);
}

#else

void stack_begin(struct stack *stack, void (*enter)(void))
{
	forget_frames(stack);
	(void)getcontext(&stack->context);
	stack->context.uc_stack.ss_sp = stack->memory;
	stack->context.uc_stack.ss_size = stack->size;
	makecontext(&stack->context, enter, 0);
}

void stack_switch(struct stack *from, struct stack *to)
{
	(void)swapcontext(&from->context, &to->context);
}

#endif
