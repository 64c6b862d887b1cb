# SPDX-License-Identifier: Apache-2.0
# Whoever announced a number decides about the ring of that number.
s/if \(o != k && o->server == .*/if (false)/
