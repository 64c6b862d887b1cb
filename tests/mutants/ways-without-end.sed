# SPDX-License-Identifier: Apache-2.0
# Who asks whether a dead port is needed goes all ways.
s/^	\*question->effort = suffices.*//
