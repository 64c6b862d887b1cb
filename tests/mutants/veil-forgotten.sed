# SPDX-License-Identifier: Apache-2.0
# A veil that could not be lifted is forgotten.
/^static int lift_veil/,/^}/s/^	if \(r == 0\)$/	if (true)/
