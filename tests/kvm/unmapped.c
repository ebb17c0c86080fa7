// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest takes a mapped event away, in every way there is, and maps it again, with the irqfds
 * assigned (H5). The vLPI has its holder again by itself, nothing reaches the guest by an event
 * that is not mapped, and no edge that is raised once it is mapped is lost.
 */
#define _GNU_SOURCE
#include "harness.h"

#define OTHER_EVENT		(SHARED_EVENT + 1)
#define OTHER_INTID		(SHARED_INTID + 1)
#define GITS_BASER_DEVICES	0x0100

#define ROUNDS			20
/* The bound is for one edge; a kernel that loses many would take a test's whole time. */
#define ENOUGH_LOST		3

enum how {
	DISCARD,
	MAPD,			/* not valid */
	MAPD_AGAIN,		/* valid: drops what the device had */
	TABLE,			/* the guest takes the device table away, with the ITS off */
	RESET,			/* by the VMM */
};

FIXTURE(unmapped) {
	struct sharers sh;
};

FIXTURE_VARIANT(unmapped) {
	enum how how;
	unsigned int nr;
};

#define UNMAPPED(name, h, n)					\
	FIXTURE_VARIANT_ADD(unmapped, name) {			\
		.how = h, .nr = n,				\
	}

UNMAPPED(by_discard_one, DISCARD, 1);
UNMAPPED(by_discard_three, DISCARD, 3);
UNMAPPED(by_mapd_three, MAPD, 3);
UNMAPPED(by_mapd_again_three, MAPD_AGAIN, 3);
UNMAPPED(by_device_table_three, TABLE, 3);
UNMAPPED(by_its_reset_one, RESET, 1);
UNMAPPED(by_its_reset_three, RESET, 3);

FIXTURE_SETUP(unmapped)
{
	sharers_new_two_vcpus(&self->sh, "unmapped", variant->nr);
}

FIXTURE_TEARDOWN(unmapped)
{
	sharers_free(&self->sh);
}

static void take_away(struct vm *vm, enum how how)
{
	switch (how) {
	case DISCARD:
		guest_discard(vm, SHARED_DEVID, SHARED_EVENT);
		break;
	case MAPD:
		guest_mapd(vm, SHARED_DEVID, false);
		break;
	case MAPD_AGAIN:
		guest_mapd(vm, SHARED_DEVID, true);
		break;
	case TABLE:
		guest_its(vm, false);
		guest_do(vm, 0, GUEST_WRITE, GUEST_GITS + GITS_BASER_DEVICES, 8, 0, 0, 0);
		vm->nr_events = 0;
		vm->nr_devices = 0;
		break;
	case RESET:
		vm_reset_its_alone(vm);
		break;
	}
}

static void give_back(struct vm *vm, enum how how, uint32_t intid, unsigned int vcpu)
{
	if (how == TABLE || how == RESET)
		guest_init_its(vm);
	guest_map(vm, SHARED_DEVID, SHARED_EVENT, intid, vcpu);
}

/* As it was, to another INTID, to another vCPU, both, and as it was. */
static const struct {
	uint32_t intid;
	unsigned int vcpu;
} places[] = {
	{ SHARED_INTID, 0 }, { OTHER_INTID, 0 }, { OTHER_INTID, 1 }, { SHARED_INTID, 0 },
};

FAILS_ON_STOCK("unmapped.by_discard_one.and_mapped_again", "6.1");
VM_TEST_F(unmapped, and_mapped_again, "H5")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("assigned");
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		take_away(sh->vm, variant->how);
		ASSERT_SOURCES("%u: unmapped", i);
		give_back(sh->vm, variant->how, places[i].intid, places[i].vcpu);
		ASSERT_SOURCES("%u: mapped to INTID %u, vCPU %u", i, places[i].intid,
			       places[i].vcpu);
	}
	take_away(sh->vm, variant->how);
	sharers_deassign_all(sh);
	ASSERT_SOURCES("unmapped, and all left");
}

/* The first edge after the MAPTI does not wait until the broker has looked. */
VM_TEST_F(unmapped, mapped_again_and_fired_at_once, "H5")
{
	struct sharers *sh = &self->sh;
	unsigned int lost = 0, round;

	for (round = 0; round < ROUNDS && lost < ENOUGH_LOST; round++) {
		unsigned int place = round % ARRAY_SIZE(places);
		uint32_t intid = places[place].intid;
		uint64_t before;

		await_effects();
		take_away(sh->vm, variant->how);
		if (round % 2)
			await_effects();
		give_back(sh->vm, variant->how, intid, places[place].vcpu);
		before = guest_count(sh->vm, intid);
		source_fire(sh->src[round % sh->nr]);
		if (!guest_takes(sh->vm, intid, before))
			lost++;
	}
	EXPECT_EQ(0, lost) {
		TH_LOG("%u of %u edges lost", lost, round);
	}
	ASSERT_SOURCES("afterwards");
}

/* Interrupts are masked: the edge is pending while the vLPI gets its holder. */
VM_TEST_F(unmapped, mapped_again_with_an_edge_pending, "H5")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	for (unsigned int i = 0; i < sh->nr; i++) {
		guest_mask(sh->vm, 0, true);
		/* Pending when it is unmapped, and gone with it. */
		source_fire(sh->src[i]);
		await_effects();
		take_away(sh->vm, variant->how);
		await_effects();
		give_back(sh->vm, variant->how, SHARED_INTID, 0);
		before = guest_count(sh->vm, SHARED_INTID);
		source_fire(sh->src[i]);
		EXPECT_PLACED("mapped again, with an edge of source %u pending", i);
		EXPECT_EQ(before, guest_count(sh->vm, SHARED_INTID));
		guest_mask(sh->vm, 0, false);
		EXPECT_TRUE(guest_takes(sh->vm, SHARED_INTID, before)) {
			TH_LOG("an edge of source %u was pending: lost", i);
		}
		ASSERT_SOURCES("source %u", i);
	}
}

VM_TEST_F(unmapped, under_fire, "H5")
{
	struct sharers *sh = &self->sh;
	uint64_t before, rounds;
	struct firing f;

	firing_start(&f, sh->src, sh->nr);
	for (unsigned int round = 0; round < 8; round++) {
		unsigned int place = round % ARRAY_SIZE(places);
		uint32_t intid = places[place].intid;

		take_away(sh->vm, variant->how);
		await_effects();
		before = guest_lpi_count(sh->vm);
		rounds = __atomic_load_n(&f.rounds, __ATOMIC_ACQUIRE);
		wait_for(__atomic_load_n(&f.rounds, __ATOMIC_ACQUIRE) > rounds + 20, "all fire");
		await_effects();
		EXPECT_EQ(before, guest_lpi_count(sh->vm)) {
			TH_LOG("round %u: taken, with nothing mapped", round);
		}
		give_back(sh->vm, variant->how, intid, places[place].vcpu);
		EXPECT_TRUE(guest_takes(sh->vm, intid, guest_count(sh->vm, intid))) {
			TH_LOG("round %u: nothing arrives any more", round);
		}
	}
	firing_stop(&f);
	ASSERT_SOURCES("afterwards");
}

/* Too fast for a broker that looks later. */
VM_TEST_F(unmapped, again_and_again, "H5")
{
	struct sharers *sh = &self->sh;
	struct firing f;

	firing_start(&f, sh->src, sh->nr);
	for (unsigned int round = 0; round < 2 * ROUNDS; round++) {
		unsigned int place = round % ARRAY_SIZE(places);

		take_away(sh->vm, variant->how);
		give_back(sh->vm, variant->how, places[place].intid, places[place].vcpu);
	}
	firing_stop(&f);
	ASSERT_SOURCES("afterwards");
}

/* ---- neighbours -------------------------------------------------- */

/* Two vLPIs of one device, two sources each: what happens to one of them, and to both. */

FIXTURE(neighbours) {
	struct sharers sh;
};

FIXTURE_SETUP(neighbours)
{
	struct sharers *sh = &self->sh;

	sharers_prepare(sh, "neighbours", 0, 4);
	guest_map(sh->vm, SHARED_DEVID, OTHER_EVENT, OTHER_INTID, 0);
	for (unsigned int i = 2; i < sh->nr; i++)
		vm_route_msi(sh->vm, SHARED_GSI + i, SHARED_DEVID, OTHER_EVENT);
	sharers_assign_all(sh);
}

FIXTURE_TEARDOWN(neighbours)
{
	sharers_free(&self->sh);
}

VM_TEST_F(neighbours, are_not_disturbed, "H5")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("assigned");
	guest_discard(sh->vm, SHARED_DEVID, OTHER_EVENT);
	ASSERT_SOURCES("one discarded");
	guest_map(sh->vm, SHARED_DEVID, OTHER_EVENT, OTHER_INTID, 0);
	ASSERT_SOURCES("and mapped again");
	guest_mapd(sh->vm, SHARED_DEVID, false);
	ASSERT_SOURCES("the device unmapped");
	guest_map(sh->vm, SHARED_DEVID, OTHER_EVENT, OTHER_INTID, 0);
	ASSERT_SOURCES("one mapped again");
	sharers_map(sh);
	ASSERT_SOURCES("both mapped again");
}

/* In the time of a few ITS commands, so that the broker may not see the event lead nowhere. */
VM_TEST_F(neighbours, change_places, "H5")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("assigned");
	for (unsigned int n = 0; n < 6; n++) {
		guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
		guest_discard(sh->vm, SHARED_DEVID, OTHER_EVENT);
		guest_map(sh->vm, SHARED_DEVID, SHARED_EVENT, n % 2 ? SHARED_INTID : OTHER_INTID,
			  0);
		guest_map(sh->vm, SHARED_DEVID, OTHER_EVENT, n % 2 ? OTHER_INTID : SHARED_INTID,
			  0);
		ASSERT_SOURCES("%u", n);
	}
}

TEST_MAIN
