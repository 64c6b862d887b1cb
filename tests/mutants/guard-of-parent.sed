# SPDX-License-Identifier: Apache-2.0
# A child keeps what its parent's node had under guard.
/^static void forget_parent/,/^}/s/^		guard_remove\(.*//
