/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/owner.h"

#include <errno.h>
#include <fcntl.h>

#include "channel/segment_layout.h"
#include "os/os.h"
#include "registry/file.h"
#include "registry/record_layout.h"

int owner_read(int dirfd, const char *name, uint64_t *ret_owner)
{
	floe_cleanup(os_close_fdp) int fd = file_open(dirfd, name, O_RDONLY, NULL);
	union {
		struct segment_shared segment;
		struct record_shared record;
	} seen;
	ssize_t r;

	if (fd < 0)
		return fd;
	r = os->read_at(fd, &seen, sizeof(seen), 0);
	if (r < 0)
		return (int)r;
	if ((size_t)r >= sizeof(seen.segment) &&
	    identity_check(seen.segment.identity, SEGMENT_MAGIC, SEGMENT_SIGNATURE, "", "", NULL) ==
		    0)
		*ret_owner = load_relaxed(&seen.segment.owner);
	else if ((size_t)r >= sizeof(seen.record) &&
		 identity_check(seen.record.identity, RECORD_MAGIC, RECORD_SIGNATURE, "", "",
				NULL) == 0)
		*ret_owner = seen.record.owner;
	else
		return -EPROTO;
	return 0;
}
