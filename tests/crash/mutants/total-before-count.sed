# SPDX-License-Identifier: Apache-2.0
# The sums of an event are there before its count is.
/^\tbump\(&notifier->count\[id\], 1\);/d
s/^\tstore_seq_cst\(&event->total, .*/&\n\tbump(\&notifier->count[id], 1);/
