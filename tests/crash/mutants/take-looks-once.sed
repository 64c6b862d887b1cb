# SPDX-License-Identifier: Apache-2.0
# A take trusts its first look at the slot.
s/load_seq_cst\(&slot->sequence\) != ready->want/false/
