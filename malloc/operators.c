/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The allocation operators of C++, by the names that its compilers give them. They would come to
 * malloc anyway; this saves a call. Where memory runs out, those that throw leave it to libstdc++,
 * which knows about handlers and exceptions.
 */

#include <dlfcn.h>

#include "heap.h"

/* FUNCTION(name, symbol, parameters): a function of C under a name of C++. */
#define OPERATOR(type, name, symbol, parameters) \
	FLOE_PUBLIC type name parameters __asm__(symbol); \
	type name parameters

floe_cold static void *throw(const char *symbol, size_t size)
{
	void *next = dlsym(RTLD_NEXT, symbol);
	void *(*call)(size_t size);

	__builtin_memcpy(&call, &next, sizeof(call));
	return next ? call(size) : NULL;
}

floe_cold static void *throw_aligned(const char *symbol, size_t size, size_t alignment)
{
	void *next = dlsym(RTLD_NEXT, symbol);
	void *(*call)(size_t size, size_t alignment);

	__builtin_memcpy(&call, &next, sizeof(call));
	return next ? call(size, alignment) : NULL;
}

static void *allocate_aligned(size_t size, size_t alignment)
{
	struct heap *heap = malloc_heap();

	return heap ? heap_alloc_aligned(heap, alignment, size) : NULL;
}

OPERATOR(void *, new_one, "_Znwm", (size_t size))
{
	void *p = allocate(size);

	return floe_likely(p) ? p : throw("_Znwm", size);
}

OPERATOR(void *, new_array, "_Znam", (size_t size))
{
	void *p = allocate(size);

	return floe_likely(p) ? p : throw("_Znam", size);
}

OPERATOR(void *, new_one_nothrow, "_ZnwmRKSt9nothrow_t", (size_t size, const void *nothrow))
{
	(void)nothrow;
	return allocate(size);
}

OPERATOR(void *, new_array_nothrow, "_ZnamRKSt9nothrow_t", (size_t size, const void *nothrow))
{
	(void)nothrow;
	return allocate(size);
}

OPERATOR(void *, new_one_aligned, "_ZnwmSt11align_val_t", (size_t size, size_t alignment))
{
	void *p = allocate_aligned(size, alignment);

	return floe_likely(p) ? p : throw_aligned("_ZnwmSt11align_val_t", size, alignment);
}

OPERATOR(void *, new_array_aligned, "_ZnamSt11align_val_t", (size_t size, size_t alignment))
{
	void *p = allocate_aligned(size, alignment);

	return floe_likely(p) ? p : throw_aligned("_ZnamSt11align_val_t", size, alignment);
}

OPERATOR(void *, new_one_aligned_nothrow, "_ZnwmSt11align_val_tRKSt9nothrow_t",
	 (size_t size, size_t alignment, const void *nothrow))
{
	(void)nothrow;
	return allocate_aligned(size, alignment);
}

OPERATOR(void *, new_array_aligned_nothrow, "_ZnamSt11align_val_tRKSt9nothrow_t",
	 (size_t size, size_t alignment, const void *nothrow))
{
	(void)nothrow;
	return allocate_aligned(size, alignment);
}

/* All that end an object: what they are told besides its address is not needed. */
#define DELETE(name, symbol, parameters) \
	OPERATOR(void, name, symbol, parameters) \
	{ \
		deallocate(p); \
	}

#pragma GCC diagnostic ignored "-Wunused-parameter"
DELETE(delete_one, "_ZdlPv", (void *p))
DELETE(delete_array, "_ZdaPv", (void *p))
DELETE(delete_one_sized, "_ZdlPvm", (void *p, size_t size))
DELETE(delete_array_sized, "_ZdaPvm", (void *p, size_t size))
DELETE(delete_one_nothrow, "_ZdlPvRKSt9nothrow_t", (void *p, const void *nothrow))
DELETE(delete_array_nothrow, "_ZdaPvRKSt9nothrow_t", (void *p, const void *nothrow))
DELETE(delete_one_aligned, "_ZdlPvSt11align_val_t", (void *p, size_t alignment))
DELETE(delete_array_aligned, "_ZdaPvSt11align_val_t", (void *p, size_t alignment))
DELETE(delete_one_sized_aligned, "_ZdlPvmSt11align_val_t", (void *p, size_t size, size_t alignment))
DELETE(delete_array_sized_aligned, "_ZdaPvmSt11align_val_t",
       (void *p, size_t size, size_t alignment))
DELETE(delete_one_aligned_nothrow, "_ZdlPvSt11align_val_tRKSt9nothrow_t",
       (void *p, size_t alignment, const void *nothrow))
DELETE(delete_array_aligned_nothrow, "_ZdaPvSt11align_val_tRKSt9nothrow_t",
       (void *p, size_t alignment, const void *nothrow))
