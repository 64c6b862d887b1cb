# SPDX-License-Identifier: Apache-2.0
# What a client that is gone had asked stays held.
/^static void finish\(/,/^}/{
	s/release\(s, &a->sample\);/if (!caller->gone)\n\t\t&/
}
