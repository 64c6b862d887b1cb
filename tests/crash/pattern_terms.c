/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Terms: the victim lays them down as a coordinator does, the survivor takes part under them. Old
 * ones, new ones or none are in force at each instant, and nothing that is half of one.
 */

#include <errno.h>
#include <string.h>

#include <floe/floe.h>

#include "base/error.h"
#include "channel/segment.h"
#include "frame/frame.h"
#include "pattern.h"
#include "registry/domain.h"
#include "registry/terms.h"
#include "registry/topic.h"
#include "victim.h"

#define FIRST 5 /* depths that are laid down */
#define SECOND 9

static struct {
	struct floe_subscriber *sub;
	struct floe_publisher *pub;
} self;

static struct domain domain_of_world(void)
{
	struct domain domain;

	expect_equal(domain_init(&domain, NULL, NULL, NULL), 0);
	return domain;
}

static struct terms_shared make_terms(uint32_t depth)
{
	return (struct terms_shared){
		.identity = identity_make(TERMS_MAGIC, TERMS_SIGNATURE),
		.author = 1,
		.depth = depth,
		.payload_max = 100 * depth,
	};
}

/*
 * Victim
 */

static void lay_down(uint32_t depth)
{
	struct domain domain = domain_of_world();
	struct terms_shared terms = make_terms(depth);

	expect_equal(terms_write(&terms, &domain, WORLD_TOPIC, 0600, NULL), 0);
}

void terms_lay_down(void)
{
	lay_down(FIRST);
}

void terms_lay_down_again(void)
{
	lay_down(SECOND);
}

void terms_lay_down_quotas(void)
{
	static struct quotas_shared quotas;
	struct domain domain = domain_of_world();

	quotas = (struct quotas_shared){
		.identity = identity_make(QUOTAS_MAGIC, QUOTAS_SIGNATURE),
		.author = 1,
		.others = {.publishers_max = 60},
	};
	expect_equal(terms_write_quotas(&quotas, &domain, 0600, NULL), 0);
}

void terms_take_away(void)
{
	struct domain domain = domain_of_world();

	terms_remove(&domain, WORLD_TOPIC);
	terms_remove_quotas(&domain);
}

/*
 * Survivor and visitor
 */

/* What is in force is one of the two, whole. */
static void look_at_terms(void)
{
	struct domain domain = domain_of_world();
	struct terms_shared terms, wanted;
	int r = terms_read(&terms, &domain, WORLD_TOPIC, TERMS_PUBLISHER, NULL);

	expect(r == 0 || r == 1);
	if (r == 0)
		return;
	expect(terms.depth == FIRST || terms.depth == SECOND);
	wanted = make_terms(terms.depth);
	expect(memcmp(&terms, &wanted, sizeof(terms)) == 0);
}

static void talk(void)
{
	struct floe_sample sample;
	struct floe_loan loan;

	expect_equal(floe_loan(self.pub, 8, &loan), 1);
	expect_equal(floe_publish(self.pub, &loan), 1);
	expect_equal(floe_take(self.sub, &sample), 1);
	floe_release(self.sub, &sample);
}

static void open_both(void)
{
	expect_equal(floe_subscriber_open(&self.sub, WORLD_TOPIC, NULL), 0);
	expect_equal(floe_publisher_open(&self.pub, WORLD_TOPIC, PUBLISHER(.payload_max = 64)), 0);
}

static void close_both(void)
{
	floe_publisher_close(self.pub);
	floe_subscriber_close(self.sub);
}

static void go_on(void)
{
	look_at_terms();
	talk();
}

static void visit(bool lives)
{
	(void)lives;
	open_both();
	look_at_terms();
	talk();
	close_both();
}

const struct pattern pattern_terms = {
	.open = open_both,
	.go_on = go_on,
	.settle = go_on,
	.close = close_both,
	.visit = visit,
};
