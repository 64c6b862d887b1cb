# SPDX-License-Identifier: Apache-2.0
# Who adopts forgets the chunks that no slot names.
s/\*pub->retired\+\+ = manager_offset/(void)manager_offset/
