# SPDX-License-Identifier: Apache-2.0
# Who opens does not clean the places of the dead.
/\(void\)cleanup_places\(/d
