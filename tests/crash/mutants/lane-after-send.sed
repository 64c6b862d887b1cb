# SPDX-License-Identifier: Apache-2.0
# The message is sent, then it comes into the lanes.
/^static int send_slow/,/^\}/ {
	/^\tfill_lanes\(pub, 0, slot, next\);/d
	s/^\tadvance_lanes\(pub, 1\);/\tfill_lanes(pub, 0, slot, next);\n&/
}
