# SPDX-License-Identifier: Apache-2.0
# A released sample stays held.
/store_release\(&sub->port->hold\[sample->ticket & PLACE_INDEX\], HOLD_NONE\);/d
