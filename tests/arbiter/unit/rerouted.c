// SPDX-License-Identifier: GPL-2.0-only
/* P3, P4: routes that change, with the arbiter called at once or only later. */
#include <linux/lockdep.h>

#include <errno.h>

#include "fake_host.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];
static struct fake_vm *const b = &host.vm[1];

/* --- looked at later ------------------------------------------------------------------------- */

TEST(route_of_the_holder_leads_to_another_vlpi)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	fake_did();
	route_late(x, 1);
	EXPECT_DID("");
	settle();
	EXPECT_DID("unmap 1, map 2 A8192, raise A8192, map 1 A8193, raise A8193");
	HOLDS(x);
	HOLDS(y);
	route_late(x, 0);
	settle();
	/* The vLPI has no holder now, and is raised in software: an edge may have been dropped. */
	EXPECT_DID("unmap 1, raise A8193");
	WAITS(x);
	fake_end();
}

TEST(route_of_a_waiter_leads_to_another_vlpi)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 1, 3);
	fake_did();
	route_late(y, 1);
	settle();
	EXPECT_DID("");
	HOLDS(x);
	HOLDS(z);
	WAITS(y);
	EXPECT_EQ(dump_of(y).vintid, LPI + 1);
	fake_end();
}

TEST(route_of_the_holder_leads_to_no_msi_and_back)
{
	struct fake_irqfd *x;

	fake_begin();
	x = source(a, 0, 1);
	fake_did();
	route_late(x, NOT_MSI);
	settle();
	EXPECT_STATE(x, NOT_MSI, 0);
	EXPECT_DID("unmap 1, raise A8192");
	EXPECT_EQ(info().nr_slots, 0);
	route_late(x, 0);
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
	fake_did();
	route_late(x, 6);
	settle();
	EXPECT_STATE(x, UNRESOLVED, ENXIO);
	HOLDS(y);
	EXPECT_DID("unmap 1, map 2 A8192, raise A8192");
	route_late(x, 0);
	settle();
	WAITS(x);
	EXPECT_DID("");
	fake_end();
}

TEST(two_holders_swap_their_routes)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 1, 2);
	fake_did();
	route_late(x, 1);
	route_late(y, 0);
	settle();
	fake_check_settled();
	HOLDS(x);
	HOLDS(y);
	EXPECT_EQ(dump_of(x).vintid, LPI + 1);
	EXPECT_EQ(dump_of(y).vintid, LPI);
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
	route_late(x, 1);
	route_late(y, 1);
	settle();
	HOLDS(z);
	WAITS(x);
	WAITS(y);
	EXPECT_EQ(dump_of(x).position, 1);
	EXPECT_EQ(dump_of(y).position, 2);
	fake_end();
}

/* --- looked at when they change -------------------------------------------------------------- */

TEST(routes_are_looked_at_when_they_change)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	fake_did();
	route(x, 1);
	EXPECT_DID("unmap 1, map 2 A8192, raise A8192, map 1 A8193, raise A8193");
	HOLDS(x);
	HOLDS(y);
	route(x, 0);
	EXPECT_DID("unmap 1, raise A8193");
	WAITS(x);
	EXPECT_EQ(host.waiters_told, 1);
	route(x, 1);
	EXPECT_DID("map 1 A8193, raise A8193");
	route(y, NOT_MSI);
	EXPECT_DID("unmap 2, raise A8192");
	EXPECT_STATE(y, NOT_MSI, 0);
	fake_end();
}

TEST(routes_of_others_are_left_alone)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 1, 2);
	z = source(b, 0, 3);
	fake_did();
	guest_discards(a, 1);
	guest_discards(b, 0);
	EXPECT_DID("unmap 2, unmap 3");
	route(x, 6);
	EXPECT_DID("unmap 1, raise A8192");
	EXPECT_STATE(x, UNRESOLVED, ENXIO);
	/* y and z were not rerouted. */
	EXPECT_EQ(dump_of(y).vintid, LPI + 1);
	EXPECT_EQ(dump_of(z).vintid, LPI);
	settle();
	EXPECT_STATE(y, UNRESOLVED, ENXIO);
	EXPECT_STATE(z, UNRESOLVED, ENXIO);
	fake_end();
}
