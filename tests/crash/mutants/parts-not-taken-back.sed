# SPDX-License-Identifier: Apache-2.0
# Who adopts leaves parts that were not sent as they are.
/ring_take_back\(/d
