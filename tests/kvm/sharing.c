// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several sources on one vLPI: one is injected directly and all are delivered (H1), in whatever
 * order they leave (H2); when the holder leaves, another one takes its place (H3).
 */
#define _GNU_SOURCE
#include "harness.h"

/* ---- H1 ---------------------------------------------------------- */

FIXTURE(six) {
	struct sharers sh;
};

FIXTURE_VARIANT(six) {
	bool one_gsi;
};

/* What a VMM does with six MSI-X vectors of one message. */
FIXTURE_VARIANT_ADD(six, a_gsi_each) {
	.one_gsi = false,
};

FIXTURE_VARIANT_ADD(six, one_gsi) {
	.one_gsi = true,
};

FIXTURE_SETUP(six)
{
	sharers_prepare(&self->sh, "six", 0, 6);
	self->sh.one_gsi = variant->one_gsi;
	sharers_assign_all(&self->sh);
}

FIXTURE_TEARDOWN(six)
{
	sharers_free(&self->sh);
}

FAILS_ON_STOCK("six.one_gsi.one_is_direct_and_all_are_delivered", "6.1");
VM_TEST_F(six, one_is_direct_and_all_are_delivered, "H1")
{
	EXPECT_SOURCES("six assigned");
}

/* ---- H2: every order of three, some of six ----------------------- */

static void leave_one_by_one(struct __test_metadata *_metadata, struct sharers *sh,
			     const unsigned int *order)
{
	EXPECT_SOURCES("all assigned");
	for (unsigned int i = 0; i < sh->nr; i++) {
		source_deassign(sh->src[order[i]]);
		EXPECT_SOURCES("%u left, the last of them is number %u", i + 1, order[i] + 1);
	}
}

FIXTURE(three) {
	struct sharers sh;
};

FIXTURE_VARIANT(three) {
	unsigned int order[3];
};

#define ORDER(a, b, c)						\
	FIXTURE_VARIANT_ADD(three, leave_##a##b##c) {		\
		.order = { (a) - 1, (b) - 1, (c) - 1 },		\
	}

ORDER(1, 2, 3);
ORDER(1, 3, 2);
ORDER(2, 1, 3);
ORDER(2, 3, 1);
ORDER(3, 1, 2);
ORDER(3, 2, 1);

FIXTURE_SETUP(three)
{
	sharers_new(&self->sh, "three", 0, 3);
}

FIXTURE_TEARDOWN(three)
{
	sharers_free(&self->sh);
}

FAILS_ON_STOCK("three.leave_213.leave", "6.1 6.12 7.3");
VM_TEST_F(three, leave, "H2 H3")
{
	leave_one_by_one(_metadata, &self->sh, variant->order);
}

FIXTURE(random) {
	struct sharers sh;
};

FIXTURE_VARIANT(random) {
	unsigned int seed;
};

FIXTURE_VARIANT_ADD(random, seed_1) {
	.seed = 1,
};

FIXTURE_VARIANT_ADD(random, seed_2) {
	.seed = 2,
};

FIXTURE_VARIANT_ADD(random, seed_3) {
	.seed = 3,
};

FIXTURE_SETUP(random)
{
	sharers_new(&self->sh, "random", 0, 6);
}

FIXTURE_TEARDOWN(random)
{
	sharers_free(&self->sh);
}

VM_TEST_F(random, leave, "H2 H3")
{
	unsigned int order[] = { 0, 1, 2, 3, 4, 5 };
	struct rng rng;

	rng_seed(&rng, variant->seed);
	rng_shuffle(&rng, order, 6);
	note("seed %u: they leave as %u %u %u %u %u %u", variant->seed, order[0] + 1, order[1] + 1,
	     order[2] + 1, order[3] + 1, order[4] + 1, order[5] + 1);
	leave_one_by_one(_metadata, &self->sh, order);
}

/* ---- H3 ---------------------------------------------------------- */

FIXTURE(promotion) {
	struct sharers sh;
};

FIXTURE_SETUP(promotion)
{
	sharers_new(&self->sh, "promotion", 0, 6);
}

FIXTURE_TEARDOWN(promotion)
{
	sharers_free(&self->sh);
}

/*
 * The new holder is there without an interrupt: the broker says so before one is fired, and each
 * source is then fired once only. The one that a first interrupt would have promoted, too late for
 * that interrupt, is SOFTWARE.
 */
FAILS_ON_STOCK("promotion.needs_no_interrupt", "6.1 6.12 7.3");
VM_TEST_F(promotion, needs_no_interrupt, "H3")
{
	struct sharers *sh = &self->sh;
	int holder;

	EXPECT_SOURCES("six assigned");
	for (unsigned int left = 1; left < sh->nr; left++) {
		holder = sharers_holder(sh);
		ASSERT_LE(0, holder) {
			TH_LOG("no source holds the vLPI after %u left", left - 1);
		}
		source_deassign(sh->src[holder]);
		sh->src[holder]->last = HOST;
		if (broker_loaded())
			EXPECT_EQ(0, broker_bad_slots(true));
		EXPECT_SOURCES("%u holders left", left);
	}
}

/* The guest reboots: everything is deassigned, firmware runs, the driver comes back. */
VM_TEST_F(promotion, all_leave_and_come_back, "H3")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	EXPECT_SOURCES("six assigned");
	sharers_deassign_all(sh);
	vm_reset(sh->vm);
	guest_init_gic(sh->vm);
	before = guest_lpi_count(sh->vm);
	EXPECT_SOURCES("firmware runs");
	EXPECT_EQ(before, guest_lpi_count(sh->vm));
	for (unsigned int i = 0; i < sh->nr; i++)
		source_drain(sh->src[i]);
	guest_boot(sh->vm);
	sharers_map(sh);
	sharers_assign_all(sh);
	EXPECT_SOURCES("the guest is back");
}

TEST_MAIN
