// SPDX-License-Identifier: GPL-2.0-only
/* P3, P4: slots change hands in order, with one raise each time, and nothing stays mapped. */
#include <linux/lockdep.h>

#include <errno.h>

#include "fake_host.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];

/* --- promotion ------------------------------------------------------------------------------- */

TEST(one_of_six_holds_and_the_others_touch_nothing)
{
	struct fake_irqfd *x[6];
	u32 i;

	fake_begin();
	for (i = 0; i < 6; i++) {
		x[i] = source(a, 0, 1 + i);
		settle();
		EXPECT_DID(i ? "" : "map 1 A8192, raise A8192");
	}
	HOLDS(x[0]);
	for (i = 1; i < 6; i++) {
		WAITS(x[i]);
		EXPECT_EQ(dump_of(x[i]).position, i);
		EXPECT(is_served(x[i]));
	}
	EXPECT_EQ(info().grants, 1);
	EXPECT_EQ(info().nr_waiters, 5);
	/* The guest was halted for the one. */
	EXPECT_EQ(a->halts, 1);
	fake_end();
}

TEST(all_come_before_the_first_look)
{
	struct fake_irqfd *x[6];
	u32 i;

	fake_begin();
	for (i = 0; i < 6; i++)
		x[i] = source(a, 0, 1 + i);
	settle();
	EXPECT_DID("map 1 A8192, raise A8192");
	HOLDS(x[0]);
	for (i = 1; i < 6; i++)
		EXPECT_EQ(dump_of(x[i]).position, i);
	fake_end();
}

TEST(waiters_are_promoted_in_the_order_in_which_they_came)
{
	struct fake_irqfd *gone, *x, *y, *z;

	fake_begin();
	/* Numbers of host IRQs and places of irqfds are in no order. */
	gone = assign(a, 0);
	x = source(a, 0, 7);
	settle();
	deassign(gone);
	y = source(a, 0, 3);
	z = source(a, 0, 5);
	settle();
	EXPECT_DID("map 7 A8192, raise A8192");
	EXPECT_EQ(dump_of(y).position, 1);
	EXPECT_EQ(dump_of(z).position, 2);
	deassign(x);
	settle();
	EXPECT_DID("unmap 7, map 3 A8192, raise A8192");
	EXPECT_EQ(dump_of(z).position, 1);
	deassign(y);
	settle();
	EXPECT_DID("unmap 3, map 5 A8192, raise A8192");
	deassign(z);
	settle();
	EXPECT_DID("unmap 5, raise A8192");
	EXPECT_EQ(info().promotions, 2);
	fake_end();
}

/* What counts is when the producer came, not the irqfd. */
TEST(who_comes_back_stands_at_the_end)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 0, 3);
	settle();
	route(y, 1);
	settle();
	route(y, 0);
	settle();
	fake_did();
	EXPECT_EQ(dump_of(z).position, 1);
	EXPECT_EQ(dump_of(y).position, 2);
	del_producer(z);
	add_producer(z, 3);
	settle();
	EXPECT_EQ(dump_of(y).position, 1);
	EXPECT_EQ(dump_of(z).position, 2);
	del_producer(x);
	settle();
	EXPECT_DID("unmap 1, map 2 A8192, raise A8192");
	HOLDS(y);
	fake_end();
}

TEST(waiter_that_leaves_touches_nothing)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 0, 3);
	settle();
	fake_did();
	del_producer(y);
	settle();
	EXPECT_DID("");
	deassign(z);
	settle();
	EXPECT_DID("");
	deassign(y);
	settle();
	EXPECT_DID("");
	HOLDS(x);
	EXPECT_EQ(info().revokes, 0);
	EXPECT_EQ(info().promotions, 0);
	EXPECT_EQ(a->halts, 1);
	fake_end();
}

TEST(holder_that_comes_back_waits)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	del_producer(x);
	EXPECT_STATE(x, IDLE, 0);
	EXPECT_DID("unmap 1");
	settle();
	EXPECT_DID("map 2 A8192, raise A8192");
	add_producer(x, 1);
	settle();
	WAITS(x);
	HOLDS(y);
	EXPECT_DID("");
	fake_end();
}

/* Before it is settled that it had left. */
TEST(holder_that_comes_back_at_once_waits)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	del_producer(x);
	add_producer(x, 1);
	settle();
	EXPECT_DID("unmap 1, map 2 A8192, raise A8192");
	WAITS(x);
	HOLDS(y);
	EXPECT_EQ(dump_of(x).position, 1);
	fake_end();
}

TEST(who_is_going_is_not_promoted)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 0, 3);
	settle();
	fake_did();
	leave(y);
	deassign(x);
	settle();
	EXPECT_DID("unmap 1, map 3 A8192, raise A8192");
	deassign(y);
	settle();
	EXPECT_DID("");
	leave(z);
	del_producer(z);
	settle();
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
	settle();
	fake_did();
	del_producer(x);
	settle();
	EXPECT_DID("unmap 1, raise A8192");
	EXPECT(!is_served(x));
	add_producer(x, 1);
	settle();
	EXPECT_DID("map 1 A8192, raise A8192");
	fake_end();
}

TEST(irqfd_without_producer_is_served_while_another_holds)
{
	struct fake_irqfd *x, *idle;

	fake_begin();
	idle = assign(a, 0);
	settle();
	EXPECT(!is_served(idle));
	x = source(a, 0, 1);
	settle();
	EXPECT(is_served(idle));
	EXPECT_STATE(idle, IDLE, 0);
	deassign(x);
	settle();
	EXPECT(!is_served(idle));
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
		settle();
		for (n = 4; n; n--) {
			u32 pick = digits % n, first = 4;

			digits /= n;
			deassign(x[left[pick]]);
			settle();
			for (i = pick; i + 1 < n; i++)
				left[i] = left[i + 1];
			for (i = 0; i + 1 < n; i++)
				first = min(first, left[i]);
			if (n > 1)
				EXPECT_EQ(info().nr_held, 1);
			/* x[first] has waited longest, and no other overtakes it. */
			if (n > 1 && holder_of(a, LPI) != x[first] && first < left[0])
				FAIL("order %u: not the first holds", order);
		}
		EXPECT_EQ(info().nr_slots, 0);
	}
	fake_end();
}

/* The raise of a grant comes after the last command, also where hands change again before it. */
TEST(hands_change_twice_before_the_raise)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 0, 3);
	settle();
	fires(1);
	fake_did();
	deassign(x);
	deassign(y);
	EXPECT_DID("unmap 1");
	settle();
	HOLDS(z);
	EXPECT_DID("map 3 A8192, raise A8192");
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
	settle();
	fake_did();
	deassign(x);
	EXPECT_DID("force, unmap 1");
	settle();
	EXPECT_DID("map 2 A8192, raise A8192");
	HOLDS(y);
	EXPECT_EQ(info().forced_unmaps, 1);
	EXPECT_EQ(info().repairs, 1);
	EXPECT_EQ(info().revokes, 1);
	EXPECT_EQ(info().unmaps_behind, 0);
	route(y, 1);
	settle();
	EXPECT_DID("force, unmap 2, raise A8192, map 2 A8193, raise A8193");
	EXPECT_EQ(info().forced_unmaps, 2);
	EXPECT_EQ(info().revokes, 2);
	fake_end();
}

TEST(kvm_that_unmaps_by_the_guests_tables)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	host.unset_by_route = true;
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	its_on(a, false);
	deassign(x);
	EXPECT_DID("unmap 1");
	its_on(a, true);
	settle();
	HOLDS(y);
	EXPECT_EQ(info().revokes, 1);
	fake_end();
}

TEST(kvm_that_does_not_forget)
{
	struct fake_irqfd *x;

	fake_begin();
	/* KVM believes in a mapping that is gone, so its add returns 0 and does nothing. */
	a->lpi[0] = (struct fake_lpi){ .hw = true, .host_irq = 9 };
	x = source(a, 0, 1);
	look();
	EXPECT_STATE(x, UNMAPPABLE, EBUSY);
	EXPECT(!is_served(x));
	a->lpi[0] = (struct fake_lpi){};
	settle();
	HOLDS(x);
	fake_end();
}

TEST(kvm_that_maps_whatever_it_believes)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	host.maps_again = true;
	host.unset_by_route = true;
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	deassign(y);
	settle();
	EXPECT_DID("");
	deassign(x);
	settle();
	EXPECT_DID("unmap 1, raise A8192");
	fake_end();
}
