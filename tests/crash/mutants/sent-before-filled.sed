# SPDX-License-Identifier: Apache-2.0
# A message is sent before its slot is filled.
s/struct slot_shared \*slot = ring_begin\(&pub->ring\);/&\n\tbool wrapped = ring_commit(\&pub->ring, slot);/
s/ring_commit\(&pub->ring, slot\), chunk/wrapped, chunk/
