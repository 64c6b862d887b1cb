# SPDX-License-Identifier: Apache-2.0
# Who finds a request at each take looks at nothing else.
s/ \|\| !caller->answers \|\| --s->takes_left == 0/ || !caller->answers/
