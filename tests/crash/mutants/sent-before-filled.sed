# SPDX-License-Identifier: Apache-2.0
# A message is sent before its slot is filled.
/^floe_inline int publisher_send\(/,/^}/{
	s/struct slot_shared \*slot = ring_begin\(&pub->ring, next\);/&\n\tbool wrapped = ring_commit(\&pub->ring, slot, next);/
	s/ring_commit\(&pub->ring, slot, next\), chunk/wrapped, chunk/
}
/^floe_inline void publisher_commit_(inline|chunk)\(/,/^}/{
	/^\tring_send\(/d
	s/struct slot_shared \*slot = ring_begin\(&pub->ring, pub->ring.next\);/&\n\n\tring_send(\&pub->ring, slot, pub->ring.next);/
}
