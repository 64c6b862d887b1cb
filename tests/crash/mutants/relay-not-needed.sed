# SPDX-License-Identifier: Apache-2.0
# What a dead republisher held goes with it, though somebody reads what it sent.
s/return open == 1 \|\| is_any_place_needed/return false \&\& is_any_place_needed/
