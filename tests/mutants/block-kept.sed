# SPDX-License-Identifier: Apache-2.0
# A block that was given back is let go only when the folder can be read.
/^	leave_blocks\(sub\);$/d
