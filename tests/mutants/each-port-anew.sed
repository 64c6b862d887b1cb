# SPDX-License-Identifier: Apache-2.0
# Who cleans places begins anew with each port.
/^static unsigned remove_places/,/^}/s/^	while .*peer_next_port.*/&\n		*effort = RELAYS_EFFORT;/
