# SPDX-License-Identifier: Apache-2.0
# Terms have their name before they are there.
/^\tmemcpy\(region.base, from, size\);/d
s/^\treturn r < 0 \? error_system\(error, r, "name", name\) : 0;/\tmemcpy(region.base, from, size);\n&/
