# SPDX-License-Identifier: Apache-2.0
# Which server was lent from last is looked at, not whether there are others.
s/c->connections == k && !k->next &&/c->connections == k \&\&/
