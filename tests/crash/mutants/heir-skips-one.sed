# SPDX-License-Identifier: Apache-2.0
# Who adopts goes on one message too late.
s/start_at\(pub, segment, seen, last \+ 1\)/start_at(pub, segment, seen, last + (last ? 2 : 1))/
