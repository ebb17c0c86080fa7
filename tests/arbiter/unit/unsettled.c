// SPDX-License-Identifier: GPL-2.0-only
/* P3: clients that were turned down, or lead nowhere, and when they are looked at again. */
#include <linux/lockdep.h>

#include <errno.h>

#include "fake_host.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];
static struct fake_vm *const b = &host.vm[1];

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

/* Nothing tells that there is memory again, so the arbiter asks to be called again. */
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

/* EINVAL, as when its device belongs to another VM: not tried until a mapping was given up. */
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

/* It is tried after the watch has told, and before the irqchip has unmapped what is in its way. */
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

/* Another VM's mapping was in its way; when that has gone, the irqchip is not asked at first. */
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
	/* In the grant of the one before it, which the irqchip then turns down for good. */
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
	del_producer(x);
	EXPECT_DID("unmap 1, map 3 A8192, raise A8192");
	EXPECT_STATE(y, UNMAPPABLE, EINVAL);
	HOLDS(z);
	fake_end();
}

/* UNMAPPABLE is about one vLPI, and does not go along to another. */
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

/* --- which clients are unsettled ------------------------------------------------------------- */

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
	/* No hook tells that the ITS is on, or that a collection is mapped. */
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
	/* To ask for a VM without clients is allowed. */
	route(x, 0);
	fake_end();
}
