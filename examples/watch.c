/* SPDX-License-Identifier: Apache-2.0 */

/* Tells who publishes, and who comes, goes and dies. */
#include <floe/watch.h>
#include <stdio.h>

int main(void)
{
	static const char *const what[] = {"", "there", "came", "changed", "died", "went"};
	struct floe_watch_options options = {.size = sizeof(options),
					     .kinds = 1u << FLOE_KIND_PUBLISHER};
	struct floe_watch_event event;
	struct floe_publisher *pub;
	struct floe_watch *watch;

	if (floe_watch_open(&watch, &options) < 0 || floe_publisher_open(&pub, "camera", NULL) < 0)
		return 1;
	for (int i = 0; i < 2; i++) {
		while (floe_watch_next(watch, &event, sizeof(event)) == 0)
			floe_watch_wait(watch, -1); /* or poll(2) on floe_watch_fd */
		printf("publisher of %s %s\n", event.topic, what[event.what]);
		floe_publisher_close(pub);
		pub = NULL;
	}
	floe_watch_close(watch);
	return 0;
}
