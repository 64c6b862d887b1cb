# SPDX-License-Identifier: Apache-2.0
# Who can be answered at last is taken as it comes, also while a request waits that came before.
s/s->waits \? NULL : &k->responses->publisher/\&k->responses->publisher/
