# SPDX-License-Identifier: Apache-2.0
# Chunks are checked and released while they are under way.
/^static int see_landed/,/^}/s/<= writer->output\.written/<= writer->output.sent/
