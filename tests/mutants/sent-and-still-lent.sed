# SPDX-License-Identifier: Apache-2.0
# The receipt of a request or response is not looked at when it is sent.
s/= !pub->told && /= /
