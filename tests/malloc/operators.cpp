/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation operator of C++ in a program that knows nothing of floe: each is the drop-in
 * malloc's own, aligns as it must, and where there is no memory throws, asks the handler, or is
 * nullptr. */
#include <dlfcn.h>
#include <malloc.h>

#include <cstdint>
#include <cstring>
#include <new>

#include "frame/frame.h"

namespace
{

constexpr std::align_val_t wide{512};
volatile std::size_t huge = SIZE_MAX / 4;
void *volatile sink; /* or the compiler leaves them out */

void these_are_those_that_are_tested()
{
	static const char *const names[] = {
		"_Znwm",
		"_Znam",
		"_ZnwmRKSt9nothrow_t",
		"_ZnamRKSt9nothrow_t",
		"_ZnwmSt11align_val_t",
		"_ZnamSt11align_val_t",
		"_ZnwmSt11align_val_tRKSt9nothrow_t",
		"_ZnamSt11align_val_tRKSt9nothrow_t",
		"_ZdlPv",
		"_ZdaPv",
		"_ZdlPvm",
		"_ZdaPvm",
		"_ZdlPvRKSt9nothrow_t",
		"_ZdaPvRKSt9nothrow_t",
		"_ZdlPvSt11align_val_t",
		"_ZdaPvSt11align_val_t",
		"_ZdlPvmSt11align_val_t",
		"_ZdaPvmSt11align_val_t",
		"_ZdlPvSt11align_val_tRKSt9nothrow_t",
		"_ZdaPvSt11align_val_tRKSt9nothrow_t",
	};

	for (const char *name : names) {
		void *found = dlsym(RTLD_DEFAULT, name);
		Dl_info info;

		expect(found && dladdr(found, &info));
		if (!std::strstr(info.dli_fname, "libfloe-malloc.so"))
			printf("# %s is that of %s\n", name, info.dli_fname);
		expect(std::strstr(info.dli_fname, "libfloe-malloc.so"));
	}
}

void use(void *p, std::size_t size, std::size_t alignment)
{
	expect(p);
	expect_equal(reinterpret_cast<std::uintptr_t>(p) % alignment, 0);
	expect(malloc_usable_size(p) >= size);
	std::memset(p, 7, size);
}

/* What each of them ends is free again: else it would not fit a thousand times. */
void each_operator_takes_and_each_gives_back()
{
	for (int i = 0; i < 1000; i++)
		for (std::size_t size = 1; size < 200000; size = size * 7 + 1) {
			void *p[8] = {
				::operator new(size),
				::operator new[](size),
				::operator new(size, std::nothrow),
				::operator new[](size, std::nothrow),
				::operator new(size, wide),
				::operator new[](size, wide),
				::operator new(size, wide, std::nothrow),
				::operator new[](size, wide, std::nothrow),
			};

			for (int k = 0; k < 8; k++)
				use(p[k], size, k < 4 ? 16 : 512);
			if (i % 2) {
				::operator delete(p[0]);
				::operator delete[](p[1]);
				::operator delete(p[2], std::nothrow);
				::operator delete[](p[3], std::nothrow);
				::operator delete(p[4], wide);
				::operator delete[](p[5], wide);
				::operator delete(p[6], wide, std::nothrow);
				::operator delete[](p[7], wide, std::nothrow);
			} else {
				::operator delete(p[0], size);
				::operator delete[](p[1], size);
				::operator delete(p[2], size);
				::operator delete[](p[3], size);
				::operator delete(p[4], size, wide);
				::operator delete[](p[5], size, wide);
				::operator delete(p[6], size, wide);
				::operator delete[](p[7], size, wide);
			}
		}
	::operator delete(nullptr);
	::operator delete[](nullptr, wide);
	expect(mallinfo2().uordblks < std::size_t{8} << 20);
}

template <typename call> bool throws(call allocate)
{
	try {
		allocate();
	} catch (const std::bad_alloc &) {
		return true;
	}
	return false;
}

void without_memory_they_throw_or_are_null()
{
	expect(throws([] { sink = ::operator new(huge); }));
	expect(throws([] { sink = ::operator new[](huge); }));
	expect(throws([] { sink = ::operator new(huge, wide); }));
	expect(throws([] { sink = ::operator new[](huge, wide); }));
	expect(!(sink = ::operator new(huge, std::nothrow)));
	expect(!(sink = ::operator new[](huge, std::nothrow)));
	expect(!(sink = ::operator new(huge, wide, std::nothrow)));
	expect(!(sink = ::operator new[](huge, wide, std::nothrow)));
	use(::operator new(10), 10, 16);
}

int asked;

void give_up_the_second_time()
{
	if (++asked == 2)
		std::set_new_handler(nullptr);
}

void the_handler_is_asked()
{
	std::set_new_handler(give_up_the_second_time);
	expect(throws([] { sink = ::operator new(huge); }));
	expect_equal(asked, 2);
}

} // namespace

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(these_are_those_that_are_tested),
		TEST(each_operator_takes_and_each_gives_back),
		TEST(without_memory_they_throw_or_are_null),
		TEST(the_handler_is_asked),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
