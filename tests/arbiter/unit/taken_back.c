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
	fake_did();
	host.kicks = 0;
	guest_discards(a, 0);
	EXPECT_DID("unmap 1");
	EXPECT_EQ(host.kicks, 1);
	EXPECT_EQ(info().unmaps_behind, 1);
	EXPECT(!broker_is_served(&x->client));
	EXPECT(!broker_is_served(&y->client));
	settle();
	EXPECT_STATE(x, UNRESOLVED, ENXIO);
	EXPECT_STATE(y, UNRESOLVED, ENXIO);
	fake_did();
	guest_maps(a, 0, LPI);
	EXPECT_EQ(host.kicks, 2);
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
	fake_did();
	guest_discards(a, 0);
	guest_maps(a, 0, LPI);
	settle();
	EXPECT_DID("unmap 1, map 1 A8192, raise A8192");
	HOLDS(x);
	WAITS(y);
	fake_end();
}

TEST(holder_unmapped_behind_our_back_leaves_before_we_look)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	fake_did();
	guest_discards(a, 0);
	guest_maps(a, 0, LPI);
	EXPECT_DID("unmap 1");
	deassign(x);
	EXPECT_DID("map 2 A8192, raise A8192");
	HOLDS(y);
	EXPECT_EQ(info().revokes, 0);
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
	fake_did();
	guest_discards(a, 2);
	guest_maps(a, 2, LPI + 3);
	settle();
	EXPECT_DID("unmap 1, raise A8195, map 1 A8195, raise A8195");
	HOLDS(x);
	WAITS(y);
	fake_end();
}

TEST(two_events_on_one_lpi_share_its_slot)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	guest_maps(a, 2, LPI);
	x = source(a, 0, 1);
	y = source(a, 2, 2);
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
	host.after_map = discard_at_once;
	x = source(a, 0, 1);
	EXPECT_EQ(dump_of(x).state, VLPI_BROKER_UNMAPPABLE);
	EXPECT(!broker_is_served(&x->client));
	EXPECT_EQ(info().nr_held, 0);
	fake_did();
	guest_maps(a, 0, LPI);
	settle();
	HOLDS(x);
	EXPECT_DID("map 1 A8192, raise A8192");
	fake_end();
}

TEST(its_off_and_on_again)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	fake_did();
	its_on(a, false);
	/* The guest reboots: the irqfds go, and nothing is forwarded to it any more. */
	del_producer(x);
	EXPECT(!host.irq[1].forwarded);
	del_producer(y);
	EXPECT(!host.irq[2].forwarded);
	EXPECT_EQ(info().nr_held, 0);
	add_producer(x, 1);
	add_producer(y, 2);
	EXPECT_STATE(x, UNRESOLVED, EBUSY);
	fake_did();
	its_on(a, true);
	settle();
	HOLDS(x);
	WAITS(y);
	EXPECT_DID("map 1 A8192, raise A8192");
	fake_end();
}

TEST(irqfd_before_its_event)
{
	struct fake_irqfd *x;

	fake_begin();
	x = source(a, 4, 1);
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
	settle();
	EXPECT_DID("");
	guest_maps(a, 5, LPI + 5);
	settle();
	EXPECT_DID("");
	EXPECT_EQ(host.waiters_told, 1);
	fake_end();
}

TEST(change_of_a_vm_that_nobody_knows)
{
	fake_begin();
	EXPECT(!broker_vm_changed(&host.vm[2]));
	source(a, 0, 1);
	EXPECT(broker_vm_changed(a));
	EXPECT(!broker_vm_changed(b));
	settle();
	fake_end();
}
