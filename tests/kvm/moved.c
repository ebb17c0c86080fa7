// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest moves a shared LPI to another vCPU, by MOVI, MOVALL or MAPC (H10): all sources
 * follow, and no edge that is pending, or raised meanwhile, is lost.
 */
#define _GNU_SOURCE
#include "harness.h"

#define ROUNDS			20
/* The bound is for one edge; a kernel that loses many would take a test's whole time. */
#define ENOUGH_LOST		3

enum move {
	BY_MOVI,
	BY_MOVALL,
	BY_MAPC,		/* of the event's collection */
};

FIXTURE(moved) {
	struct sharers sh;
};

FIXTURE_VARIANT(moved) {
	enum move by;
	unsigned int nr;
};

#define MOVED(name, b, n)					\
	FIXTURE_VARIANT_ADD(moved, name) {			\
		.by = b, .nr = n,				\
	}

MOVED(by_movi_one, BY_MOVI, 1);
MOVED(by_movi_three, BY_MOVI, 3);
MOVED(by_movall_three, BY_MOVALL, 3);
MOVED(by_mapc_three, BY_MAPC, 3);

FIXTURE_SETUP(moved)
{
	sharers_new_two_vcpus(&self->sh, "moved", variant->nr);
}

FIXTURE_TEARDOWN(moved)
{
	sharers_free(&self->sh);
}

static void move_to(struct vm *vm, enum move by, unsigned int vcpu)
{
	switch (by) {
	case BY_MOVI:
		guest_move(vm, SHARED_DEVID, SHARED_EVENT, vcpu);
		break;
	case BY_MOVALL:
		guest_move_all(vm, !vcpu, vcpu);
		break;
	case BY_MAPC:
		guest_map_collection(vm, 0, vcpu);
		break;
	}
}

VM_TEST_F(moved, all_follow, "H10")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("assigned");
	for (unsigned int n = 1; n <= 4; n++) {
		move_to(sh->vm, variant->by, n % 2);
		ASSERT_SOURCES("%u: on vCPU %u", n, n % 2);
	}
}

VM_TEST_F(moved, next_holders_too, "H10")
{
	struct sharers *sh = &self->sh;
	int holder;

	ASSERT_SOURCES("assigned");
	move_to(sh->vm, variant->by, 1);
	for (unsigned int n = 1; n <= sh->nr; n++) {
		ASSERT_SOURCES("%u there", sh->nr - n + 1);
		holder = sharers_holder(sh);
		ASSERT_LE(0, holder);
		source_deassign(sh->src[holder]);
		sh->src[holder]->last = HOST;
		source_drain(sh->src[holder]);
	}
	ASSERT_SOURCES("all left");
	sharers_assign_all(sh);
	ASSERT_SOURCES("all are back");
	sharers_deassign_all(sh);
	move_to(sh->vm, variant->by, 0);
	for (unsigned int i = 0; i < sh->nr; i++)
		source_drain(sh->src[i]);
	sharers_assign_all(sh);
	ASSERT_SOURCES("moved while no source was there");
}

/* Where the event leads when it is mapped again is the collection's vCPU. */
VM_TEST_F(moved, and_mapped_again, "H10")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("assigned");
	move_to(sh->vm, variant->by, 1);
	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	sharers_map(sh);
	ASSERT_SOURCES("mapped again");
}

static bool takes_on(struct vm *vm, unsigned int vcpu, uint64_t before)
{
	struct wait w;

	wait_begin(&w);
	while (guest_count_on(vm, vcpu, SHARED_INTID) == before) {
		vm_check(vm);
		if (!wait_more(&w))
			return false;
	}
	return true;
}

VM_TEST_F(moved, under_fire, "H10")
{
	struct sharers *sh = &self->sh;
	struct firing f;

	firing_start(&f, sh->src, sh->nr);
	for (unsigned int round = 1; round <= ROUNDS; round++) {
		unsigned int to = round % 2;

		move_to(sh->vm, variant->by, to);
		ASSERT_TRUE(takes_on(sh->vm, to, guest_count_on(sh->vm, to, SHARED_INTID))) {
			TH_LOG("round %u: nothing arrives on vCPU %u", round, to);
		}
		if (round % 3 == 0) {
			source_deassign(sh->src[round % sh->nr]);
			sharers_assign(sh, round % sh->nr);
		}
	}
	firing_stop(&f);
	ASSERT_SOURCES("afterwards");
}

/* Pending on a vCPU that has interrupts masked, or both have: it goes along, or stays; not away. */
VM_TEST_F(moved, with_an_edge_pending, "H10")
{
	struct sharers *sh = &self->sh;
	unsigned int at = 0;
	uint64_t before;

	ASSERT_SOURCES("assigned");
	for (unsigned int n = 0; n < 2 * sh->nr; n++) {
		bool both = n >= sh->nr;

		guest_mask(sh->vm, at, true);
		if (both)
			guest_mask(sh->vm, !at, true);
		before = guest_count(sh->vm, SHARED_INTID);
		source_fire(sh->src[n % sh->nr]);
		await_effects();
		EXPECT_EQ(before, guest_count(sh->vm, SHARED_INTID));
		move_to(sh->vm, variant->by, !at);
		await_effects();
		guest_mask(sh->vm, at, false);
		if (both)
			guest_mask(sh->vm, !at, false);
		EXPECT_TRUE(guest_takes(sh->vm, SHARED_INTID, before)) {
			TH_LOG("%u: the edge that was pending on vCPU %u is lost", n, at);
		}
		at = !at;
		ASSERT_SOURCES("%u: on vCPU %u", n, at);
	}
}

/*
 * The LPI is disabled; what is pending has to be there when it is enabled on the other vCPU. That
 * one sleeps in WFI, and an INV by another rings no doorbell: it takes it when it next runs.
 */
VM_TEST_F(moved, with_an_edge_pending_disabled, "H10")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	ASSERT_SOURCES("assigned");
	for (unsigned int n = 0; n < 2 * sh->nr; n++) {
		guest_enable(sh->vm, SHARED_INTID, false);
		before = guest_count(sh->vm, SHARED_INTID);
		source_fire(sh->src[n % sh->nr]);
		await_effects();
		move_to(sh->vm, variant->by, !(n % 2));
		await_effects();
		EXPECT_EQ(before, guest_count(sh->vm, SHARED_INTID));
		guest_enable(sh->vm, SHARED_INTID, true);
		guest_round_trip(sh->vm);
		EXPECT_TRUE(guest_takes(sh->vm, SHARED_INTID, before)) {
			TH_LOG("%u: the edge that was pending, disabled, is lost", n);
		}
		ASSERT_SOURCES("%u", n);
	}
}

VM_TEST_F(moved, at_once_after_an_edge, "H10")
{
	struct sharers *sh = &self->sh;
	unsigned int lost = 0, round;

	for (round = 1; round <= ROUNDS && lost < ENOUGH_LOST; round++) {
		uint64_t before;

		await_effects();
		before = guest_count(sh->vm, SHARED_INTID);
		source_fire(sh->src[round % sh->nr]);
		move_to(sh->vm, variant->by, round % 2);
		if (!guest_takes(sh->vm, SHARED_INTID, before))
			lost++;
	}
	EXPECT_EQ(0, lost) {
		TH_LOG("%u of %u edges lost", lost, round - 1);
	}
	ASSERT_SOURCES("afterwards");
}

FAILS_ON_STOCK_LAST("moved.by_movi_three.at_once_before_an_edge", "6.1");
VM_TEST_F(moved, at_once_before_an_edge, "H10")
{
	struct sharers *sh = &self->sh;
	unsigned int lost = 0, round;

	for (round = 1; round <= ROUNDS && lost < ENOUGH_LOST; round++) {
		unsigned int to = round % 2;
		uint64_t before;

		await_effects();
		move_to(sh->vm, variant->by, to);
		before = guest_count_on(sh->vm, to, SHARED_INTID);
		source_fire(sh->src[round % sh->nr]);
		if (!takes_on(sh->vm, to, before))
			lost++;
	}
	EXPECT_EQ(0, lost) {
		TH_LOG("%u of %u edges lost", lost, round - 1);
	}
	ASSERT_SOURCES("afterwards");
}

TEST_MAIN
