/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_EDGE_H
#define TESTS_EDGE_H

/* An edge is what epoll(7) tells of a descriptor once, when it becomes readable or is told so anew. */

int edge_epoll(int fd); /* that waits for edges of this descriptor */
void edge_await(int epoll);

#endif
