# SPDX-License-Identifier: Apache-2.0
# Rings are mapped until there are no addresses left for others.
s/size > RINGS_MAX - before/size > RINGS_MAX/
