# SPDX-License-Identifier: Apache-2.0
# Who finds a response at each take looks at nothing else.
s/ \|\| !c->asks \|\| --c->takes_left == 0/ \|\| !c->asks/
