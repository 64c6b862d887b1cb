# SPDX-License-Identifier: Apache-2.0
# Who adopts does not become the owner.
/store_release\(&segment->owner, node->id\);/d
