# SPDX-License-Identifier: Apache-2.0
# Who adopts an elastic ring does not look for holds before it lends.
s/pub->stretch->inherited = true/pub->stretch->inherited = false/
