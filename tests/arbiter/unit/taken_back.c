// SPDX-License-Identifier: GPL-2.0-only
/* P3: KVM unmaps the holder by itself (DISCARD, ITS off), and the slot has a holder again. */
#include <linux/lockdep.h>

#include <errno.h>

#include "fake_host.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];
static struct fake_vm *const b = &host.vm[1];

TEST(holder_unmapped_behind_our_back)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	host.kicks = 0;
	guest_discards(a, 0);
	EXPECT_DID("unmap 1");
	EXPECT(host.kicks);
	EXPECT_EQ(info().unmaps_behind, 1);
	settle();
	EXPECT_STATE(x, UNRESOLVED, ENXIO);
	EXPECT_STATE(y, UNRESOLVED, ENXIO);
	EXPECT(!is_served(x));
	EXPECT(!is_served(y));
	fake_did();
	host.kicks = 0;
	guest_maps(a, 0, LPI);
	EXPECT(host.kicks);
	settle();
	HOLDS(x);
	WAITS(y);
	EXPECT_DID("map 1 A8192, raise A8192");
	EXPECT_EQ(info().revokes, 0);
	fake_end();
}

TEST(holder_unmapped_behind_our_back_and_mapped_at_once)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	guest_discards(a, 0);
	guest_maps(a, 0, LPI);
	settle();
	EXPECT_DID("unmap 1, map 1 A8192, raise A8192");
	HOLDS(x);
	WAITS(y);
	EXPECT_EQ(info().promotions, 0);
	fake_end();
}

TEST(holder_unmapped_behind_our_back_leaves_before_we_look)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	guest_discards(a, 0);
	guest_maps(a, 0, LPI);
	EXPECT_DID("unmap 1");
	deassign(x);
	EXPECT_DID("");
	settle();
	EXPECT_DID("map 2 A8192, raise A8192");
	HOLDS(y);
	EXPECT_EQ(info().revokes, 0);
	EXPECT_EQ(info().unmaps_behind, 1);
	settle();
	EXPECT_DID("");
	fake_end();
}

TEST(event_of_the_holder_is_mapped_to_another_lpi)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	guest_maps(a, 2, LPI + 2);
	x = source(a, 2, 1);
	y = source(a, 2, 2);
	settle();
	fake_did();
	guest_discards(a, 2);
	guest_maps(a, 2, LPI + 3);
	settle();
	/* y was not the holder, so that it is where it is to be before x is. */
	EXPECT_DID("unmap 1, map 2 A8195, raise A8195");
	WAITS(x);
	HOLDS(y);
	fake_end();
}

TEST(two_events_on_one_lpi_share_its_slot)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	guest_maps(a, 2, LPI);
	x = source(a, 0, 1);
	y = source(a, 2, 2);
	settle();
	EXPECT_DID("map 1 A8192, raise A8192");
	WAITS(y);
	guest_discards(a, 0);
	settle();
	EXPECT_STATE(x, UNRESOLVED, ENXIO);
	HOLDS(y);
	EXPECT_EQ(info().nr_held, 1);
	fake_end();
}

static void discard_at_once(void)
{
	guest_discards(a, 0);
}

TEST(holder_unmapped_in_the_middle_of_its_grant)
{
	struct fake_irqfd *x;

	fake_begin();
	x = source(a, 0, 1);
	host.at[AFTER_GRANT] = discard_at_once;
	settle();
	EXPECT_STATE(x, UNRESOLVED, ENXIO);
	EXPECT(!is_served(x));
	EXPECT_EQ(info().nr_held, 0);
	EXPECT_EQ(info().grants, 1);
	fake_did();
	guest_maps(a, 0, LPI);
	settle();
	HOLDS(x);
	EXPECT_DID("map 1 A8192, raise A8192");
	fake_end();
}

static void discard_and_map_at_once(void)
{
	guest_discards(a, 0);
	guest_maps(a, 0, LPI);
}

TEST(holder_unmapped_and_mapped_in_the_middle_of_its_grant)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	host.at[AFTER_GRANT] = discard_and_map_at_once;
	settle();
	/* One of them holds it, and either may. */
	EXPECT_EQ(info().nr_held, 1);
	EXPECT_EQ(info().nr_waiters, 1);
	EXPECT(x != y);
	fake_end();
}

/* The next step was decided upon before KVM unmapped. */
TEST(holder_unmapped_before_it_is_revoked)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	route(x, 1);
	host.at[BEFORE_REVOKE] = discard_and_map_at_once;
	fake_did();
	settle();
	HOLDS(x);
	HOLDS(y);
	EXPECT_EQ(info().revokes, 0);
	EXPECT_EQ(info().unmaps_behind, 1);
	fake_end();
}

/* Before the vLPI is raised for the grant: what is raised then goes nowhere, or where it is due. */
TEST(holder_unmapped_before_it_is_raised)
{
	struct fake_irqfd *x;

	fake_begin();
	x = source(a, 0, 1);
	host.at[BEFORE_RAISE] = discard_and_map_at_once;
	settle();
	HOLDS(x);
	EXPECT_DID("map 1 A8192, unmap 1, raise A8192, map 1 A8192, raise A8192");
	fake_end();
}

TEST(its_off_and_on_again)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	its_on(a, false);
	/* The guest reboots: the irqfds go, and nothing is forwarded to it any more. */
	del_producer(x);
	EXPECT(!host.irq[1].forwarded);
	del_producer(y);
	EXPECT(!host.irq[2].forwarded);
	settle();
	EXPECT_EQ(info().nr_held, 0);
	add_producer(x, 1);
	add_producer(y, 2);
	settle();
	EXPECT_STATE(x, UNRESOLVED, EBUSY);
	fake_did();
	its_on(a, true);
	settle();
	HOLDS(x);
	WAITS(y);
	EXPECT_DID("map 1 A8192, raise A8192");
	fake_end();
}

TEST(its_off_for_a_while)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	its_on(a, false);
	settle();
	EXPECT_STATE(x, UNRESOLVED, EBUSY);
	EXPECT_STATE(y, UNRESOLVED, EBUSY);
	EXPECT(!host.irq[1].forwarded);
	its_on(a, true);
	settle();
	EXPECT_EQ(info().nr_held, 1);
	EXPECT_EQ(info().nr_waiters, 1);
	fake_end();
}

TEST(irqfd_before_its_event)
{
	struct fake_irqfd *x;

	fake_begin();
	x = source(a, 4, 1);
	settle();
	EXPECT_STATE(x, UNRESOLVED, ENXIO);
	guest_maps(a, 4, LPI + 4);
	EXPECT_DID("");
	settle();
	HOLDS(x);
	EXPECT_DID("map 1 A8196, raise A8196");
	fake_end();
}

TEST(settle_does_nothing_where_nothing_has_changed)
{
	fake_begin();
	source(a, 0, 1);
	source(a, 0, 2);
	source(b, 0, 3);
	settle();
	fake_did();
	host.kicks = 0;
	settle();
	EXPECT_DID("");
	EXPECT_EQ(host.kicks, 0);
	guest_maps(a, 5, LPI + 5);
	settle();
	EXPECT_DID("");
	EXPECT_EQ(a->halts, 1);
	EXPECT_EQ(b->halts, 1);
	fake_end();
}

/* --- while KVM is about it ------------------------------------------------------------------- */

static void look_at_a(void)
{
	look_at(a);
}

/* The watch has told, and the irqchip has not acted yet: its_lock is KVM's. */
TEST(look_while_kvm_unmaps)
{
	static const enum moment moments[] = { WATCHED, UNMAPPED };
	struct fake_irqfd *x, *y;
	u32 i;

	fake_begin();
	guest_maps(a, 2, LPI);
	x = source(a, 0, 1);
	y = source(a, 2, 2);
	settle();
	for (i = 0; i < ARRAY_SIZE(moments); i++) {
		fake_did();
		host.at[moments[i]] = look_at_a;
		guest_discards(a, 0);
		EXPECT(!host.at[moments[i]]);
		EXPECT_DID("unmap 1");
		EXPECT_EQ(dump_of(x).flags, VLPI_BROKER_CLIENT_UNSETTLED);
		settle();
		EXPECT_STATE(x, UNRESOLVED, ENXIO);
		HOLDS(y);
		EXPECT_DID("map 2 A8192, raise A8192");
		/* Back to where it began. */
		guest_maps(a, 0, LPI);
		deassign(y);
		settle();
		y = source(a, 2, 2);
		settle();
		HOLDS(x);
		WAITS(y);
	}
	fake_end();
}

static struct fake_irqfd *meanwhile;

static void it_leaves(void)
{
	del_begins(meanwhile);
	EXPECT(!del_can_end());
}

/* Its producer leaves in the same moment: it waits until the irqchip is done. */
TEST(producer_leaves_while_kvm_unmaps)
{
	static const enum moment moments[] = { WATCHED, UNMAPPED };
	struct fake_irqfd *x, *y;
	u32 i;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	for (i = 0; i < ARRAY_SIZE(moments) * 2; i++) {
		host.unset_by_route = i % 2;
		settle();
		meanwhile = holder_of(a, LPI);
		host.at[moments[i / 2]] = it_leaves;
		guest_discards(a, 0);
		EXPECT(!host.deleting);
		EXPECT(!host.irq[1].forwarded);
		EXPECT(!host.irq[1].to_be_aimed);
		guest_maps(a, 0, LPI);
		settle();
		HOLDS(meanwhile == x ? y : x);
		add_producer(meanwhile, meanwhile == x ? 1 : 2);
	}
	EXPECT_EQ(info().revokes, 0);
	fake_end();
}
