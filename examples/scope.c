/* SPDX-License-Identifier: Apache-2.0 */

/* A loan that cannot be forgotten: whatever way leaves the scope, it is published or given back. */

#include <floe/floe.h>
#include <stdio.h>
#include <string.h>

/* 1 sent, 0 not worth it, < 0 */
static int report(struct floe_publisher *pub, const char *text)
{
	FLOE_LOAN_SCOPE(pub, loan);
	int r = floe_loan(pub, 100, &loan);

	if (r <= 0)
		return r;
	if (strlen(text) >= loan.size)
		return 0; /* the loan is given back here, too */
	loan.size = (size_t)snprintf(loan.data, loan.size, "%s", text) + 1;
	return floe_publish(pub, &loan);
}

int main(void)
{
	struct floe_publisher *pub = NULL;
	struct floe_publisher_counts counts;
	char lengthy[200];

	if (floe_publisher_open(&pub, "report", NULL) < 0)
		return 1;
	memset(lengthy, 'x', sizeof(lengthy));
	lengthy[sizeof(lengthy) - 1] = 0;
	for (int i = 0; i < 1000; i++)
		(void)report(pub, i % 2 ? "all is well" : lengthy);
	(void)floe_publisher_count(pub, &counts, sizeof(counts));
	printf("published %d, loans out %d\n", (int)counts.published, (int)counts.loans);
	floe_publisher_close(pub);
	return 0;
}
