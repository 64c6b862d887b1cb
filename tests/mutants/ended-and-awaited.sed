# SPDX-License-Identifier: Apache-2.0
# A request that has ended is awaited still.
/^floe_inline void end_request/,/^}/s/^	p->awaited = NOT_AWAITED;//
