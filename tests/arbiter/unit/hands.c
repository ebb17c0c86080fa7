// SPDX-License-Identifier: GPL-2.0-only
/* P2, P3, P4: hands change in order, the vLPI is raised once each time, nothing stays mapped. */
#include <linux/lockdep.h>

#include <errno.h>

#include "fake_host.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];
static struct fake_vm *const b = &host.vm[1];

/* --- promotion ------------------------------------------------------------------------------- */

TEST(one_of_six_holds_and_the_others_touch_nothing)
{
	struct fake_irqfd *x[6];
	u32 i;

	fake_begin();
	for (i = 0; i < 6; i++) {
		x[i] = source(a, 0, 1 + i);
		EXPECT_DID(i ? "" : "map 1 A8192, raise A8192");
	}
	HOLDS(x[0]);
	for (i = 1; i < 6; i++) {
		WAITS(x[i]);
		EXPECT_EQ(dump_of(x[i]).position, i);
		EXPECT(broker_is_served(&x[i]->client));
	}
	EXPECT_EQ(info().grants, 1);
	EXPECT_EQ(info().nr_waiters, 5);
	fake_end();
}

TEST(waiters_are_promoted_in_the_order_in_which_they_came)
{
	/* Numbers of host IRQs and places of irqfds are in no order. */
	struct fake_irqfd *gone = assign(a, 0), *x = source(a, 0, 7), *y, *z;

	fake_begin();
	settle();
	deassign(gone);
	y = source(a, 0, 3);
	z = source(a, 0, 5);
	EXPECT_DID("map 7 A8192, raise A8192");
	EXPECT_EQ(dump_of(y).position, 1);
	EXPECT_EQ(dump_of(z).position, 2);
	deassign(x);
	EXPECT_DID("unmap 7, map 3 A8192, raise A8192");
	EXPECT_EQ(dump_of(z).position, 1);
	deassign(y);
	EXPECT_DID("unmap 3, map 5 A8192, raise A8192");
	deassign(z);
	EXPECT_DID("unmap 5, raise A8192");
	EXPECT_EQ(info().promotions, 2);
	fake_end();
}

TEST(who_comes_back_stands_at_the_end)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 0, 3);
	route_late(y, 1);
	settle();
	route_late(y, 0);
	settle();
	fake_did();
	EXPECT_EQ(dump_of(z).position, 1);
	EXPECT_EQ(dump_of(y).position, 2);
	detach(x);
	EXPECT_DID("unmap 1, map 3 A8192, raise A8192");
	HOLDS(z);
	fake_end();
}

TEST(waiter_that_leaves_touches_nothing)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 0, 3);
	fake_did();
	detach(y);
	EXPECT_DID("");
	deassign(z);
	EXPECT_DID("");
	deassign(y);
	EXPECT_DID("");
	HOLDS(x);
	EXPECT_EQ(info().revokes, 0);
	EXPECT_EQ(info().promotions, 0);
	fake_end();
}

TEST(holder_that_comes_back_waits)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	fake_did();
	detach(x);
	EXPECT_STATE(x, IDLE, 0);
	EXPECT_DID("unmap 1, map 2 A8192, raise A8192");
	attach(x, 1);
	WAITS(x);
	HOLDS(y);
	EXPECT_DID("");
	fake_end();
}

TEST(who_is_going_is_not_promoted)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 0, 3);
	fake_did();
	leave(y);
	deassign(x);
	EXPECT_DID("unmap 1, map 3 A8192, raise A8192");
	deassign(y);
	EXPECT_DID("");
	leave(z);
	detach(z);
	EXPECT_DID("unmap 3, raise A8192");
	settle();
	EXPECT_DID("");
	fake_end();
}

TEST(holder_that_leaves_does_not_take_its_own_slot_again)
{
	struct fake_irqfd *x;

	fake_begin();
	x = source(a, 0, 1);
	fake_did();
	detach(x);
	EXPECT_DID("unmap 1, raise A8192");
	EXPECT(!broker_is_served(&x->client));
	attach(x, 1);
	EXPECT_DID("map 1 A8192, raise A8192");
	fake_end();
}

TEST(irqfd_without_producer_is_served_while_another_holds)
{
	struct fake_irqfd *x, *idle;

	fake_begin();
	idle = assign(a, 0);
	EXPECT(!broker_is_served(&idle->client));
	x = source(a, 0, 1);
	EXPECT(broker_is_served(&idle->client));
	EXPECT_STATE(idle, IDLE, 0);
	deassign(x);
	EXPECT(!broker_is_served(&idle->client));
	EXPECT_STATE(idle, IDLE, 0);
	fake_end();
}

/* Four producers leave in each of the 24 orders. */
TEST(somebody_holds_until_the_last_has_left)
{
	struct fake_irqfd *x[4];
	u32 order, i, n;

	fake_begin();
	for (order = 0; order < 4 * 3 * 2; order++) {
		u32 left[4] = { 0, 1, 2, 3 }, digits = order;

		for (i = 0; i < 4; i++)
			x[i] = source(a, 0, 1 + i);
		for (n = 4; n; n--) {
			u32 pick = digits % n, first = 4;

			digits /= n;
			deassign(x[left[pick]]);
			for (i = pick; i + 1 < n; i++)
				left[i] = left[i + 1];
			for (i = 0; i + 1 < n; i++)
				first = min(first, left[i]);
			if (n > 1)
				EXPECT_EQ(info().nr_held, 1);
			/* Nobody overtakes: x[first] has been here longest. */
			if (n > 1 && holder_of(a, LPI) != x[first] && first < left[0])
				FAIL("order %u: not the first holds", order);
			fake_check_settled();
		}
		EXPECT_EQ(info().nr_slots, 0);
	}
	fake_end();
}

/* --- KVM takes mappings away ----------------------------------------------------------------- */

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
	detach(x);
	EXPECT(!host.irq[1].forwarded);
	detach(y);
	EXPECT(!host.irq[2].forwarded);
	EXPECT_EQ(info().nr_held, 0);
	attach(x, 1);
	attach(y, 2);
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

/* --- unmappable ------------------------------------------------------------------------------ */

TEST(first_producer_is_unmappable_and_the_second_holds)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	host.irq[1].refuse = ENOMEM;
	x = source(a, 0, 1);
	EXPECT_STATE(x, UNMAPPABLE, ENOMEM);
	EXPECT(!broker_is_served(&x->client));
	y = source(a, 0, 2);
	z = source(a, 0, 3);
	HOLDS(y);
	WAITS(z);
	EXPECT_DID("map 2 A8192, raise A8192");
	EXPECT(broker_is_served(&x->client));
	EXPECT_EQ(dump_of(z).position, 1);
	fake_end();
}

/* Nothing tells that there is memory again, so somebody has to come back. */
TEST(producer_that_there_was_no_memory_for_is_tried_again)
{
	struct fake_irqfd *x;

	fake_begin();
	host.irq[1].refuse = ENOMEM;
	x = source(a, 0, 1);
	EXPECT_STATE(x, UNMAPPABLE, ENOMEM);
	look();
	EXPECT(broker_is_unsettled());
	EXPECT(broker_is_due(&x->client));
	host.irq[1].refuse = 0;
	look();
	HOLDS(x);
	EXPECT(!broker_is_unsettled());
	EXPECT(!broker_is_due(&x->client));
	EXPECT_DID("map 1 A8192, raise A8192");
	fake_end();
}

/* As when events of its device belong to another VM: nobody comes back until one was given up. */
TEST(producer_that_others_stand_in_the_way_of_is_tried_when_one_goes)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	y = source(b, 0, 2);
	host.irq[1].refuse = EINVAL;
	x = source(a, 0, 1);
	EXPECT_STATE(x, UNMAPPABLE, EINVAL);
	settle();
	EXPECT(!broker_is_unsettled());
	EXPECT(!broker_is_due(&x->client));
	host.irq[1].refuse = 0;
	fake_did();
	deassign(y);
	EXPECT(broker_is_unsettled());
	settle();
	HOLDS(x);
	EXPECT_DID("unmap 2, raise B8192, map 1 A8192, raise A8192");
	fake_end();
}

TEST(producer_that_others_stand_in_the_way_of_is_tried_when_one_is_unmapped_behind_our_back)
{
	struct fake_irqfd *x;

	fake_begin();
	source(b, 0, 2);
	host.irq[1].refuse = EINVAL;
	x = source(a, 0, 1);
	settle();
	host.irq[1].refuse = 0;
	guest_discards(b, 0);
	EXPECT(broker_is_unsettled());
	settle();
	HOLDS(x);
	fake_end();
}

/* The other VM's events stand in its way until the irqchip has acted, and it is tried before that. */
TEST(producer_that_is_tried_while_another_is_unmapped_is_tried_again)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	host.irqs_per_device = 8;
	source(a, 1, 8);
	y = source(b, 0, 2);
	x = source(a, 0, 1);
	EXPECT_STATE(x, UNMAPPABLE, EINVAL);
	settle();
	EXPECT(!broker_is_unsettled());
	guest_discards_under_a_look(b, 0);
	EXPECT_STATE(y, UNRESOLVED, ENXIO);
	EXPECT(broker_is_unsettled());
	settle();
	HOLDS(x);
	fake_end();
}

static void its_goes_off(void)
{
	its_on(a, false);
}

/* It was turned down for another VM's events, and is not asked about when those have gone. */
TEST(producer_that_the_irqchip_was_not_asked_about_is_tried_again)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	host.irqs_per_device = 8;
	y = source(b, 0, 1);
	source(a, 0, 2);
	x = source(a, 0, 3);
	EXPECT_STATE(x, UNMAPPABLE, EINVAL);
	deassign(y);
	/* Under the grant of the one before it, which is then turned down for good. */
	host.before_map = its_goes_off;
	look();
	host.irq[2].refuse = EINVAL;
	its_on(a, true);
	settle();
	HOLDS(x);
	fake_end();
}

TEST(unmappable_producer_is_tried_when_the_holder_leaves)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	host.irq[1].refuse = EINVAL;
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 0, 3);
	host.irq[1].refuse = 0;
	fake_did();
	deassign(y);
	EXPECT_DID("unmap 2, map 1 A8192, raise A8192");
	HOLDS(x);
	WAITS(z);
	fake_end();
}

TEST(all_are_unmappable)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	host.irq[1].refuse = EINVAL;
	host.irq[2].refuse = ENODEV;
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	EXPECT_STATE(x, UNMAPPABLE, EINVAL);
	EXPECT_STATE(y, UNMAPPABLE, ENODEV);
	EXPECT(!broker_is_served(&y->client));
	EXPECT_DID("");
	deassign(x);
	deassign(y);
	/* Nothing was mapped, so nothing was lost. */
	EXPECT_DID("");
	fake_end();
}

TEST(next_but_one_is_promoted_where_the_next_is_unmappable)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 0, 3);
	host.irq[2].refuse = EINVAL;
	fake_did();
	detach(x);
	EXPECT_DID("unmap 1, map 3 A8192, raise A8192");
	EXPECT_STATE(y, UNMAPPABLE, EINVAL);
	HOLDS(z);
	fake_end();
}

/* What a client is, does not outlive what it was there. */
TEST(unmappable_at_one_vlpi_waits_at_another)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	host.irq[1].refuse = EINVAL;
	x = source(a, 0, 1);
	host.irq[1].refuse = 0;
	y = source(a, 1, 2);
	route(x, 1);
	settle();
	HOLDS(y);
	WAITS(x);
	EXPECT_EQ(dump_of(x).position, 1);
	fake_end();
}

/* --- routes ---------------------------------------------------------------------------------- */

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
	/* The vLPI that nobody holds now is raised in software: an edge may have been dropped. */
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

/* Both lead elsewhere, where somebody holds already; the second was about to be promoted. */
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

/* --- kinds of KVM ---------------------------------------------------------------------------- */

TEST(kvm_whose_revoke_does_nothing)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	host.revoke_does_nothing = true;
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	fake_did();
	deassign(x);
	EXPECT_DID("force, unmap 1, map 2 A8192, raise A8192");
	HOLDS(y);
	EXPECT_EQ(info().forced_unmaps, 1);
	EXPECT_EQ(info().repairs, 1);
	EXPECT_EQ(info().revokes, 1);
	EXPECT_EQ(info().unmaps_behind, 0);
	deassign(y);
	EXPECT_DID("force, unmap 2, raise A8192");
	fake_end();
}

TEST(kvm_that_does_not_forget)
{
	struct fake_irqfd *x;

	fake_begin();
	/* It believes in a mapping that is gone, so its add says 0 and does nothing. */
	a->lpi[0] = (struct fake_lpi){ .hw = true, .host_irq = 9 };
	x = source(a, 0, 1);
	EXPECT_STATE(x, UNMAPPABLE, EBUSY);
	EXPECT(!broker_is_served(&x->client));
	a->lpi[0] = (struct fake_lpi){};
	broker_vm_changed(a);
	settle();
	HOLDS(x);
	fake_end();
}

TEST(kvm_that_maps_whatever_it_believes)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	host.maps_again = true;
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	fake_did();
	deassign(y);
	EXPECT_DID("");
	deassign(x);
	EXPECT_DID("unmap 1, raise A8192");
	fake_end();
}

/* --- who is to be looked at again ------------------------------------------------------------ */

TEST(nobody_comes_back_where_nothing_is_unsettled)
{
	struct fake_irqfd *x, *y, *z, *idle, *pin;

	fake_begin();
	EXPECT(!broker_is_unsettled());
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 0, 2);
	idle = assign(a, 1);
	pin = source(a, NOT_MSI, 3);
	look();
	EXPECT_STATE(z, UNMAPPABLE, EEXIST);
	EXPECT(!broker_is_unsettled());
	EXPECT(!broker_is_due(&x->client));
	EXPECT(!broker_is_due(&y->client));
	EXPECT(!broker_is_due(&z->client));
	EXPECT(!broker_is_due(&idle->client));
	EXPECT(!broker_is_due(&pin->client));
	fake_end();
}

TEST(somebody_comes_back_while_a_route_leads_nowhere)
{
	struct fake_irqfd *x;

	fake_begin();
	x = source(a, 5, 1);
	EXPECT(broker_is_unsettled());
	EXPECT(broker_is_due(&x->client));
	look();
	EXPECT(broker_is_unsettled());
	/* Nobody says that its ITS is on, or that its collection is mapped. */
	a->event[5] = LPI + 5;
	look();
	HOLDS(x);
	EXPECT(!broker_is_unsettled());
	fake_end();
}

TEST(nobody_comes_back_for_one_that_is_gone)
{
	struct fake_irqfd *x;

	fake_begin();
	x = source(a, 5, 1);
	EXPECT(broker_is_unsettled());
	deassign(x);
	look();
	EXPECT(!broker_is_unsettled());
	x = source(a, 5, 1);
	leave(x);
	look();
	EXPECT(!broker_is_unsettled());
	fake_end();
}

TEST(vm_is_known_while_it_has_clients)
{
	struct fake_irqfd *x;

	fake_begin();
	EXPECT(!broker_knows(a));
	x = assign(a, 0);
	EXPECT(broker_knows(a));
	EXPECT(!broker_knows(b));
	deassign(x);
	EXPECT(!broker_knows(a));
	/* It is allowed to ask for it all the same. */
	route(x, 0);
	fake_end();
}

/* --- routes, looked at when they change ------------------------------------------------------ */

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
	/* Theirs was no change of routes. */
	EXPECT_EQ(dump_of(y).vintid, LPI + 1);
	EXPECT_EQ(dump_of(z).vintid, LPI);
	settle();
	EXPECT_STATE(y, UNRESOLVED, ENXIO);
	EXPECT_STATE(z, UNRESOLVED, ENXIO);
	fake_end();
}

/* --- raising in the wake-up ------------------------------------------------------------------ */

TEST(signal_is_raised_through_the_holder)
{
	struct fake_irqfd *x, *y, *idle;

	fake_begin();
	idle = assign(a, 0);
	EXPECT(!broker_raise(&idle->client));
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	fake_did();
	EXPECT(broker_raise(&y->client));
	EXPECT(broker_raise(&idle->client));
	EXPECT(broker_raise(&x->client));
	EXPECT_DID("raise A8192, raise A8192, raise A8192");
	its_on(a, false);
	EXPECT(!broker_raise(&y->client));
	its_on(a, true);
	settle();
	EXPECT(broker_raise(&y->client));
	fake_end();
}

TEST(signal_is_not_raised_through_one_that_was_unmapped_behind_our_back)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	guest_discards(a, 0);
	fake_did();
	EXPECT(!broker_raise(&x->client));
	EXPECT(!broker_raise(&y->client));
	EXPECT_DID("");
	deassign(x);
	EXPECT(!broker_raise(&y->client));
	fake_end();
}

static struct fake_irqfd *signalled;
static bool was_served;

static void a_signal(void)
{
	was_served = broker_raise(&signalled->client);
}

/* The raise that ends the change is for it too, so it is neither lost nor raised twice. */
TEST(signal_while_hands_change)
{
	struct fake_irqfd *x;

	fake_begin();
	x = source(a, 0, 1);
	source(a, 0, 2);
	signalled = source(a, 0, 3);
	fake_did();
	host.after_unmap = a_signal;
	deassign(x);
	EXPECT(was_served);
	EXPECT_DID("unmap 1, map 2 A8192, raise A8192");

	was_served = false;
	host.after_map = a_signal;
	deassign(holder_of(a, LPI));
	EXPECT(was_served);
	EXPECT_DID("unmap 2, map 3 A8192, raise A8192");
	fake_end();
}

/* Nobody is served by us yet: KVM injects. */
TEST(signal_while_an_empty_slot_is_granted)
{
	fake_begin();
	signalled = assign(a, 0);
	was_served = true;
	host.after_map = a_signal;
	source(a, 0, 1);
	EXPECT(!was_served);
	EXPECT_DID("map 1 A8192, raise A8192");
	fake_end();
}

/* Its slot is still the one that it led to, and that is held: KVM knows better. */
TEST(signal_after_the_route_changed_and_before_the_look)
{
	struct fake_irqfd *y;

	fake_begin();
	source(a, 0, 1);
	y = source(a, 0, 2);
	source(a, 1, 3);
	y->client.raises_inline = true;
	route_late(y, 1);
	fake_did();
	signal_eventfd(y);
	EXPECT_DID("raise A8193");
	look();
	signal_eventfd(y);
	EXPECT(broker_raise(&y->client));
	EXPECT_DID("raise A8193, raise A8193");
	fake_end();
}

/* The same by the guest's doing, who mapped two events to one LPI: nothing told of the first. */
TEST(signal_after_the_event_was_mapped_to_another_lpi)
{
	struct fake_irqfd *idle;

	fake_begin();
	idle = assign(a, 0);
	idle->client.raises_inline = true;
	guest_maps(a, 2, LPI);
	settle();
	guest_discards(a, 0);
	source(a, 2, 1);
	guest_maps(a, 0, LPI + 5);
	fake_did();
	signal_eventfd(idle);
	EXPECT_DID("raise A8197");
	settle();
	fake_did();
	signal_eventfd(idle);
	EXPECT_DID("raise A8197");
	fake_end();
}
