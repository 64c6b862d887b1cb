/* SPDX-License-Identifier: Apache-2.0 */

/* A door that is opened twice and closed once, and who hears of it. */

#include <floe/event.h>
#include <stdio.h>

enum {
	OPENED,
	CLOSED
};

int main(void)
{
	struct floe_listener *listener = NULL;
	struct floe_notifier *door = NULL;
	struct floe_event event;

	if (floe_listener_open(&listener, "door", NULL) < 0 ||
	    floe_notifier_open(&door, "door", NULL) < 0)
		return 1;
	floe_notify(door, OPENED);
	floe_notify(door, CLOSED);
	floe_notify(door, OPENED);
	floe_notifier_close(door);

	while (floe_listener_wait(listener, 0) == 1 && floe_listener_take(listener, &event) == 1) {
		if (event.kind == FLOE_EVENT_CREATED)
			puts("there is a door");
		if (event.kind == FLOE_EVENT_NOTIFIED)
			printf("%s: %d\n", event.id == OPENED ? "opened" : "closed",
			       (int)event.count);
		if (event.kind == FLOE_EVENT_DROPPED)
			puts("it is gone");
	}
	floe_listener_close(listener);
	return 0;
}
