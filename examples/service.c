/* SPDX-License-Identifier: Apache-2.0 */

/* One request and its response. Client and server are one process here; in two nothing would change. */

#include <floe/service.h>
#include <stdio.h>

static void answer(struct floe_server *server)
{
	struct floe_request request;
	struct floe_loan loan;

	if (floe_server_take(server, &request) == 1 &&
	    floe_server_loan(server, &request, sizeof(int), &loan) == 1) {
		*(int *)loan.data = *(const int *)request.data * 2; /* what the client will read */
		floe_server_send(server, &request, &loan, 0);
	}
}

int main(void)
{
	struct floe_server *server;
	struct floe_client *client;
	struct floe_response response;
	struct floe_loan loan;

	if (floe_server_open(&server, "double", NULL) < 0 ||
	    floe_client_open(&client, "double", NULL) < 0)
		return 1;
	if (floe_client_loan(client, sizeof(int), &loan) == 1) {
		*(int *)loan.data = 21; /* what the server will read */
		floe_client_send(client, &loan, -1, NULL);
	}
	answer(server);
	if (floe_client_take(client, &response) == 1 && response.data)
		printf("%d\n", *(const int *)response.data);
	floe_client_close(client); /* with all that it holds */
	floe_server_close(server);
}
