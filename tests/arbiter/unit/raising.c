// SPDX-License-Identifier: GPL-2.0-only
/* P2: a signal raises the vLPI, at once where it is held, and none is lost while hands change. */
#include <linux/lockdep.h>

#include <errno.h>

#include "fake_host.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];
static struct fake_vm *const b = &host.vm[1];

/* --- through the holder ---------------------------------------------------------------------- */

TEST(signal_is_raised_through_the_holder)
{
	struct fake_irqfd *x, *y, *idle;

	fake_begin();
	idle = assign(a, 0);
	settle();
	EXPECT(!broker_raise(&idle->client));
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	EXPECT(!broker_raise(&y->client));
	settle();
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
	settle();
	guest_discards(a, 0);
	fake_did();
	EXPECT(!broker_raise(&x->client));
	EXPECT(!broker_raise(&y->client));
	EXPECT_DID("");
	deassign(x);
	EXPECT(!broker_raise(&y->client));
	fake_end();
}

/* --- who serves it --------------------------------------------------------------------------- */

TEST(signal_is_served_by_the_work_item_or_in_line)
{
	struct fake_irqfd *y, *z;

	fake_begin();
	source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 0, 3);
	z->client.raises_inline = true;
	settle();
	fake_did();
	signal_eventfd(y);
	EXPECT_DID("");
	EXPECT_EQ(dump_of(y).injections, 0);
	look();
	EXPECT_DID("raise A8192");
	signal_eventfd(z);
	EXPECT_DID("raise A8192");
	EXPECT_EQ(dump_of(y).signals, 1);
	EXPECT_EQ(dump_of(y).injections, 1);
	EXPECT_EQ(dump_of(z).signals, 1);
	EXPECT_EQ(dump_of(z).injections, 1);
	EXPECT_EQ(info().signals, 2);
	EXPECT_EQ(info().injections, 2);
	fake_end();
}

TEST(signals_merge_until_one_is_taken)
{
	struct fake_irqfd *y;
	u32 i;

	fake_begin();
	source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	for (i = 0; i < 5; i++)
		signal_eventfd(y);
	settle();
	EXPECT_DID("raise A8192");
	EXPECT_EQ(dump_of(y).signals, 5);
	EXPECT_EQ(dump_of(y).injections, 1);
	fake_end();
}

/* A storm of one does not keep another waiting. */
TEST(signals_are_served_in_the_order_in_which_they_came)
{
	struct fake_irqfd *x[3];
	u32 i;

	fake_begin();
	guest_maps(a, 2, LPI + 2);
	for (i = 0; i < 3; i++) {
		source(a, i, 1 + i);
		x[i] = source(a, i, 4 + i);
	}
	settle();
	fake_did();
	for (i = 0; i < 3; i++)
		signal_eventfd(x[(i + 1) % 3]);
	look();
	EXPECT_DID("raise A8193, raise A8194, raise A8192");
	fake_end();
}

/* Nobody holds the vLPI, and nobody could: KVM serves it, as without this module. */
TEST(signal_that_is_not_ours)
{
	struct fake_irqfd *idle, *nowhere, *pin, *bad;

	fake_begin();
	idle = assign(a, 0);
	nowhere = source(a, 5, 1);
	pin = source(a, NOT_MSI, 2);
	host.irq[3].refuse = EINVAL;
	bad = source(a, 1, 3);
	settle();
	EXPECT(!is_served(idle));
	EXPECT(!is_served(nowhere));
	EXPECT(!is_served(pin));
	EXPECT(!is_served(bad));
	fake_end();
}

/* KVM's own work item would wait for its_lock, and hands it to the VM's. */
TEST(signal_that_kvm_hands_over)
{
	struct fake_irqfd *idle;

	fake_begin();
	idle = assign(a, 0);
	settle();
	fake_did();
	signal_eventfd(idle);
	EXPECT_DID("");
	settle();
	EXPECT_DID("raise A8192");
	get_stuck(a, true);
	signal_eventfd(idle);
	settle();
	EXPECT_DID("");
	EXPECT_EQ(dump_of(idle).injections, 1);
	/* The irqfd goes, and what it is owed is raised all the same. */
	deassign(idle);
	get_stuck(a, false);
	settle();
	EXPECT_DID("raise A8192");
	fake_end();
}

/* A waiter of a vLPI that nobody has yet is served: somebody will. */
TEST(signal_before_the_first_look)
{
	struct fake_irqfd *x;

	fake_begin();
	x = source(a, 0, 1);
	signal_eventfd(x);
	settle();
	EXPECT(a->lpi[0].direct);
	HOLDS(x);
	fake_end();
}

/* What is held is raised at once, though a lock of KVM's is taken. */
TEST(signal_of_a_stuck_vm)
{
	struct fake_irqfd *y;

	fake_begin();
	source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	get_stuck(a, true);
	assign(a, 1);
	settle();
	fake_did();
	signal_eventfd(y);
	look();
	EXPECT_DID("raise A8192");
	fake_end();
}

/* --- while hands change ---------------------------------------------------------------------- */

static struct fake_irqfd *signalled;

static void a_signal(void)
{
	signal_eventfd(signalled);
}

/* A signal comes at each moment of a life, in both ways; fake_check() says whether it is lost. */
TEST(signal_at_each_moment)
{
	enum moment moment;
	u32 i;

	fake_begin();
	for (i = 0; i < 8; i++) {
		for (moment = 0; moment < WHILE_RAISING; moment++) {
			struct fake_irqfd *x, *y;

			host.unset_by_route = i & 2;
			x = source(a, 0, 1);
			y = source(a, 0, 2);
			signalled = i & 4 ? assign(a, 0) : y;
			signalled->client.raises_inline = i & 1;
			/* The first time it may be in the first grant, then later. */
			if (moment % 3 || moment == BEFORE_AIM)
				settle();
			host.at[moment] = a_signal;
			guest_discards(a, 0);
			guest_maps(a, 0, LPI);
			settle();
			route(x, 1);
			settle();
			del_producer(y);
			settle();
			if (host.at[moment])
				FAIL("nothing happened at moment %u", moment);
			deassign(x);
			deassign(y);
			if (signalled != y)
				deassign(signalled);
			settle();
		}
	}
	fake_end();
}

/* An edge of the hardware's is pending, and is dropped by what follows. */
static void an_edge(void)
{
	u32 i;

	for (i = 1; i < NR_IRQS; i++)
		if (host.irq[i].forwarded)
			fires(i);
}

TEST(edge_at_each_moment)
{
	enum moment moment;

	fake_begin();
	for (moment = BEFORE_LOOK; moment <= BEFORE_ADD; moment++) {
		struct fake_irqfd *x, *y;

		x = source(a, 0, 1);
		y = source(a, 0, 2);
		if (moment % 2 || moment == AFTER_AIM)
			settle();
		guest_takes(a, LPI);
		host.at[moment] = an_edge;
		guest_discards(a, 0);
		guest_maps(a, 0, LPI);
		settle();
		route(x, 1);
		settle();
		guest_takes(a, LPI);
		guest_takes(a, LPI + 1);
		del_producer(y);
		settle();
		deassign(x);
		deassign(y);
		settle();
		if (host.at[moment])
			FAIL("nothing happened at moment %u", moment);
	}
	fake_end();
}

static void fires_and_is_gone(void)
{
	fires(1);
	deassign(signalled);
}

/*
 * It was raised for its grant, and nobody has been told yet. Then an edge came, and its producer
 * and its irqfd went, by which the edge is dropped: another raise is due, with nobody else there.
 */
TEST(edge_is_dropped_while_the_grant_is_raised)
{
	static const enum moment moments[] = { AFTER_GRANT, BEFORE_RAISE, AFTER_RAISE };
	u32 i;

	fake_begin();
	for (i = 0; i < ARRAY_SIZE(moments); i++) {
		signalled = source(a, 0, 1);
		host.at[moments[i]] = fires_and_is_gone;
		settle();
		EXPECT(a->lpi[0].soft);
		guest_takes(a, LPI);
	}
	fake_end();
}

static void kvm_unmaps_it(void)
{
	kvm_unmaps(1);
}

/* KVM unmapped it just after it was granted: it is not raised through until it is granted again. */
TEST(signal_after_a_mapping_of_a_moment)
{
	static const enum moment moments[] = { AFTER_LOOK, BEFORE_AIM, AFTER_AIM, BEFORE_RAISE };
	u32 i;

	fake_begin();
	for (i = 0; i < ARRAY_SIZE(moments) * 2; i++) {
		struct fake_irqfd *x = source(a, 0, 1);

		signalled = i % 2 ? source(a, 0, 2) : x;
		signalled->client.raises_inline = true;
		host.at[AFTER_GRANT] = kvm_unmaps_it;
		host.at[moments[i / 2]] = a_signal;
		settle();
		EXPECT(!host.at[AFTER_GRANT]);
		EXPECT(!host.at[moments[i / 2]]);
		HOLDS(x);
		deassign(x);
		if (signalled != x)
			deassign(signalled);
		settle();
	}
	fake_end();
}

/* Another CPU raises it just now, which takes as long as the ITS takes: nothing else waits. */
static struct fake_irqfd *moving;

static void another_is_routed_away(void)
{
	route(moving, 1);
	look_at(a);
}

TEST(waiter_goes_while_another_signal_is_raised)
{
	struct fake_irqfd *y;

	fake_begin();
	source(a, 0, 1);
	y = source(a, 0, 2);
	moving = source(a, 0, 3);
	settle();
	host.at[WHILE_RAISING] = another_is_routed_away;
	EXPECT(broker_raise(&y->client));
	EXPECT(!host.at[WHILE_RAISING]);
	settle();
	HOLDS(moving);
	EXPECT_EQ(dump_of(moving).vintid, LPI + 1);
	fake_end();
}

static void the_last_of_another_slot_goes(void)
{
	deassign(moving);
	look_at(a);
}

TEST(slot_goes_while_a_signal_is_raised)
{
	struct fake_irqfd *y;

	fake_begin();
	source(a, 0, 1);
	y = source(a, 0, 2);
	moving = source(a, 1, 3);
	settle();
	host.at[WHILE_RAISING] = the_last_of_another_slot_goes;
	EXPECT(broker_raise(&y->client));
	EXPECT(!host.at[WHILE_RAISING]);
	settle();
	EXPECT_EQ(info().nr_slots, 1);
	fake_end();
}

/* --- where the route leads elsewhere by now -------------------------------------------------- */

/* y is still in the queue of its old slot, which is held; KVM follows the new route. */
TEST(signal_after_the_route_changed_and_before_the_look)
{
	struct fake_irqfd *y;

	fake_begin();
	source(a, 0, 1);
	y = source(a, 0, 2);
	source(a, 1, 3);
	y->client.raises_inline = true;
	settle();
	route(y, 1);
	fake_did();
	signal_eventfd(y);
	EXPECT_DID("");
	look();
	EXPECT_DID("raise A8193");
	signal_eventfd(y);
	EXPECT(broker_raise(&y->client));
	EXPECT_DID("raise A8193, raise A8193");
	fake_end();
}

/*
 * The route stays, and the guest maps its event to another LPI. Nobody held the old one, so that
 * the watch told of nothing; then another holds it, and what the guest did has not been looked at.
 */
TEST(signal_after_the_event_was_mapped_to_another_lpi)
{
	struct fake_irqfd *idle;
	u32 i;

	fake_begin();
	idle = assign(a, 0);
	guest_maps(a, 2, LPI);
	settle();
	for (i = 0; i < 2; i++) {
		struct fake_irqfd *x;

		idle->client.raises_inline = i;
		/* So that the next change has to wait. */
		guest_maps(a, 7, LPI + 7);
		look();
		guest_discards(a, 0);
		x = source(a, 2, 1);
		look();
		HOLDS(x);
		guest_maps(a, 0, LPI + 5);
		fake_did();
		signal_eventfd(idle);
		settle();
		EXPECT_DID("raise A8197");
		signal_eventfd(idle);
		settle();
		EXPECT_DID("raise A8197");
		deassign(x);
		guest_discards(a, 0);
		guest_maps(a, 0, LPI);
		settle();
	}
	fake_end();
}

/* --- what is owed when all are gone ---------------------------------------------------------- */

TEST(signal_is_raised_when_its_irqfd_is_gone)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	signal_eventfd(y);
	deassign(y);
	EXPECT_EQ(host.nr_proxies, 2);
	EXPECT_EQ(info().nr_clients, 1);
	settle();
	EXPECT_DID("raise A8192");
	EXPECT_EQ(host.nr_proxies, 1);
	signal_eventfd(x);
	deassign(x);
	/* The last one: KVM's VM is held until that is raised. */
	EXPECT_EQ(a->pins, 1);
	settle();
	EXPECT_EQ(a->pins, 0);
	EXPECT_DID("unmap 1, raise A8192");
	EXPECT(!a->book);
	fake_end();
}

/* The last irqfd goes with nothing owed: nothing is held for it, and nothing is done. */
TEST(vm_is_not_held_for_nothing)
{
	struct fake_irqfd *x;

	fake_begin();
	x = assign(a, 0);
	settle();
	EXPECT_EQ(a->pins, 0);
	deassign(x);
	EXPECT_EQ(a->pins, 0);
	look();
	EXPECT(!a->book);
	fake_end();
}

/* Its lock is taken, so that it can't be raised yet; then another irqfd comes. */
TEST(what_is_owed_outlives_the_last_irqfd_of_a_stuck_vm)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	settle();
	fires(1);
	deassign(x);
	get_stuck(a, true);
	fake_did();
	settle();
	EXPECT_EQ(a->pins, 1);
	EXPECT_EQ(info().nr_vms, 0);
	y = source(a, 0, 2);
	EXPECT_EQ(info().nr_vms, 1);
	settle();
	EXPECT_EQ(a->pins, 1);
	EXPECT_DID("");
	get_stuck(a, false);
	settle();
	EXPECT_EQ(a->pins, 0);
	HOLDS(y);
	fake_end();
}

/* Its route is no MSI any more, or leads nowhere: what is owed goes where KVM sends it. */
TEST(signal_of_one_whose_route_goes_before_it_is_raised)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	signal_eventfd(y);
	route(y, NOT_MSI);
	look();
	EXPECT_DID("raise nothing");
	signal_eventfd(x);
	route(x, 5);
	look();
	settle();
	EXPECT_EQ(info().injections, 2);
	fake_end();
}

/* Two VMs with one vINTID: each is raised for its own. */
TEST(signals_of_two_vms)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	source(a, 0, 1);
	source(b, 0, 2);
	x = source(a, 0, 3);
	y = source(b, 0, 4);
	settle();
	fake_did();
	signal_eventfd(y);
	EXPECT(!a->book->queued);
	signal_eventfd(x);
	look();
	EXPECT_DID("raise A8192, raise B8192");
	fake_end();
}
