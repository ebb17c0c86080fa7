// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest discards the event, or has its ITS off, while all sources fire or before they leave
 * (H5, H23, H27). What is unmapped behind the broker's back comes back, and makes no loop of
 * physical interrupts.
 */
#define _GNU_SOURCE
#include "harness.h"

FIXTURE(discard) {
	struct sharers sh;
};

FIXTURE_SETUP(discard)
{
	sharers_new(&self->sh, "discard", 0, 6);
}

FIXTURE_TEARDOWN(discard)
{
	sharers_free(&self->sh);
}

static void handler_counts(struct sharers *sh, long long *counts)
{
	for (unsigned int i = 0; i < sh->nr; i++)
		counts[i] = host_irq_count(sh->src[i]->irq_name);
}

/* How often each source had fired, and its handler had run, at a moment. */
struct tally {
	long long handled[MAX_SHARERS];
	uint64_t fires[MAX_SHARERS];
};

static void tally_begin(struct tally *t, struct sharers *sh)
{
	handler_counts(sh, t->handled);
	for (unsigned int i = 0; i < sh->nr; i++)
		t->fires[i] = sh->src[i]->fires;
}

/* Since tally_begin(), until its handlers had run @handled times. */
static void expect_no_more_handled(struct __test_metadata *_metadata, const struct tally *t,
				   struct sharers *sh, const long long *handled)
{
	for (unsigned int i = 0; i < sh->nr; i++) {
		EXPECT_LE(handled[i] - t->handled[i],
			  (long long)(sh->src[i]->fires - t->fires[i])) {
			TH_LOG("%s: its handler ran more often than it fired", sh->src[i]->bdf);
		}
	}
}

/*
 * A physical interrupt is one that a source has raised. A handler that runs more often, or still
 * runs when nothing fires, is an interrupt that the kernel raises in answer to itself.
 */
VM_TEST_F(discard, under_fire_makes_no_loop, "H5 H27")
{
	struct sharers *sh = &self->sh;
	long long end[MAX_SHARERS], later[MAX_SHARERS];
	struct tally begin;
	struct firing f;

	for (unsigned int n = 0; n < 5; n++) {
		tally_begin(&begin, sh);
		firing_start(&f, sh->src, sh->nr);
		guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
		wait_for(__atomic_load_n(&f.rounds, __ATOMIC_ACQUIRE) > 50, "all fire 50 times");
		firing_stop(&f);
		await_effects();
		handler_counts(sh, end);
		await_effects();
		handler_counts(sh, later);
		for (unsigned int i = 0; i < sh->nr; i++) {
			EXPECT_EQ(end[i], later[i]) {
				TH_LOG("%s: its handler runs, and nothing fires", sh->src[i]->bdf);
			}
		}
		expect_no_more_handled(_metadata, &begin, sh, end);
		sharers_map(sh);
	}
}

FAILS_ON_STOCK_LAST("discard.is_obeyed_and_undone", "6.1");
VM_TEST_F(discard, is_obeyed_and_undone, "H5 H27")
{
	struct sharers *sh = &self->sh;

	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	for (unsigned int i = 0; i < sh->nr; i++)
		EXPECT_VERDICT(sh->src[i], HOST);
	sharers_map(sh);
	ASSERT_SOURCES("mapped again");
	sharers_deassign_all(sh);
	EXPECT_SOURCES("all left");
}

/*
 * Two events lead to the LPI, so it outlives a DISCARD of one, and so does what KVM thinks of it:
 * up to 6.12 that it is forwarded, from a host IRQ that is a physical interrupt again.
 */
VM_TEST_F(discard, of_an_lpi_that_lives_on_makes_no_loop, "H6 H27")
{
	struct sharers *sh = &self->sh;
	long long end[MAX_SHARERS];
	struct tally begin;
	struct firing f;

	guest_map(sh->vm, SHARED_DEVID, SHARED_EVENT + 1, SHARED_INTID, 0);
	for (unsigned int n = 0; n < 5; n++) {
		tally_begin(&begin, sh);
		firing_start(&f, sh->src, sh->nr);
		guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
		for (unsigned int i = 0; i < 20; i++)
			try_signal_msi(sh->vm, SHARED_DEVID, SHARED_EVENT + 1);
		sharers_map(sh);
		firing_stop(&f);
		await_effects();
		handler_counts(sh, end);
		expect_no_more_handled(_metadata, &begin, sh, end);
	}
}

/* The guest's ITS is off when they leave, and KVM up to 6.12 finds nothing to unmap. */
VM_TEST_F(discard, or_its_off_then_all_leave, "H5 H23")
{
	struct sharers *sh = &self->sh;

	guest_its(sh->vm, false);
	for (unsigned int i = 0; i < sh->nr; i++) {
		source_deassign(sh->src[i]);
		source_drain(sh->src[i]);
		EXPECT_VERDICT(sh->src[i], HOST);
	}
}

TEST_MAIN
