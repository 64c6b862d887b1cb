/* SPDX-License-Identifier: Apache-2.0 */

/* A publisher says in which frame its poses are; who wants another one is told so, and does not join. */

#include <floe/floe.h>
#include <stdio.h>

int main(void)
{
	struct floe_attribute map = {"frame", "map"}, wheels = {"frame", "wheels"};
	struct floe_error error;
	struct floe_publisher_options sending = {
		.size = sizeof(sending), .attributes = &map, .attributes_count = 1};
	struct floe_subscriber_options wanting = {.size = sizeof(wanting),
						  .attributes = &wheels,
						  .attributes_count = 1,
						  .error = &error};
	struct floe_publisher *pub;
	struct floe_subscriber *sub;

	if (floe_publisher_open(&pub, "pose", &sending) < 0)
		return 1;
	if (floe_subscriber_open(&sub, "pose", &wanting) < 0)
		puts(error.text);
	wanting.attributes = &map;
	if (floe_subscriber_open(&sub, "pose", &wanting) == 0)
		puts("joined");
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	return 0;
}
