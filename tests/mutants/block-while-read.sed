# SPDX-License-Identifier: Apache-2.0
# Who closes takes his block back while others look into it.
/^	while \(block && block->readers && block->pid == os->get_pid\(\)\)$/,+1d
