# SPDX-License-Identifier: Apache-2.0
# Who can be answered is taken as it comes, also while a request waits that came before.
s/^\t\tclose_straight\(s\);$//
