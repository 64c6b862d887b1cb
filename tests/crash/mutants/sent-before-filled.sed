# SPDX-License-Identifier: Apache-2.0
# A message is sent before its slot is filled.
s/struct slot_shared \*slot = ring_begin\(&pub->ring, next\);/&\n\tbool wrapped = ring_commit(\&pub->ring, slot, next);/
s/ring_commit\(&pub->ring, slot, next\), chunk/wrapped, chunk/
