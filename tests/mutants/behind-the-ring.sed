# SPDX-License-Identifier: Apache-2.0
# Who looks ahead does not ask where the ring ends.
/^static void fetch_ahead/,/^}/s/ && i < left;/;/
