/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_VIEW_H
#define API_VIEW_H

/*
 * View: what lies behind a struct floe_view.
 */

#include "registry/view.h"

struct view {
	struct domain domain;
	struct view_room room;
};

#endif
