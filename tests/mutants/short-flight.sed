# SPDX-License-Identifier: Apache-2.0
# What was not written of a batch is forgotten.
/^static int finish_flight/,/^}/s/return write_pieces.*/return 0;/
