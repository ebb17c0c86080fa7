// SPDX-License-Identifier: GPL-2.0-only
/*
 * The route of a live irqfd changes (H4): to another MSI, free or held already, to an event
 * that the guest has not mapped, to nothing, to a pin, and back; it loses its DeviceID (H40). The source follows its route, the
 * vLPI it left has its next holder, and no edge raised before or after the change is lost.
 */
#define _GNU_SOURCE
#include "harness.h"

/* Three sources share one vLPI, and a fourth has one to itself. */
#define NR			3
#define OTHER			3

#define FREE_EVENT		2
#define FREE_INTID		8201
#define HELD_EVENT		3
#define HELD_INTID		8202
#define UNMAPPED_EVENT		9
#define PIN			16
#define PIN_SPI			(32 + PIN)

#define GICD_ISENABLER1		0x0104

enum dest {
	SHARED,
	FREE,
	HELD,
	WIRE,
	NOT_MAPPED,
	NOTHING,
	NR_DESTS,
};

static const char * const dest_names[] = {
	[SHARED] = "the shared vLPI",
	[FREE] = "a free vLPI",
	[HELD] = "a vLPI that is held",
	[WIRE] = "a pin",
	[NOT_MAPPED] = "an event that is not mapped",
	[NOTHING] = "nothing",
};

/* Where an interrupt arrives that is routed there; 0 for nowhere. */
static const uint32_t dest_intids[] = {
	[SHARED] = SHARED_INTID,
	[FREE] = FREE_INTID,
	[HELD] = HELD_INTID,
	[WIRE] = PIN_SPI,
	[NR_DESTS - 1] = 0,
};

enum who {
	THE_HOLDER,
	A_WAITER,
	ALL,
};

static void lead(struct sharers *sh, unsigned int i, enum dest to)
{
	uint32_t gsi = SHARED_GSI + (sh->one_gsi ? 0 : i);

	switch (to) {
	case SHARED:
		vm_route_msi(sh->vm, gsi, SHARED_DEVID, SHARED_EVENT);
		break;
	case FREE:
		vm_route_msi(sh->vm, gsi, SHARED_DEVID, FREE_EVENT);
		break;
	case HELD:
		vm_route_msi(sh->vm, gsi, SHARED_DEVID, HELD_EVENT);
		break;
	case NOT_MAPPED:
		vm_route_msi(sh->vm, gsi, SHARED_DEVID, UNMAPPED_EVENT);
		break;
	case WIRE:
		vm_route_pin(sh->vm, gsi, PIN);
		break;
	default:
		vm_route_none(sh->vm, gsi);
		break;
	}
}

/* Those of the first three that are in @mask, in one call of KVM_SET_GSI_ROUTING. */
static void lead_mask(struct sharers *sh, unsigned int mask, enum dest to)
{
	vm_route_batch(sh->vm, true);
	for (unsigned int i = 0; i < NR; i++)
		if (mask & 1 << i)
			lead(sh, i, to);
	vm_route_batch(sh->vm, false);
}

static void vectors_mask(struct sharers *sh, unsigned int mask, bool on)
{
	for (unsigned int i = 0; i < NR; i++)
		if (mask & 1 << i)
			source_vectors(sh->src[i], on);
}

/* As the broker says, or else as sources_wrong() saw it last. */
static bool holds(struct source *s)
{
	return broker_loaded() ? broker_holds(s) : s->last == DIRECT;
}

/* Which of the three; 0 if none of them holds their vLPI. */
static unsigned int pick(struct sharers *sh, enum who who)
{
	unsigned int assigned = 0, holder = 0, waiter = 0;

	for (unsigned int i = 0; i < NR; i++) {
		if (!sh->src[i]->vm)
			continue;
		assigned |= 1 << i;
		if (holds(sh->src[i]))
			holder = 1 << i;
		else if (!waiter)
			waiter = 1 << i;
	}
	if (!holder)
		return 0;
	return who == ALL ? assigned : who == THE_HOLDER ? holder : waiter;
}

/* The lowest of a mask. */
static struct source *first_of(struct sharers *sh, unsigned int mask)
{
	return sh->src[__builtin_ctz(mask)];
}

static uint64_t taken(struct sharers *sh)
{
	return guest_lpi_count(sh->vm) + guest_count(sh->vm, PIN_SPI);
}

/* Any interrupt that a source of this file can raise. */
static bool takes_any(struct sharers *sh, uint64_t before)
{
	struct wait w;

	wait_begin(&w);
	while (taken(sh) == before) {
		vm_check(sh->vm);
		if (!wait_more(&w))
			return false;
	}
	return true;
}

static void setup(struct sharers *sh, const char *name)
{
	sharers_prepare(sh, name, 0, NR + 1);
	guest_map(sh->vm, SHARED_DEVID, FREE_EVENT, FREE_INTID, 0);
	guest_map(sh->vm, SHARED_DEVID, HELD_EVENT, HELD_INTID, 0);
	vm_route_msi(sh->vm, SHARED_GSI + OTHER, SHARED_DEVID, HELD_EVENT);
	guest_do(sh->vm, 0, GUEST_WRITE, GUEST_GICD + GICD_ISENABLER1, 4, 1 << PIN, 0, 0);
}

/* ---- there and back ---------------------------------------------- */

FIXTURE(route) {
	struct sharers sh;
};

FIXTURE_VARIANT(route) {
	enum who who;
	bool alone;
	bool one_gsi;
};

FIXTURE_VARIANT_ADD(route, of_the_holder) {
	.who = THE_HOLDER,
};

FIXTURE_VARIANT_ADD(route, of_a_waiter) {
	.who = A_WAITER,
};

FIXTURE_VARIANT_ADD(route, of_all_at_once) {
	.who = ALL,
};

FIXTURE_VARIANT_ADD(route, of_the_only_one) {
	.who = ALL, .alone = true,
};

/* As all at once, but KVM has one route for the three. */
FIXTURE_VARIANT_ADD(route, of_the_one_gsi) {
	.who = ALL, .one_gsi = true,
};

FIXTURE_SETUP(route)
{
	struct sharers *sh = &self->sh;

	setup(sh, "route");
	for (unsigned int i = 0; i < (variant->alone ? 1 : NR); i++)
		source_assign(sh->src[i], sh->vm, SHARED_GSI + (variant->one_gsi ? 0 : i));
	sharers_assign(sh, OTHER);
	sh->one_gsi = variant->one_gsi;
}

FIXTURE_TEARDOWN(route)
{
	sharers_free(&self->sh);
}

#define PICK(sh, who)						\
	({							\
		unsigned int __mask = pick(sh, who);		\
								\
		ASSERT_NE(0, __mask) {				\
			TH_LOG("no source is injected directly");	\
		}						\
		__mask;						\
	})

FAILS_ON_STOCK("route.of_the_holder.there_and_back", "7.3");
VM_TEST_F(route, there_and_back, "H4")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("assigned");
	for (enum dest to = FREE; to < NR_DESTS; to++) {
		unsigned int mask = PICK(sh, variant->who);

		lead_mask(sh, mask, to);
		ASSERT_SOURCES("to %s", dest_names[to]);
		lead_mask(sh, mask, SHARED);
		ASSERT_SOURCES("back from %s", dest_names[to]);
	}
	sharers_deassign_all(sh);
	ASSERT_SOURCES("all left");
}

/*
 * The same route without its DeviceID leads to no ITS: none of the sources that have it is injected
 * directly. KVM may still inject for it, from a cached translation, which looks at no flag.
 */
VM_TEST_F(route, without_device_id_and_back, "H4 H40")
{
	struct sharers *sh = &self->sh;
	unsigned int mask;

	ASSERT_SOURCES("assigned");
	mask = PICK(sh, variant->who);
	vm_route_batch(sh->vm, true);
	for (unsigned int i = 0; i < NR; i++)
		if (mask & 1 << i)
			vm_route_msi_without_devid(sh->vm, SHARED_GSI + (sh->one_gsi ? 0 : i),
						   SHARED_DEVID, SHARED_EVENT);
	vm_route_batch(sh->vm, false);
	for (unsigned int i = 0; i < NR; i++)
		if (mask & 1 << i)
			EXPECT_VERDICT(sh->src[i], HOST | SOFTWARE);
	lead_mask(sh, mask, SHARED);
	ASSERT_SOURCES("with it again");
}

/* Not by way of the shared vLPI. */
VM_TEST_F(route, from_place_to_place, "H4")
{
	static const enum dest tour[] = {
		FREE, HELD, WIRE, FREE, NOTHING, WIRE,
		HELD, NOT_MAPPED, NOTHING, HELD, FREE, SHARED,
	};
	struct sharers *sh = &self->sh;
	unsigned int mask;

	ASSERT_SOURCES("assigned");
	mask = PICK(sh, variant->who);
	for (unsigned int i = 0; i < ARRAY_SIZE(tour); i++) {
		lead_mask(sh, mask, tour[i]);
		ASSERT_SOURCES("%u: to %s", i, dest_names[tour[i]]);
	}
}

/*
 * The vector is taken away and given back around the change, as a VMM does when a guest masks it to
 * write the message; and around the change back.
 */
VM_TEST_F(route, with_vectors_off_and_on, "H4")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("assigned");
	for (enum dest to = FREE; to < NR_DESTS; to++) {
		unsigned int mask = PICK(sh, variant->who);

		vectors_mask(sh, mask, false);
		lead_mask(sh, mask, to);
		ASSERT_SOURCES("vectors off, to %s", dest_names[to]);
		vectors_mask(sh, mask, true);
		ASSERT_SOURCES("to %s, vectors on", dest_names[to]);
		vectors_mask(sh, mask, false);
		lead_mask(sh, mask, SHARED);
		vectors_mask(sh, mask, true);
		ASSERT_SOURCES("back from %s, vectors on", dest_names[to]);
	}
}

/* The other way round: the route changes first, and the broker may not have seen it yet. */
VM_TEST_F(route, then_vectors_off_and_on, "H4")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("assigned");
	for (enum dest to = FREE; to < NR_DESTS; to++) {
		unsigned int mask = PICK(sh, variant->who);

		lead_mask(sh, mask, to);
		vectors_mask(sh, mask, false);
		ASSERT_SOURCES("to %s, vectors off", dest_names[to]);
		lead_mask(sh, mask, SHARED);
		lead_mask(sh, mask, to);
		vectors_mask(sh, mask, true);
		ASSERT_SOURCES("to %s, vectors on", dest_names[to]);
		lead_mask(sh, mask, SHARED);
		vectors_mask(sh, mask, false);
		vectors_mask(sh, mask, true);
		ASSERT_SOURCES("back from %s", dest_names[to]);
	}
}

static void deassign_mask(struct sharers *sh, unsigned int mask)
{
	for (unsigned int i = 0; i < NR; i++)
		if (mask & 1 << i)
			source_deassign(sh->src[i]);
}

static void assign_mask(struct sharers *sh, unsigned int mask)
{
	for (unsigned int i = 0; i < NR; i++) {
		if (!(mask & 1 << i))
			continue;
		source_drain(sh->src[i]);
		sharers_assign(sh, i);
	}
}

/* With the broker's work for the change under way, and assigned again where the route now leads. */
VM_TEST_F(route, then_detached_at_once, "H4")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("assigned");
	for (enum dest to = FREE; to < NR_DESTS; to++) {
		unsigned int mask = PICK(sh, variant->who);

		lead_mask(sh, mask, to);
		deassign_mask(sh, mask);
		ASSERT_SOURCES("to %s and deassigned", dest_names[to]);
		assign_mask(sh, mask);
		ASSERT_SOURCES("assigned with a route to %s", dest_names[to]);
		lead_mask(sh, mask, SHARED);
		ASSERT_SOURCES("back from %s", dest_names[to]);
	}
}

/* ---- no edge is lost --------------------------------------------- */

/* Pending in the guest while the route changes, it is taken as the old interrupt or the new. */
VM_TEST_F(route, with_an_edge_pending, "H4")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	ASSERT_SOURCES("assigned");
	for (enum dest to = FREE; to < NR_DESTS; to++) {
		unsigned int mask = PICK(sh, variant->who);

		guest_mask(sh->vm, 0, true);
		before = taken(sh);
		source_fire(first_of(sh, mask));
		await_effects();
		lead_mask(sh, mask, to);
		EXPECT_PLACED("to %s, with an edge pending", dest_names[to]);
		EXPECT_EQ(before, taken(sh));
		guest_mask(sh->vm, 0, false);
		EXPECT_TRUE(takes_any(sh, before)) {
			TH_LOG("pending when the route changed to %s: lost", dest_names[to]);
		}
		lead_mask(sh, mask, SHARED);
		ASSERT_SOURCES("back from %s", dest_names[to]);
	}
}

#define ROUNDS			20
/* The bound is for one edge; a kernel that loses many would take a test's whole time. */
#define ENOUGH_LOST		3

/*
 * Raised at the last moment before the change: it is the old interrupt or the new. Where the new
 * one is none, it may be that.
 */
VM_TEST_F(route, at_once_after_an_edge, "H4")
{
	static const enum dest dests[] = { FREE, HELD, WIRE };
	struct sharers *sh = &self->sh;
	unsigned int lost = 0, round;

	ASSERT_SOURCES("assigned");
	for (round = 0; round < ROUNDS && lost < ENOUGH_LOST; round++) {
		enum dest to = dests[round % ARRAY_SIZE(dests)];
		unsigned int mask = PICK(sh, variant->who);
		uint64_t before;

		await_effects();
		before = taken(sh);
		source_fire(first_of(sh, mask));
		lead_mask(sh, mask, to);
		if (!takes_any(sh, before)) {
			note("round %u: raised before the change to %s: lost", round,
			     dest_names[to]);
			lost++;
		}
		lead_mask(sh, mask, SHARED);
		ASSERT_TRUE(sources_placed("back"));
	}
	EXPECT_EQ(0, lost) {
		TH_LOG("%u of %u edges lost", lost, round);
	}
	ASSERT_SOURCES("afterwards");
}

/* Raised when KVM_SET_GSI_ROUTING has just returned: it arrives where the new route leads. */
VM_TEST_F(route, at_once_before_an_edge, "H4")
{
	static const enum dest dests[] = { FREE, SHARED, HELD, SHARED, WIRE, SHARED };
	struct sharers *sh = &self->sh;
	unsigned int lost = 0, round, mask = 0;

	ASSERT_SOURCES("assigned");
	for (round = 0; round < 2 * ROUNDS && lost < ENOUGH_LOST; round++) {
		enum dest to = dests[round % ARRAY_SIZE(dests)];
		uint64_t before;

		if (to != SHARED)
			mask = PICK(sh, variant->who);
		await_effects();
		before = guest_count(sh->vm, dest_intids[to]);
		lead_mask(sh, mask, to);
		source_fire(first_of(sh, mask));
		if (!guest_takes(sh->vm, dest_intids[to], before)) {
			note("round %u: raised after the change to %s: lost", round,
			     dest_names[to]);
			lost++;
		}
		ASSERT_TRUE(sources_placed("there"));
	}
	EXPECT_EQ(0, lost) {
		TH_LOG("%u of %u edges lost", lost, round);
	}
	ASSERT_SOURCES("afterwards");
}

/* ---- under fire -------------------------------------------------- */

FIXTURE(routes) {
	struct sharers sh;
};

FIXTURE_SETUP(routes)
{
	setup(&self->sh, "routes");
	sharers_assign_all(&self->sh);
}

FIXTURE_TEARDOWN(routes)
{
	sharers_free(&self->sh);
}

/* An edge of one that stays is pending, when the one that holds the vLPI is routed away. */
VM_TEST_F(routes, holder_leaves_with_an_edge_of_another_pending, "H4")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	ASSERT_SOURCES("assigned");
	for (enum dest to = FREE; to < NR_DESTS; to++) {
		unsigned int mask = PICK(sh, THE_HOLDER);

		guest_mask(sh->vm, 0, true);
		before = taken(sh);
		source_fire(first_of(sh, 7 & ~mask));
		await_effects();
		lead_mask(sh, mask, to);
		EXPECT_PLACED("to %s, with a waiter's edge pending", dest_names[to]);
		EXPECT_EQ(before, taken(sh));
		guest_mask(sh->vm, 0, false);
		EXPECT_TRUE(takes_any(sh, before)) {
			TH_LOG("a waiter's edge was pending when the holder went to %s: lost",
			       dest_names[to]);
		}
		lead_mask(sh, mask, SHARED);
		ASSERT_SOURCES("back from %s", dest_names[to]);
	}
}

/* The holders of two vLPIs change places, in one call. */
VM_TEST_F(routes, are_swapped, "H4")
{
	struct sharers *sh = &self->sh;
	struct source *shared, *other = sh->src[OTHER];
	uint64_t before;

	ASSERT_SOURCES("assigned");
	shared = first_of(sh, PICK(sh, THE_HOLDER));
	for (unsigned int n = 0; n < 6; n++) {
		bool swapped = n % 2 == 0;

		vm_route_batch(sh->vm, true);
		vm_route_msi(sh->vm, shared->gsi, SHARED_DEVID,
			     swapped ? HELD_EVENT : SHARED_EVENT);
		vm_route_msi(sh->vm, other->gsi, SHARED_DEVID,
			     swapped ? SHARED_EVENT : HELD_EVENT);
		vm_route_batch(sh->vm, false);
		ASSERT_SOURCES("swap %u", n);
	}
	/* All at once, with an edge pending in each of the two vLPIs. */
	guest_mask(sh->vm, 0, true);
	before = guest_lpi_count(sh->vm);
	for (unsigned int i = 0; i < sh->nr; i++)
		source_fire(sh->src[i]);
	await_effects();
	vm_route_batch(sh->vm, true);
	for (unsigned int i = 0; i < sh->nr; i++)
		lead(sh, i, i == OTHER ? SHARED : HELD);
	vm_route_batch(sh->vm, false);
	EXPECT_PLACED("all swapped");
	guest_mask(sh->vm, 0, false);
	wait_for(guest_lpi_count(sh->vm) >= before + 2, "both vLPIs that were pending");
	ASSERT_SOURCES("all swapped");
}

static void change_some_routes(struct sharers *sh, struct rng *rng)
{
	vm_route_batch(sh->vm, true);
	for (unsigned int n = 1 + rng_below(rng, 3); n; n--)
		lead(sh, rng_below(rng, sh->nr), rng_below(rng, NR_DESTS));
	vm_route_batch(sh->vm, false);
}

VM_TEST_F(routes, change_under_fire, "H4")
{
	struct sharers *sh = &self->sh;
	struct firing f;
	struct rng rng;

	rng_seed(&rng, 4);
	for (unsigned int n = 1; n <= 3; n++) {
		firing_start(&f, sh->src, sh->nr);
		for (unsigned int i = 0; i < 40; i++)
			change_some_routes(sh, &rng);
		firing_stop(&f);
		ASSERT_SOURCES("%u: after the changes", n);
	}
	firing_start(&f, sh->src, sh->nr);
	for (unsigned int i = 0; i < 20; i++)
		change_some_routes(sh, &rng);
	sharers_deassign_all(sh);
	firing_stop(&f);
	ASSERT_SOURCES("all left");
}

/* Vectors of one source while the routes of all change. */
VM_TEST_F(routes, change_while_vectors_come_and_go, "H4")
{
	struct sharers *sh = &self->sh;
	struct rng rng;

	rng_seed(&rng, 5);
	for (unsigned int n = 1; n <= 4; n++) {
		for (unsigned int i = 0; i < 20; i++) {
			struct source *s = sh->src[rng_below(&rng, sh->nr)];

			change_some_routes(sh, &rng);
			source_vectors(s, !s->vectors);
		}
		for (unsigned int i = 0; i < sh->nr; i++)
			source_vectors(sh->src[i], true);
		ASSERT_SOURCES("%u: after the changes", n);
	}
}

TEST_MAIN
