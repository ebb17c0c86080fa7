// SPDX-License-Identifier: GPL-2.0-only
/*
 * No edge is lost: pending in the guest or on the host while the slot is granted or changes hands
 * (H8), nor raised while the guest has the LPI disabled or its interrupts masked (H21).
 */
#define _GNU_SOURCE
#include <sched.h>

#include "harness.h"

#define ROUNDS			50

#define EXPECT_TAKEN(sh, before, ...)					\
	EXPECT_TRUE(sharers_takes(sh, before)) {				\
		TH_LOG(__VA_ARGS__);					\
	}

/* ---- edges that wait in the guest -------------------------------- */

FIXTURE(pending) {
	struct sharers sh;
};

FIXTURE_VARIANT(pending) {
	unsigned int fires;	/* of three, assigned in this order: 0 holds the vLPI */
	unsigned int leaves;
	bool comes_back;
};

FIXTURE_VARIANT_ADD(pending, holder_fires_and_leaves) {
	.fires = 0, .leaves = 0,
};

FIXTURE_VARIANT_ADD(pending, holder_fires_leaves_and_comes_back) {
	.fires = 0, .leaves = 0, .comes_back = true,
};

FIXTURE_VARIANT_ADD(pending, waiter_fires_and_holder_leaves) {
	.fires = 1, .leaves = 0,
};

FIXTURE_VARIANT_ADD(pending, waiter_fires_and_leaves) {
	.fires = 1, .leaves = 1,
};

FIXTURE_VARIANT_ADD(pending, last_waiter_fires_and_holder_leaves) {
	.fires = 2, .leaves = 0,
};

FIXTURE_SETUP(pending)
{
	sharers_new(&self->sh, "pending", 0, 3);
}

FIXTURE_TEARDOWN(pending)
{
	sharers_free(&self->sh);
}

FAILS_ON_STOCK("pending.holder_fires_and_leaves.masked", "6.1 7.3");
VM_TEST_F(pending, masked, "H8")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	guest_mask(sh->vm, 0, true);
	before = sharers_count(sh);
	source_fire(sh->src[variant->fires]);
	await_effects();
	source_deassign(sh->src[variant->leaves]);
	if (variant->comes_back)
		sharers_assign(sh, variant->leaves);
	await_effects();
	EXPECT_EQ(before, sharers_count(sh));
	guest_mask(sh->vm, 0, false);
	EXPECT_TAKEN(sh, before, "the edge that was pending is lost");
	EXPECT_SOURCES("afterwards");
}

VM_TEST_F(pending, disabled, "H8")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	guest_enable(sh->vm, SHARED_INTID, false);
	before = sharers_count(sh);
	source_fire(sh->src[variant->fires]);
	await_effects();
	source_deassign(sh->src[variant->leaves]);
	if (variant->comes_back)
		sharers_assign(sh, variant->leaves);
	await_effects();
	EXPECT_EQ(before, sharers_count(sh));
	guest_enable(sh->vm, SHARED_INTID, true);
	EXPECT_TAKEN(sh, before, "the edge that was pending is lost");
	EXPECT_SOURCES("afterwards");
}

/* ---- the first grant --------------------------------------------- */

FIXTURE(first) {
	struct sharers sh;
};

FIXTURE_SETUP(first)
{
	sharers_prepare(&self->sh, "first", 0, 3);
}

FIXTURE_TEARDOWN(first)
{
	sharers_free(&self->sh);
}

/* An MSI by software is pending when the vLPI gets its first holder. */
VM_TEST_F(first, msi_pending_while_granted, "H8")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	guest_mask(sh->vm, 0, true);
	before = sharers_count(sh);
	ASSERT_LT(0, try_signal_msi(sh->vm, SHARED_DEVID, SHARED_EVENT));
	sharers_assign(sh, 0);
	await_effects();
	EXPECT_EQ(before, sharers_count(sh));
	guest_mask(sh->vm, 0, false);
	EXPECT_TAKEN(sh, before, "the MSI that was pending is lost");
	EXPECT_SOURCES("afterwards");
}

/* What a source raised while it was assigned to nothing is in its eventfd. */
VM_TEST_F(first, fired_before_attached, "H8")
{
	struct sharers *sh = &self->sh;
	uint64_t before = sharers_count(sh);

	for (unsigned int i = 0; i < sh->nr; i++) {
		EXPECT_VERDICT(sh->src[i], HOST);
		before = sharers_count(sh);
		sharers_assign(sh, i);
		EXPECT_TAKEN(sh, before, "source %u fired before it was assigned: lost", i + 1);
	}
	EXPECT_SOURCES("afterwards");
}

/* ---- hands change at the very moment ----------------------------- */

FIXTURE(handover) {
	struct sharers sh;
};

FIXTURE_VARIANT(handover) {
	unsigned int nr;
};

FIXTURE_VARIANT_ADD(handover, alone) {
	.nr = 1,
};

FIXTURE_VARIANT_ADD(handover, shared) {
	.nr = 3,
};

FIXTURE_SETUP(handover)
{
	sharers_new(&self->sh, "handover", 0, variant->nr);
}

FIXTURE_TEARDOWN(handover)
{
	sharers_free(&self->sh);
}

/* The bound is for one edge; a kernel that loses many would take a test's whole time. */
#define ENOUGH_LOST		3

static void change_hands(struct sharers *sh, unsigned int i)
{
	source_deassign(sh->src[i]);
	sharers_assign(sh, i);
}

/*
 * In turn, so that with promotion in the order of arrival it is always the holder that fires and
 * leaves. In any order its edge must arrive.
 */
VM_TEST_F(handover, fires_and_leaves_at_once, "H8")
{
	struct sharers *sh = &self->sh;
	unsigned int lost = 0, round;

	for (round = 0; round < ROUNDS && lost < ENOUGH_LOST; round++) {
		unsigned int i = round % sh->nr;
		uint64_t before;

		await_effects();
		before = sharers_count(sh);
		source_fire(sh->src[i]);
		change_hands(sh, i);
		if (!sharers_takes(sh, before))
			lost++;
	}
	EXPECT_EQ(0, lost) {
		TH_LOG("%u of %u edges lost", lost, round);
	}
	EXPECT_SOURCES("afterwards");
}

struct shot {
	struct source *s;
	pthread_barrier_t *go;
};

static void *shoot(void *arg)
{
	struct shot *shot = arg;

	pthread_barrier_wait(shot->go);
	source_fire(shot->s);
	return NULL;
}

/* The edge is on its way, or pending on the host, while KVM sends the ITS its commands. */
VM_TEST_F(handover, fires_while_it_leaves, "H8")
{
	struct sharers *sh = &self->sh;
	unsigned int lost = 0, round;
	pthread_barrier_t go;
	pthread_t thread;

	pthread_barrier_init(&go, NULL, 2);
	for (round = 0; round < ROUNDS && lost < ENOUGH_LOST; round++) {
		unsigned int i = round % sh->nr;
		struct shot shot = { .s = sh->src[i], .go = &go };
		uint64_t before;

		await_effects();
		before = sharers_count(sh);
		ASSERT_EQ(0, pthread_create(&thread, NULL, shoot, &shot));
		pthread_barrier_wait(&go);
		/* A different moment each time, from at once to after the edge. */
		for (unsigned int n = round % 10; n; n--)
			sched_yield();
		change_hands(sh, i);
		pthread_join(thread, NULL);
		if (!sharers_takes(sh, before))
			lost++;
	}
	EXPECT_EQ(0, lost) {
		TH_LOG("%u of %u edges lost", lost, round);
	}
	EXPECT_SOURCES("afterwards");
}

FIXTURE(alone) {
	struct sharers sh;
};

FIXTURE_SETUP(alone)
{
	sharers_new(&self->sh, "alone", 0, 1);
}

FIXTURE_TEARDOWN(alone)
{
	sharers_free(&self->sh);
}

/* The last one leaves with an edge pending, and no other comes after it. */
VM_TEST_F(alone, fires_masked_and_leaves, "H8")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	guest_mask(sh->vm, 0, true);
	before = sharers_count(sh);
	source_fire(sh->src[0]);
	await_effects();
	source_deassign(sh->src[0]);
	guest_mask(sh->vm, 0, false);
	EXPECT_TAKEN(sh, before, "raised before the last one left: lost");
}

/* ---- H21: a guest that cannot take it now ------------------------ */

FIXTURE(unable) {
	struct sharers sh;
};

FIXTURE_VARIANT(unable) {
	unsigned int fires;
};

FIXTURE_VARIANT_ADD(unable, holder) {
	.fires = 0,
};

FIXTURE_VARIANT_ADD(unable, waiter) {
	.fires = 1,
};

FIXTURE_SETUP(unable)
{
	sharers_new(&self->sh, "unable", 0, 3);
}

FIXTURE_TEARDOWN(unable)
{
	sharers_free(&self->sh);
}

FAILS_ON_STOCK("unable.waiter.lpi_disabled", "6.12 7.3");
VM_TEST_F(unable, lpi_disabled, "H21")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	guest_enable(sh->vm, SHARED_INTID, false);
	before = sharers_count(sh);
	source_fire(sh->src[variant->fires]);
	await_effects();
	EXPECT_EQ(before, sharers_count(sh));
	guest_enable(sh->vm, SHARED_INTID, true);
	EXPECT_TAKEN(sh, before, "raised while the LPI was disabled: lost");
	EXPECT_SOURCES("afterwards");
}

VM_TEST_F(unable, interrupts_masked, "H21")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	guest_mask(sh->vm, 0, true);
	before = sharers_count(sh);
	source_fire(sh->src[variant->fires]);
	await_effects();
	EXPECT_EQ(before, sharers_count(sh));
	guest_mask(sh->vm, 0, false);
	EXPECT_TAKEN(sh, before, "raised while interrupts were masked: lost");
	EXPECT_SOURCES("afterwards");
}

TEST_MAIN
