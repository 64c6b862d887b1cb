/* SPDX-License-Identifier: Apache-2.0 */

/* Beside a request lies who asks, beside its response what that cost; both payloads are what they were. */

#include <floe/service.h>
#include <stdio.h>

static const struct floe_type who = {.name = "who", .size = sizeof(int)};
static const struct floe_type fee = {.name = "fee", .size = sizeof(double)};

int main(void)
{
	struct floe_server_options s = {sizeof(s), .request_header = &who, .response_header = &fee};
	struct floe_client_options c = {sizeof(c), .request_header = &who, .response_header = &fee};
	struct floe_response response;
	struct floe_request request;
	struct floe_server *server;
	struct floe_client *client;
	struct floe_loan loan;

	if (floe_server_open(&server, "double", &s) < 0 ||
	    floe_client_open(&client, "double", &c) < 0 || floe_client_loan(client, 4, &loan) != 1)
		return 1;
	*(int *)loan.data = 21;
	*(int *)floe_client_loan_header(client, &loan) = 7;
	floe_client_send(client, &loan, -1, NULL);
	if (floe_server_take(server, &request) == 1 &&
	    floe_server_loan(server, &request, 4, &loan) == 1) {
		printf("asked by %d\n", *(int *)floe_server_request_header(server, &request, NULL));
		*(int *)loan.data = *(const int *)request.data * 2;
		*(double *)floe_server_loan_header(server, &request, &loan) = 0.25;
		floe_server_send(server, &request, &loan, 0);
	}
	if (floe_client_take(client, &response) == 1 && response.data)
		printf("%d for %.2f\n", *(const int *)response.data,
		       *(double *)floe_client_response_header(client, &response, NULL));
	floe_client_close(client);
	floe_server_close(server);
}
