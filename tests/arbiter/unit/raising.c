// SPDX-License-Identifier: GPL-2.0-only
/* P2: a wake-up raises the vLPI through the holder, and none is lost while hands change. */
#include "fake_host.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];

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

/* The raise that ends the change is for this signal too: it is neither lost nor raised twice. */
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

/* The broker serves no signal of the slot yet: KVM injects. */
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

/* y is still in the queue of its old slot, which is held; KVM follows the new route. */
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

/* The route stays, and the guest maps its event to another LPI; no hook told of the DISCARD. */
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
