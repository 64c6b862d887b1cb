# SPDX-License-Identifier: Apache-2.0
# What a client that is gone had asked stays held.
/^void active_finish\(/,/^}/{
	s/active_release\(s, a->ticket\);/if (!caller->gone)\n\t\t&/
}
