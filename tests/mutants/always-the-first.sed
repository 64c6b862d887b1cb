# SPDX-License-Identifier: Apache-2.0
# Among servers with as few requests the first is asked, whenever it was asked last.
s/k->turn < best->turn/false/
