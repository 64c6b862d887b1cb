/* SPDX-License-Identifier: Apache-2.0 */

/* The results of floe/uring.h in words. */

#include <errno.h>
#include <floe/uring.h>

static const struct {
	int result;
	const char *sentence;
} sentences[] = {
	{-EINVAL,
	 "an argument is wrong: NULL, not page aligned, overlapping, or entries and flags that "
	 "no kernel takes; before Linux 6.10 also a block of several pages that is not in "
	 "one huge page"},
	{-EOVERFLOW, "a queue for entries of mixed sizes needs at least two"},
	{-ENOMEM, "the memory is smaller than floe_uring_memory_size says"},
	{-EDQUOT,
	 "the kernel may not pin this much memory for this user: raise RLIMIT_MEMLOCK, or wait "
	 "until rings that were closed are gone"},
	{-EFAULT,
	 "this memory cannot be pinned: use anonymous memory, a memfd, tmpfs or huge pages, "
	 "mapped writable"},
	{-EOPNOTSUPP,
	 "this kernel, memory or kind of ring cannot do that: rings in memory of one's own "
	 "need Linux 6.5, without an index array 6.6, moving away from memory 6.13"},
	{-EPERM, "io_uring is forbidden here: see the sysctl kernel.io_uring_disabled, or the "
		 "container's seccomp profile"},
	{-ENOSYS, "this kernel was built without io_uring"},
	{-EPROTO, "this kernel lays rings out differently: this library is too old for it"},
	{-EMFILE, "this process has too many open files: raise RLIMIT_NOFILE"},
	{-ENFILE, "the system has too many open files"},
	{-EEXIST, "this ring belongs to the thread that made it"},
	{-EBUSY, "files are registered with this ring already"},
	{-ETIMEDOUT,
	 "somebody still has the closed ring open, perhaps a child: its memory is not safe"},
};

FLOE_PUBLIC const char *floe_uring_explain(int result)
{
	if (result >= 0)
		return "";
	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
		if (sentences[i].result == result)
			return sentences[i].sentence;
	return "the system refused";
}
