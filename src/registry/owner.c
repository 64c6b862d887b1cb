/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

#include "channel/board_layout.h"
#include "channel/event_layout.h"
#include "channel/segment_layout.h"
#include "os/os.h"
#include "registry/file.h"
#include "registry/record_layout.h"

union owned {
	struct segment_shared segment;
	struct record_shared record;
	struct seat_shared seat;
};

static bool is_segment(const union owned *seen, ssize_t size)
{
	return (size_t)size >= sizeof(seen->segment) &&
	       identity_check(seen->segment.identity, SEGMENT_MAGIC, SEGMENT_SIGNATURE, "", "",
			      NULL) == 0;
}

static bool is_record(const union owned *seen, ssize_t size)
{
	return (size_t)size >= sizeof(seen->record) &&
	       identity_check(seen->record.identity, RECORD_MAGIC, RECORD_SIGNATURE, "", "",
			      NULL) == 0;
}

static bool is_seat(const union owned *seen, ssize_t size)
{
	struct identity_shared identity = seen->seat.identity;

	return (size_t)size >= sizeof(seen->seat) &&
	       (identity_check(identity, EVENT_MAGIC, EVENT_SIGNATURE, "", "", NULL) == 0 ||
		identity_check(identity, BOARD_MAGIC, BOARD_SIGNATURE, "", "", NULL) == 0);
}

int owner_read(int dirfd, const char *name, uint64_t *ret_owner)
{
	floe_cleanup(os_close_fdp) int fd = file_open(dirfd, name, O_RDONLY, NULL);
	union owned seen;
	ssize_t r;

	if (fd < 0)
		return fd;
	r = os->read_at(fd, &seen, sizeof(seen), 0);
	if (r < 0)
		return (int)r;
	if (is_segment(&seen, r))
		*ret_owner = load_relaxed(&seen.segment.owner);
	else if (is_record(&seen, r))
		*ret_owner = seen.record.owner;
	else if (is_seat(&seen, r))
		*ret_owner = load_relaxed(&seen.seat.owner);
	else
		return -EPROTO;
	return 0;
}

int owner_read_record(int fd, uint64_t *ret_owner)
{
	union owned seen;
	ssize_t r = os->read_at(fd, &seen, sizeof(seen.record), 0);

	if (r < 0)
		return (int)r;
	if (!is_record(&seen, r))
		return -EPROTO;
	*ret_owner = seen.record.owner;
	return 0;
}
