# SPDX-License-Identifier: Apache-2.0
# Whether there is a ring for the answer is not looked at when a request lies ready.
s/!caller \|\| !caller->answers \|\| --s->takes_left/!caller || --s->takes_left/
