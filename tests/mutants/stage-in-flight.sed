# SPDX-License-Identifier: Apache-2.0
# A stage is filled again while its batch is under way.
/^static int turn_over/,/^}/s/^	while \(.*/	while (false)/
