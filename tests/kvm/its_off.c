// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest switches its ITS, or the LPIs of a vCPU, off and on, with the irqfds assigned (H5).
 * Its mappings survive that: every source is in its place again by itself.
 */
#define _GNU_SOURCE
#include "harness.h"

/* Of the device, and not mapped. */
#define OTHER_EVENT		(SHARED_EVENT + 1)

#define ROUNDS			20

FIXTURE(off) {
	struct sharers sh;
};

FIXTURE_VARIANT(off) {
	bool lpis;
	unsigned int nr;
};

FIXTURE_VARIANT_ADD(off, its_of_one) {
	.nr = 1,
};

FIXTURE_VARIANT_ADD(off, its_of_three) {
	.nr = 3,
};

FIXTURE_VARIANT_ADD(off, lpis_of_three) {
	.lpis = true, .nr = 3,
};

FIXTURE_SETUP(off)
{
	sharers_new_two_vcpus(&self->sh, "off", variant->nr);
}

FIXTURE_TEARDOWN(off)
{
	sharers_free(&self->sh);
}

static void turn(struct vm *vm, bool lpis, bool on)
{
	if (lpis)
		guest_lpis(vm, 0, on);
	else
		guest_its(vm, on);
}

VM_TEST_F(off, and_on, "H5")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("assigned");
	for (unsigned int n = 1; n <= 2; n++) {
		turn(sh->vm, variant->lpis, false);
		await_effects();
		turn(sh->vm, variant->lpis, true);
		ASSERT_SOURCES("on again, %u", n);
	}
}

/* The broker looks at the routes while they lead nowhere, and no change of them follows. */
VM_TEST_F(off, and_on_with_routes_looked_at, "H5")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("assigned");
	turn(sh->vm, variant->lpis, false);
	vm_route_msi(sh->vm, SHARED_GSI + MAX_SHARERS, SHARED_DEVID, OTHER_EVENT);
	await_effects();
	turn(sh->vm, variant->lpis, true);
	ASSERT_SOURCES("on again");
}

/* The holder leaves meanwhile, and comes back. */
VM_TEST_F(off, and_on_with_the_holder_replaced, "H5")
{
	struct sharers *sh = &self->sh;
	int holder;

	for (unsigned int n = 1; n <= 2; n++) {
		ASSERT_SOURCES("assigned, %u", n);
		holder = sharers_holder(sh);
		ASSERT_LE(0, holder);
		turn(sh->vm, variant->lpis, false);
		source_deassign(sh->src[holder]);
		EXPECT_VERDICT(sh->src[holder], HOST);
		source_drain(sh->src[holder]);
		if (n == 2)
			sharers_assign(sh, holder);
		turn(sh->vm, variant->lpis, true);
		if (n == 1)
			sharers_assign(sh, holder);
		ASSERT_SOURCES("on again, %u", n);
	}
}

VM_TEST_F(off, and_on_under_fire, "H5")
{
	struct sharers *sh = &self->sh;
	struct firing f;

	firing_start(&f, sh->src, sh->nr);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		turn(sh->vm, variant->lpis, false);
		if (round % 2)
			await_effects();
		turn(sh->vm, variant->lpis, true);
		EXPECT_TRUE(guest_takes(sh->vm, SHARED_INTID, guest_count(sh->vm, SHARED_INTID))) {
			TH_LOG("round %u: nothing arrives any more", round);
		}
	}
	firing_stop(&f);
	ASSERT_SOURCES("afterwards");
}

/* Mappings survive it: the guest need not map anything again, but may. */
VM_TEST_F(off, and_set_up_anew, "H5")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("assigned");
	turn(sh->vm, variant->lpis, false);
	await_effects();
	if (variant->lpis)
		guest_lpis(sh->vm, 0, true);
	guest_init_its(sh->vm);
	ASSERT_SOURCES("set up anew");
	guest_mapd(sh->vm, SHARED_DEVID, true);
	sharers_map(sh);
	ASSERT_SOURCES("and mapped anew");
}

TEST_MAIN
