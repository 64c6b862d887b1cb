# SPDX-License-Identifier: Apache-2.0
# Whose ring is broken is told by what the ring says, whether or not its server has taken anything.
s/return broken && has_taken\(k\) &&/return broken \&\&/
