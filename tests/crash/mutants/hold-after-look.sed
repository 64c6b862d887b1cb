# SPDX-License-Identifier: Apache-2.0
# The hold is there only after the second look.
/store_seq_cst\(hold, feed->tag \| offset\);/d
s/^\tret->data = feed->base \+ offset;/\tstore_seq_cst(hold, feed->tag | offset);\n&/
