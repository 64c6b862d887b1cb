# SPDX-License-Identifier: Apache-2.0
# A subscriber that leaves keeps to itself what an omen has told it.
/^static void end_waits/,/^}/{
	/^	if \(s->tables\)$/,+1d
}
