# SPDX-License-Identifier: Apache-2.0
# What is known of a ring that was refused stays when its name goes.
s/if \(!taken\[i\] && feeds->refused\[i\]\)/if (!taken[i] \&\& feeds->refused[i] == 1)/
