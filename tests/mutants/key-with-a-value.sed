# SPDX-License-Identifier: Apache-2.0
# Keys of others may have a '='.
s/strchr\(attribute->key, '='\)/false/
