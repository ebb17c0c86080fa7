// SPDX-License-Identifier: GPL-2.0-only
/* P3: clients that were turned down, or lead nowhere, and when they are tried again. */
#include <linux/lockdep.h>

#include <errno.h>

#include "fake_host.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];
static struct fake_vm *const b = &host.vm[1];
static struct fake_vm *const c = &host.vm[2];

/* --- unmappable ------------------------------------------------------------------------------ */

TEST(first_producer_is_unmappable_and_the_second_holds)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	host.irq[1].refuse = EINVAL;
	x = source(a, 0, 1);
	settle();
	EXPECT_STATE(x, UNMAPPABLE, EINVAL);
	EXPECT(!is_served(x));
	y = source(a, 0, 2);
	z = source(a, 0, 3);
	settle();
	HOLDS(y);
	WAITS(z);
	EXPECT_DID("map 2 A8192, raise A8192");
	EXPECT(is_served(x));
	EXPECT_EQ(dump_of(z).position, 1);
	fake_end();
}

/* Nothing tells that there is memory again, so the work item comes back. */
TEST(producer_that_there_was_no_memory_for_is_tried_again)
{
	struct fake_irqfd *x;

	fake_begin();
	host.irq[1].refuse = ENOMEM;
	x = source(a, 0, 1);
	look();
	EXPECT_STATE(x, UNMAPPABLE, ENOMEM);
	EXPECT(a->book->timer);
	host.irq[1].refuse = 0;
	settle();
	HOLDS(x);
	EXPECT(!a->book->timer);
	EXPECT_DID("map 1 A8192, raise A8192");
	fake_end();
}

/* Each try halts the guest: they are further and further apart. */
TEST(what_stays_turned_down_is_tried_more_and_more_seldom)
{
	struct fake_irqfd *x;
	u64 begin;

	fake_begin();
	host.irq[1].refuse = ENOMEM;
	x = source(a, 0, 1);
	look();
	begin = host.ms;
	settle();
	EXPECT_STATE(x, UNMAPPABLE, ENOMEM);
	EXPECT(host.ms - begin > 10000);
	EXPECT(a->halts < 30);
	/* A moment after something has changed it is tried again. */
	host.irq[1].refuse = 0;
	assign(a, 3);
	look();
	EXPECT(a->book->again_at - host.ms <= 5120);
	settle();
	HOLDS(x);
	fake_end();
}

/* A look at a client that is to be tried again does not take that away. */
TEST(producer_that_is_to_be_tried_again_is_looked_at_before)
{
	struct fake_irqfd *x;

	fake_begin();
	host.irq[1].refuse = ENOMEM;
	x = source(a, 0, 1);
	look();
	EXPECT_STATE(x, UNMAPPABLE, ENOMEM);
	/* Its look meets a lock that is taken. */
	get_stuck(a, true);
	vm_is_told(a);
	look();
	get_stuck(a, false);
	look();
	host.irq[1].refuse = 0;
	settle();
	HOLDS(x);
	fake_end();
}

/* EINVAL, as when its device belongs to another VM: not tried until a mapping of it has gone. */
TEST(producer_that_others_stand_in_the_way_of_is_tried_when_one_goes)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	host.irqs_per_device = 4;
	y = source(b, 0, 1);
	z = source(c, 0, 4);
	settle();
	x = source(a, 0, 2);
	settle();
	EXPECT_STATE(x, UNMAPPABLE, EINVAL);
	EXPECT(!a->book->timer);
	host.kicks = 0;
	/* Another device's. */
	deassign(z);
	settle();
	EXPECT_STATE(x, UNMAPPABLE, EINVAL);
	fake_did();
	deassign(y);
	settle();
	HOLDS(x);
	EXPECT_DID("unmap 1, map 2 A8192, raise A8192, raise B8192");
	fake_end();
}

/* Who waits for a device is woken, and no other client; nor is another VM halted. */
TEST(release_of_a_device_is_told_to_its_own)
{
	struct fake_irqfd *x, *y, *z, *w;
	u64 generation;

	fake_begin();
	guest_maps(c, 0, LPI);
	host.irqs_per_device = 4;
	y = source(b, 0, 1);
	w = source(b, 0, 5);
	settle();
	x = source(a, 0, 2);
	/* It waits for another device. */
	host.irq[6].refuse = EINVAL;
	z = source(c, 0, 6);
	settle();
	EXPECT_STATE(x, UNMAPPABLE, EINVAL);
	EXPECT_STATE(z, UNMAPPABLE, EINVAL);
	WAITS(w);
	generation = c->book->book.generation;
	a->halts = 0;
	b->halts = 0;
	c->halts = 0;
	deassign(y);
	EXPECT(!c->book->queued);
	settle();
	HOLDS(x);
	HOLDS(w);
	EXPECT_EQ(a->halts, 1);
	EXPECT_EQ(b->halts, 2);
	EXPECT_EQ(c->halts, 0);
	EXPECT_EQ(c->book->book.generation, generation);
	fake_end();
}

TEST(producer_that_others_stand_in_the_way_of_is_tried_when_one_is_unmapped_behind_our_back)
{
	struct fake_irqfd *x;

	fake_begin();
	host.irqs_per_device = 4;
	source(b, 0, 1);
	settle();
	x = source(a, 0, 2);
	settle();
	EXPECT_STATE(x, UNMAPPABLE, EINVAL);
	guest_discards(b, 0);
	settle();
	HOLDS(x);
	fake_end();
}

TEST(producer_that_others_stand_in_the_way_of_is_tried_when_one_is_rerouted)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	host.irqs_per_device = 4;
	y = source(b, 0, 1);
	settle();
	x = source(a, 0, 2);
	settle();
	EXPECT_STATE(x, UNMAPPABLE, EINVAL);
	route(y, 5);
	settle();
	HOLDS(x);
	fake_end();
}

static void look_at_a(void)
{
	look_at(a);
}

/* It is tried after the watch has told, and before the irqchip has unmapped what is in its way. */
TEST(producer_that_is_tried_while_another_is_unmapped_is_tried_again)
{
	static const enum moment moments[] = { WATCHED, UNMAPPED };
	struct fake_irqfd *x, *y;
	u32 i;

	fake_begin();
	host.irqs_per_device = 8;
	for (i = 0; i < ARRAY_SIZE(moments); i++) {
		y = source(b, 0, 2);
		settle();
		x = source(a, 0, 1);
		host.at[moments[i]] = look_at_a;
		guest_discards(b, 0);
		settle();
		EXPECT_STATE(y, UNRESOLVED, ENXIO);
		HOLDS(x);
		deassign(x);
		deassign(y);
		guest_maps(b, 0, LPI);
		settle();
	}
	fake_end();
}

static struct fake_irqfd *meanwhile;

static void it_leaves_and_is_settled(void)
{
	deassign(meanwhile);
	look_at(b);
}

static void it_is_unmapped_and_settled(void)
{
	guest_discards(b, 0);
	look_at(b);
}

/* What is in its way is given up after the irqchip has turned it down, and before that is noted. */
TEST(producer_that_is_turned_down_just_before_another_goes)
{
	struct fake_irqfd *x;
	u32 i;

	fake_begin();
	host.irqs_per_device = 8;
	for (i = 0; i < 2; i++) {
		meanwhile = source(b, 0, 2);
		settle();
		x = source(a, 0, 1);
		host.at[AFTER_GRANT] = i ? it_is_unmapped_and_settled : it_leaves_and_is_settled;
		settle();
		HOLDS(x);
		deassign(x);
		settle();
	}
	fake_end();
}

static void it_was_mapped_for_a_moment(void)
{
	/* By then the other has been turned down for it. */
	look_at(b);
	guest_discards(a, 0);
}

/* Its mapping comes and goes in one step; who was turned down for it meanwhile hears of that. */
TEST(producer_that_is_turned_down_for_a_mapping_of_a_moment)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	host.irqs_per_device = 8;
	y = source(b, 0, 2);
	host.irq[2].refuse = EINVAL;
	settle();
	x = source(a, 0, 1);
	host.irq[2].refuse = 0;
	/* It connects anew, so that it is tried. */
	del_producer(y);
	add_producer(y, 2);
	host.at[AFTER_GRANT] = it_was_mapped_for_a_moment;
	settle();
	EXPECT_STATE(x, UNRESOLVED, ENXIO);
	HOLDS(y);
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
	settle();
	EXPECT_STATE(x, UNMAPPABLE, EINVAL);
	EXPECT_STATE(y, UNMAPPABLE, ENODEV);
	EXPECT(!is_served(y));
	EXPECT_DID("");
	deassign(x);
	deassign(y);
	settle();
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
	settle();
	host.irq[2].refuse = EINVAL;
	fake_did();
	del_producer(x);
	settle();
	EXPECT_DID("unmap 1, map 3 A8192, raise A8192");
	EXPECT_STATE(y, UNMAPPABLE, EINVAL);
	HOLDS(z);
	fake_end();
}

/* All that could have it are turned down: the vLPI is raised in software for what was dropped. */
TEST(holder_leaves_and_none_is_mappable)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fires(1);
	host.irq[2].refuse = EINVAL;
	fake_did();
	deassign(x);
	settle();
	EXPECT_DID("unmap 1, raise A8192");
	EXPECT_STATE(y, UNMAPPABLE, EINVAL);
	fake_end();
}

/* UNMAPPABLE is about one vLPI, and does not go along to another. */
TEST(unmappable_at_one_vlpi_waits_at_another)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	host.irq[1].refuse = EINVAL;
	x = source(a, 0, 1);
	settle();
	y = source(a, 1, 2);
	settle();
	host.irq[1].refuse = 0;
	route(x, 1);
	settle();
	HOLDS(y);
	WAITS(x);
	EXPECT_EQ(dump_of(x).position, 1);
	fake_end();
}

TEST(unmappable_producer_is_followed_by_another)
{
	struct fake_irqfd *x;

	fake_begin();
	host.irq[1].refuse = EINVAL;
	x = source(a, 0, 1);
	settle();
	del_producer(x);
	EXPECT_STATE(x, IDLE, 0);
	add_producer(x, 2);
	settle();
	HOLDS(x);
	fake_end();
}

static void another_producer_comes(void)
{
	del_producer(meanwhile);
	add_producer(meanwhile, 2);
}

/* What one producer was turned down for is not said of the one that came meanwhile. */
TEST(producer_is_followed_by_another_while_it_is_turned_down)
{
	static const enum moment moments[] = { BEFORE_GRANT, BEFORE_ADD, AFTER_GRANT };
	u32 i;

	fake_begin();
	host.irq[1].refuse = EINVAL;
	for (i = 0; i < ARRAY_SIZE(moments); i++) {
		meanwhile = source(a, 0, 1);
		host.at[moments[i]] = another_producer_comes;
		look();
		HOLDS(meanwhile);
		EXPECT_EQ(dump_of(meanwhile).host_irq, 2);
		deassign(meanwhile);
		settle();
	}
	fake_end();
}

/* --- who comes back -------------------------------------------------------------------------- */

TEST(nobody_comes_back_where_all_is_settled)
{
	struct fake_irqfd *z;

	fake_begin();
	source(a, 0, 1);
	source(a, 0, 2);
	settle();
	z = source(a, 0, 2);
	assign(a, 1);
	source(a, NOT_MSI, 3);
	source(a, 5, 4);
	settle();
	EXPECT_STATE(z, UNMAPPABLE, EEXIST);
	EXPECT(!a->book->timer);
	EXPECT(!a->book->queued);
	fake_end();
}

TEST(nobody_comes_back_for_one_that_is_gone)
{
	struct fake_irqfd *x;

	fake_begin();
	host.irq[1].refuse = ENOMEM;
	x = source(a, 0, 1);
	assign(a, 1);
	look();
	EXPECT(a->book->timer);
	deassign(x);
	settle();
	EXPECT(!a->book->timer);
	fake_end();
}

/* --- a VM whose lock is taken ---------------------------------------------------------------- */

TEST(stuck_vm_is_settled_when_it_is_not_stuck_any_more)
{
	struct fake_irqfd *x, *y, *z;
	u64 begin;

	fake_begin();
	get_stuck(a, true);
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(b, 0, 3);
	begin = host.ms;
	settle();
	/* It comes back, and more and more seldom. */
	EXPECT(a->book->timer);
	EXPECT(host.ms - begin > 100);
	EXPECT_EQ(a->halts, 0);
	EXPECT_EQ(dump_of(x).state, VLPI_BROKER_IDLE);
	EXPECT_EQ(dump_of(x).flags, VLPI_BROKER_CLIENT_UNSETTLED);
	HOLDS(z);
	EXPECT_DID("map 3 B8192, raise B8192");
	get_stuck(a, false);
	settle();
	HOLDS(x);
	WAITS(y);
	EXPECT_EQ(dump_of(x).flags, VLPI_BROKER_CLIENT_FORWARDED);
	fake_end();
}

static void a_gets_stuck(void)
{
	get_stuck(a, true);
}

/* Its lock is taken just before each kind of step. */
TEST(vm_gets_stuck_before_each_step)
{
	struct fake_irqfd *x, *y;
	enum moment moment;

	fake_begin();
	host.unset_by_route = true;
	for (moment = BEFORE_LOOK; moment <= BEFORE_RAISE; moment++) {
		x = source(a, 0, 1);
		y = source(a, 0, 2);
		if (moment == BEFORE_REVOKE || moment == BEFORE_AIM)
			settle();
		if (moment == BEFORE_REVOKE)
			route(x, 1);
		if (moment == BEFORE_AIM)
			guest_discards(a, 0);
		host.at[moment] = a_gets_stuck;
		settle();
		EXPECT(!host.at[moment]);
		get_stuck(a, false);
		guest_maps(a, 0, LPI);
		settle();
		EXPECT(holder_of(a, LPI));
		deassign(x);
		deassign(y);
		settle();
	}
	fake_end();
}

/* A revoke met a taken lock, and its reason goes: the holder stays, as it was. */
TEST(revoke_that_is_put_off_and_not_needed_any_more)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	host.unset_by_route = true;
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	route(x, 1);
	host.at[BEFORE_REVOKE] = a_gets_stuck;
	look();
	EXPECT(!host.at[BEFORE_REVOKE]);
	route(x, 0);
	get_stuck(a, false);
	fake_did();
	settle();
	EXPECT_DID("");
	HOLDS(x);
	/* And it is raised through, without a lock of KVM's. */
	EXPECT(broker_raise(&y->client));
	fake_end();
}

/* The producer leaves meanwhile: it takes its_lock itself. */
TEST(producer_of_a_stuck_vm_leaves)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	host.unset_by_route = true;
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	route(x, 1);
	host.at[BEFORE_REVOKE] = a_gets_stuck;
	look();
	deassign(x);
	EXPECT(host.deleting == x);
	settle();
	get_stuck(a, false);
	EXPECT(!host.deleting);
	settle();
	HOLDS(y);
	fake_end();
}

/* A waiter takes no lock: it is gone at once. */
TEST(waiter_of_a_stuck_vm_leaves)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	host.unset_by_route = true;
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	get_stuck(a, true);
	z = source(a, 0, 3);
	settle();
	fake_did();
	deassign(y);
	deassign(z);
	EXPECT(!host.deleting);
	EXPECT_EQ(info().nr_clients, 1);
	get_stuck(a, false);
	settle();
	EXPECT_DID("");
	HOLDS(x);
	fake_end();
}

/* --- credit ---------------------------------------------------------------------------------- */

/* A guest that has its vLPI unmapped and mapped without end is granted it so often, then waits. */
TEST(credit_for_grants_is_used_up)
{
	struct vlpi_broker_info before, after;
	struct fake_irqfd *x, *y;
	u64 begin;

	fake_begin();
	x = source(a, 0, 1);
	y = source(b, 0, 2);
	settle();
	begin = host.ms;
	before = info();
	while (!a->book->poor && info().grants < before.grants + 20000) {
		guest_discards(a, 0);
		guest_maps(a, 0, LPI);
		look();
		time_passes(!(info().grants % 8));
	}
	after = info();
	EXPECT(a->book->poor);
	/* 8192 at once, and 1024 more each second. */
	EXPECT(after.grants - before.grants > 8000);
	EXPECT(after.grants - before.grants < 8192 + (host.ms - begin) * 1100 / 1000 + 2);
	WAITS(x);
	HOLDS(y);
	/* Without credit a revoke and a raise are made all the same. */
	fake_did();
	signal_eventfd(x);
	look();
	EXPECT_DID("raise A8192");
	/* And the other VM has its own. */
	guest_discards(b, 0);
	guest_maps(b, 0, LPI);
	look();
	HOLDS(y);
	settle();
	HOLDS(x);
	fake_end();
}

/* A producer's first grant needs no credit. */
TEST(who_waits_for_credit_leaves)
{
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	route(x, 1);
	settle();
	HOLDS(y);
	route(x, 0);
	settle();
	WAITS(x);
	a->book->book.credit_us = 0;
	a->book->book.credit_ms = host.ms;
	fires(2);
	fake_did();
	deassign(y);
	look();
	WAITS(x);
	EXPECT(a->book->poor);
	z = source(a, 1, 3);
	look();
	HOLDS(z);
	deassign(x);
	settle();
	EXPECT_DID("unmap 2, map 3 A8193, raise A8193, raise A8192");
	fake_end();
}

TEST(credit_is_not_saved_up)
{
	struct fake_irqfd *x;

	fake_begin();
	x = source(a, 0, 1);
	settle();
	time_passes(3600 * 1000);
	guest_discards(a, 0);
	guest_maps(a, 0, LPI);
	settle();
	EXPECT(a->book->book.credit_us <= 8192 * 100);
	HOLDS(x);
	fake_end();
}
