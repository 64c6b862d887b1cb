# SPDX-License-Identifier: Apache-2.0
# The head goes before the slot, and who adopts trusts the head.
/store_release\(&slot->sequence, 2 \* next\);/{
	h
	d
}
/store_release\(&r->segment->head, next\);/G
0,/return last;/s//return segment->head;/
