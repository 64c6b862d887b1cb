# SPDX-License-Identifier: Apache-2.0
# How far somebody was in the ring before ours is how far he is in ours.
s/member->is_before = cursor > 1 && cursor <= SEQUENCE_MAX;/member->is_before = 0 \& cursor;/
