# SPDX-License-Identifier: Apache-2.0
# Others may say one key twice.
s/!strcmp\(accord->attribute\[k\]\.key, attribute->key\)/false/
