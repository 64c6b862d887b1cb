# SPDX-License-Identifier: Apache-2.0
# The count of takes until a look falls to 0 beside the way that looks at 0.
s/s->takes_left > 1/s->takes_left >= 1/
