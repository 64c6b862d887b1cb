# SPDX-License-Identifier: Apache-2.0
# Whoever knows the number of a request answers it.
s/p->awaited != \(mark & ~MARK_MORE\) \|\| p->connection->server != sender/p->awaited != (mark \& ~MARK_MORE)/
