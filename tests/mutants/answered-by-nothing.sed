# SPDX-License-Identifier: Apache-2.0
# Whether there is a ring for the answer is not looked at when a request lies ready.
s/!caller \|\| caller->gone \|\| !caller->responses \|\| s->waits/!caller || caller->gone || s->waits/
