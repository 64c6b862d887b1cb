# SPDX-License-Identifier: Apache-2.0
# Keys of others need be no names.
s/name_check\(attribute->key, "", FLOE_ATTRIBUTE_KEY_MAX, NULL\) < 0/!is_text(attribute->key, FLOE_ATTRIBUTE_KEY_MAX)/
