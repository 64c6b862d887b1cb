# SPDX-License-Identifier: Apache-2.0
# Terms have their name before they are there.
s/^\tr = file_fill\(fd, from, size\);/\tr = 0;/
s/^\tr = name_file\(fd, dir, name\);/&\n\tr = r < 0 ? r : file_fill(fd, from, size);/
