# SPDX-License-Identifier: Apache-2.0
# Who has gone is let go when all others have been read.
/^	for \(uint32_t i = 0; i < sub->feed_count; i\+\+\)$/{
	N
	/->seen|\.seen\)/{
		N
		d
	}
}
s/^	return told;$/	for (uint32_t i = 0; i < sub->feed_count; i++)\n		if (!sub->feeds[i].seen)\n			subscriber_let_go(sub, \&sub->feeds[i]);\n&/
