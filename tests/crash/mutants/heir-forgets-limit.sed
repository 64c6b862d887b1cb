# SPDX-License-Identifier: Apache-2.0
# Who adopts begins with its own limit, whatever the dead one had raised.
s/return before > wanted && before <= max \? before : wanted;/(void)before; return wanted;/
