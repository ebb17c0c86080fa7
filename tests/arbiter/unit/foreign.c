// SPDX-License-Identifier: GPL-2.0-only
/* P1 and P3 with foreign mappings: KVM maps host IRQs that no irqfd has (H33). */
#include <errno.h>

#include "fake_host.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];
static struct fake_vm *const b = &host.vm[1];

static bool is_shown(struct fake_irqfd *irqfd)
{
	return dump_of(irqfd).flags & VLPI_BROKER_CLIENT_FOREIGN;
}

TEST(irqfds_wait_behind_a_foreign_mapping)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	EXPECT_EQ(foreign_maps(a, 0, 9), 0);
	fake_did();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	WAITS(x);
	WAITS(y);
	EXPECT(is_shown(x));
	EXPECT_EQ(info().nr_foreign, 1);
	EXPECT_EQ(info().grant_failures, 0);
	EXPECT_DID("");
	/* An interrupt of theirs is raised through it. */
	signal_eventfd(y);
	settle();
	EXPECT_DID("raise A8192");
	foreign_unmaps(9);
	settle();
	HOLDS(x);
	WAITS(y);
	EXPECT(!is_shown(x));
	EXPECT_EQ(info().nr_foreign, 0);
	EXPECT_DID("unmap 9, map 1 A8192, raise A8192");
	fake_end();
}

TEST(foreign_mapping_comes_to_a_vlpi_that_is_free)
{
	struct fake_irqfd *x;

	fake_begin();
	x = assign(a, 0);
	settle();
	EXPECT_EQ(foreign_maps(a, 0, 9), 0);
	EXPECT(is_shown(x));
	settle();
	EXPECT(is_shown(x));
	EXPECT(!is_served(x));
	add_producer(x, 1);
	settle();
	WAITS(x);
	foreign_unmaps(9);
	settle();
	HOLDS(x);
	fake_end();
}

/* Up to 6.1 KVM asks whatever it believes. */
TEST(foreign_mapping_is_refused_where_the_vlpi_is_held)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	host.maps_again = true;
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	EXPECT_EQ(foreign_maps(a, 0, 9), -EBUSY);
	EXPECT_EQ(info().gate_refusals, 1);
	del_producer(x);
	EXPECT_EQ(foreign_maps(a, 0, 9), 0);
	settle();
	WAITS(y);
	/* Nor is there room for a second one. */
	EXPECT_EQ(foreign_maps(a, 0, 10), -EBUSY);
	foreign_unmaps(9);
	settle();
	HOLDS(y);
	fake_end();
}

/* The holder may be mapped still. */
TEST(foreign_mapping_is_refused_while_the_holder_leaves)
{
	struct fake_irqfd *x;

	fake_begin();
	host.maps_again = true;
	x = source(a, 0, 1);
	settle();
	del_begins(x);
	EXPECT_EQ(foreign_maps(a, 0, 9), -EBUSY);
	del_ends();
	EXPECT_EQ(foreign_maps(a, 0, 9), 0);
	foreign_unmaps(9);
	fake_end();
}

static void foreign_comes(void)
{
	EXPECT_EQ(foreign_maps(a, 0, 9), 0);
}

static void foreign_goes(void)
{
	foreign_unmaps(9);
}

TEST(foreign_mapping_is_quicker_than_a_grant)
{
	static const enum moment moments[] = {
		BEFORE_LOOK, AFTER_LOOK, BEFORE_GRANT, BEFORE_ADD,
	};
	struct fake_irqfd *x;
	u32 i;

	for (i = 0; i < 2 * ARRAY_SIZE(moments); i++) {
		fake_begin();
		host.maps_again = i % 2;
		x = source(a, 0, 1);
		host.at[moments[i / 2]] = foreign_comes;
		settle();
		EXPECT(!host.at[moments[i / 2]]);
		WAITS(x);
		EXPECT(is_shown(x));
		foreign_unmaps(9);
		settle();
		HOLDS(x);
		fake_end();
	}
}

TEST(foreign_mapping_goes_while_it_is_looked_for)
{
	static const enum moment moments[] = { BEFORE_LOOK, AFTER_LOOK };
	struct fake_irqfd *x;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(moments); i++) {
		fake_begin();
		foreign_comes();
		x = source(a, 0, 1);
		host.at[moments[i]] = foreign_goes;
		settle();
		EXPECT(!host.at[moments[i]]);
		HOLDS(x);
		fake_end();
	}
}

TEST(guest_discards_a_foreign_mapping)
{
	struct fake_irqfd *x;

	fake_begin();
	foreign_comes();
	x = source(a, 0, 1);
	settle();
	guest_discards(a, 0);
	guest_maps(a, 0, LPI);
	settle();
	HOLDS(x);
	fake_end();
}

TEST(irqchip_turns_a_foreign_mapping_down)
{
	struct fake_irqfd *x;

	fake_begin();
	x = assign(a, 0);
	settle();
	host.irq[9].refuse = ENOMEM;
	EXPECT_EQ(foreign_maps(a, 0, 9), -ENOMEM);
	EXPECT(!is_shown(x));
	add_producer(x, 1);
	settle();
	HOLDS(x);
	fake_end();
}

/* The last client of the vLPI goes, and its slot is used for another. */
TEST(slot_forgets_a_foreign_mapping)
{
	struct fake_irqfd *x;

	fake_begin();
	foreign_comes();
	x = source(a, 0, 1);
	settle();
	WAITS(x);
	guest_maps(a, 1, LPI + 1);
	route(x, 1);
	settle();
	HOLDS(x);
	EXPECT_EQ(info().nr_foreign, 0);
	route(x, 0);
	settle();
	WAITS(x);
	foreign_unmaps(9);
	settle();
	HOLDS(x);
	fake_end();
}

/* The last holder may have lost an interrupt, which is raised at once. */
TEST(loss_is_settled_behind_a_foreign_mapping)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	del_producer(x);
	foreign_comes();
	settle();
	WAITS(y);
	EXPECT_DID("unmap 1, map 9 A8192, raise A8192");
	foreign_unmaps(9);
	fake_end();
}

/* The irqchip maps a device's events to one VM at a time. */
TEST(foreign_mapping_gives_its_device_back)
{
	struct fake_irqfd *x;

	fake_begin();
	host.irqs_per_device = 4;
	EXPECT_EQ(foreign_maps(a, 0, 9), 0);
	x = source(b, 0, 10);
	settle();
	EXPECT_STATE(x, UNMAPPABLE, EINVAL);
	foreign_unmaps(9);
	settle();
	HOLDS(x);
	fake_end();
}

/* KVM left it mapped before the module came. It counts as foreign until its producer is back. */
TEST(leftover_is_taken_back_for_its_producer)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	EXPECT_EQ(foreign_maps(a, 0, 2), 0);
	x = source(a, 0, 1);
	settle();
	WAITS(x);
	y = source(a, 0, 2);
	settle();
	HOLDS(x);
	WAITS(y);
	EXPECT_EQ(info().nr_foreign, 0);
	fake_end();
}

TEST(gate_knows_a_foreign_mapping_in_a_vm_that_is_live)
{
	struct vb_client *client;
	struct fake_irqfd *x;

	fake_begin();
	/* There is no record. */
	EXPECT_EQ(broker_gate(NULL, &x, 9, LPI, NULL, VB_ASK_FOREIGN, &client), 0);
	EXPECT(!client);
	x = source(a, 0, 1);
	settle();
	/* One that came with an irqfd meanwhile. */
	del_begins(x);
	EXPECT_EQ(broker_gate(&a->book->book, &client, 1, LPI + 1, NULL, VB_ASK_FOREIGN, &client),
		  -EBUSY);
	del_ends();
	fake_end();
}
