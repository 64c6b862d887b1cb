# SPDX-License-Identifier: Apache-2.0
# A value is there before its bytes are.
s/bytes_store\(cell_prepare\(cell\), value, cell->size\);/void *to = cell_prepare(cell);\n\tuint64_t done = cell_commit(cell);\n\n\tbytes_store(to, value, cell->size);\n\treturn done;/
