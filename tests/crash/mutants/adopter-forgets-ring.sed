# SPDX-License-Identifier: Apache-2.0
# Who adopts forgets which chunks are in the ring.
s/sequence % 2 \|\| what & SLOT_INLINE/sequence != 0 || what \& SLOT_INLINE/
