// SPDX-License-Identifier: GPL-2.0-only
/* P3, P4: routes that change. */
#include <linux/lockdep.h>

#include <errno.h>

#include "fake_host.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];
static struct fake_vm *const b = &host.vm[1];

TEST(route_of_the_holder_leads_to_another_vlpi)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	route(x, 1);
	EXPECT_DID("");
	settle();
	EXPECT_DID("unmap 1, map 2 A8192, map 1 A8193, raise A8192, raise A8193");
	HOLDS(x);
	HOLDS(y);
	route(x, 0);
	settle();
	/* The vLPI has no holder now, and is raised in software: an edge may have been dropped. */
	EXPECT_DID("unmap 1, raise A8193");
	WAITS(x);
	fake_end();
}

/* Nobody else is at the old vLPI: what was pending there is raised before the next is granted. */
TEST(route_of_the_only_holder_leads_to_another_vlpi)
{
	struct fake_irqfd *x;

	fake_begin();
	x = source(a, 0, 1);
	settle();
	fires(1);
	fake_did();
	route(x, 1);
	settle();
	EXPECT_DID("unmap 1, raise A8192, map 1 A8193, raise A8193");
	HOLDS(x);
	fake_end();
}

/* Somebody is at the old vLPI, who can't be granted it. */
TEST(route_of_a_holder_leads_to_another_vlpi_and_none_is_promoted)
{
	struct fake_irqfd *x, *idle;

	fake_begin();
	x = source(a, 0, 1);
	idle = assign(a, 0);
	settle();
	fires(1);
	fake_did();
	route(x, 1);
	settle();
	EXPECT_DID("unmap 1, raise A8192, map 1 A8193, raise A8193");
	HOLDS(x);
	EXPECT_STATE(idle, IDLE, 0);
	fake_end();
}

TEST(route_of_a_waiter_leads_to_another_vlpi)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 1, 3);
	settle();
	fake_did();
	route(y, 1);
	settle();
	EXPECT_DID("");
	HOLDS(x);
	HOLDS(z);
	WAITS(y);
	EXPECT_EQ(dump_of(y).vintid, LPI + 1);
	EXPECT_EQ(dump_of(y).eventid, 1);
	fake_end();
}

TEST(route_of_the_holder_leads_to_no_msi_and_back)
{
	struct fake_irqfd *x;

	fake_begin();
	x = source(a, 0, 1);
	settle();
	fake_did();
	route(x, NOT_MSI);
	settle();
	EXPECT_STATE(x, NOT_MSI, 0);
	EXPECT_DID("unmap 1, raise A8192");
	EXPECT_EQ(info().nr_slots, 0);
	route(x, 0);
	settle();
	HOLDS(x);
	EXPECT_DID("map 1 A8192, raise A8192");
	fake_end();
}

TEST(route_of_the_holder_leads_nowhere_and_back)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	route(x, 6);
	settle();
	EXPECT_STATE(x, UNRESOLVED, ENXIO);
	HOLDS(y);
	EXPECT_DID("unmap 1, map 2 A8192, raise A8192");
	route(x, 0);
	settle();
	WAITS(x);
	EXPECT_DID("");
	fake_end();
}

/* Back before anybody has looked: there is nothing to do. */
TEST(route_leads_elsewhere_and_back_at_once)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	route(x, 6);
	route(x, 0);
	route(y, NOT_MSI);
	route(y, 0);
	settle();
	EXPECT_DID("");
	HOLDS(x);
	EXPECT_EQ(dump_of(y).position, 1);
	fake_end();
}

static struct fake_irqfd *moving;

static void it_is_routed_back(void)
{
	route(moving, 0);
}

/* Back when it was looked at, and before it is revoked; and when it is. */
TEST(route_leads_back_while_it_is_revoked)
{
	static const enum moment moments[] = { AFTER_LOOK, BEFORE_REVOKE, AFTER_REVOKE };
	struct fake_irqfd *x, *y;
	u32 i;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	for (i = 0; i < ARRAY_SIZE(moments); i++) {
		moving = holder_of(a, LPI);
		route(moving, 1);
		host.at[moments[i]] = it_is_routed_back;
		settle();
		EXPECT(!host.at[moments[i]]);
		EXPECT_EQ(dump_of(x).vintid, LPI);
		EXPECT_EQ(dump_of(y).vintid, LPI);
	}
	fake_end();
}

TEST(two_holders_swap_their_routes)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 1, 2);
	settle();
	fires(1);
	fires(2);
	route(x, 1);
	route(y, 0);
	settle();
	HOLDS(x);
	HOLDS(y);
	EXPECT_EQ(dump_of(x).vintid, LPI + 1);
	EXPECT_EQ(dump_of(y).vintid, LPI);
	fake_end();
}

/* And neither vLPI goes with them: each is to be raised for what it lost before the next grant. */
TEST(two_holders_of_shared_vlpis_swap_their_routes)
{
	struct fake_irqfd *x, *y;
	u32 i;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 1, 2);
	assign(a, 0);
	assign(a, 1);
	settle();
	for (i = 0; i < 4; i++) {
		if (i == 2) {
			source(a, 0, 3);
			source(a, 1, 4);
		}
		fires(1);
		fires(2);
		route(x, !x->event);
		route(y, !y->event);
		settle();
		EXPECT(holder_of(a, LPI));
		EXPECT(holder_of(a, LPI + 1));
		guest_takes(a, LPI);
		guest_takes(a, LPI + 1);
	}
	fake_end();
}

/* Three slots, whose holders go round. */
TEST(three_holders_change_places)
{
	struct fake_irqfd *x[3];
	u32 i, n;

	fake_begin();
	guest_maps(a, 2, LPI + 2);
	for (i = 0; i < 3; i++)
		x[i] = source(a, i, 1 + i);
	settle();
	for (n = 1; n < 4; n++) {
		for (i = 0; i < 3; i++) {
			fires(1 + i);
			route(x[i], (i + n) % 3);
		}
		settle();
		for (i = 0; i < 3; i++) {
			HOLDS(x[i]);
			EXPECT_EQ(dump_of(x[i]).vintid, LPI + (i + n) % 3);
		}
	}
	fake_end();
}

/* Both lead to a vLPI that has a holder; the second was about to be promoted at the old one. */
TEST(two_sharers_move_to_a_held_vlpi)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 1, 3);
	settle();
	route(x, 1);
	route(y, 1);
	settle();
	HOLDS(z);
	WAITS(x);
	WAITS(y);
	/* y was no holder: it is there first. */
	EXPECT_EQ(dump_of(y).position, 1);
	EXPECT_EQ(dump_of(x).position, 2);
	fake_end();
}

/* Only what was rerouted is looked at; what the guest has changed is looked at a moment later. */
TEST(routes_of_others_are_left_alone)
{
	struct fake_irqfd *x, *y, *z;
	u32 looks;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 1, 2);
	z = source(b, 0, 3);
	settle();
	looks = y->seen_event;
	fake_did();
	y->seen_event = 1;
	route(x, 6);
	look();
	EXPECT_DID("unmap 1, raise A8192");
	EXPECT_STATE(x, UNRESOLVED, ENXIO);
	EXPECT_EQ(y->seen_event, looks);
	HOLDS(y);
	HOLDS(z);
	fake_end();
}

TEST(routes_change_without_an_end)
{
	struct fake_irqfd *x, *y;
	u32 i;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	for (i = 0; i < 100; i++) {
		route(x, i % 3);
		route(y, (i + 1) % 2);
		look();
	}
	route(x, 0);
	route(y, 0);
	settle();
	EXPECT_EQ(info().nr_held, 1);
	EXPECT_EQ(info().nr_waiters, 1);
	fake_end();
}
