// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module comes and goes around VMs that run: unloaded and loaded under load (H17), loaded when
 * irqfds are attached already (H25); and a guest that takes the event away under fire (H27).
 */
#define _GNU_SOURCE
#include "harness.h"

/* ---- H17 --------------------------------------------------------- */

FIXTURE(unload) {
	struct sharers sh;
	bool was_loaded;
};

#define SKIP_WITHOUT_MODULE()						\
	do {								\
		if (!broker_built())					\
			SKIP(return, "about the module itself, which this machine has not"); \
	} while (0)

FIXTURE_SETUP(unload)
{
	SKIP_WITHOUT_MODULE();
	self->was_loaded = broker_loaded();
	broker_want(true);
	sharers_new(&self->sh, "unload", 0, 6);
}

FIXTURE_TEARDOWN(unload)
{
	sharers_free(&self->sh);
	broker_want(self->was_loaded);
}

/* Nothing is attached; what the module frees after RCU may take a moment. */
static void unload_when_free(void)
{
	wait_for(!broker_unload(), "the module can be unloaded with no irqfd attached");
}

VM_TEST_F(unload, is_refused_while_attached, "H17")
{
	struct sharers *sh = &self->sh;
	struct firing f;
	int ret;

	firing_start(&f, sh->src, sh->nr);
	for (unsigned int i = 0; i < 10; i++) {
		ret = broker_unload();
		EXPECT_TRUE(ret == -EWOULDBLOCK || ret == -EBUSY) {
			TH_LOG("unloading in use ended with %d (%s)", ret, strerror(-ret));
		}
	}
	firing_stop(&f);
	ASSERT_TRUE(broker_loaded());
	EXPECT_SOURCES("unloading was refused");
}

VM_TEST_F(unload, and_load_again_under_fire, "H17")
{
	struct sharers *sh = &self->sh;
	struct firing f;

	for (unsigned int n = 1; n <= 3; n++) {
		firing_start(&f, sh->src, sh->nr);
		sharers_detach_all(sh);
		vm_sentinel(sh->vm, false);
		unload_when_free();
		EXPECT_FALSE(broker_loaded());
		ASSERT_EQ(0, broker_load());
		vm_sentinel(sh->vm, true);
		sharers_attach_all(sh);
		firing_stop(&f);
		EXPECT_SOURCES("loaded again, %u", n);
	}
}

/* ---- H25 -------------------------------------------------------------------------------------- */

FIXTURE(late) {
	struct sharers sh;
	bool was_loaded;
	int klog;
};

FIXTURE_SETUP(late)
{
	SKIP_WITHOUT_MODULE();
	self->was_loaded = broker_loaded();
	broker_want(false);
	self->klog = klog_open();
	sharers_prepare(&self->sh, "late", 0, 6);
}

FIXTURE_TEARDOWN(late)
{
	sharers_free(&self->sh);
	broker_want(self->was_loaded);
}

/*
 * What the stock kernel has mapped is what the module finds: one, or all six up to 6.1. It takes
 * the irqfds over as if they had just come: one is mapped, and all of them take part from then on.
 */
VM_TEST_F(late, is_taken_over_and_cured, "H25")
{
	struct sharers *sh = &self->sh;
	struct vlpi_broker_info info;

	sharers_attach_all(sh);
	for (unsigned int i = 0; i < sh->nr; i++)
		EXPECT_VERDICT(sh->src[i], DELIVERED);
	ASSERT_EQ(0, broker_load());
	EXPECT_SOURCES("taken over");
	broker_info(&info);
	EXPECT_EQ(0, info.nr_reassign);
	EXPECT_EQ(0, info.nr_dead_strays);
	EXPECT_EQ(0, broker_bad_slots(true));
	for (unsigned int i = 0; i < sh->nr; i++) {
		detach(sh->src[i]);
		EXPECT_SOURCES("taken over, and %u left", i + 1);
	}
	sharers_attach_all(sh);
	EXPECT_SOURCES("attached anew");
	sharers_detach_all(sh);
	EXPECT_SOURCES("detached again");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

/* Attached before and after, on one vLPI. */
VM_TEST_F(late, shares_with_early, "H25")
{
	struct sharers *sh = &self->sh;

	for (unsigned int i = 0; i < 3; i++)
		sharers_attach(sh, i);
	ASSERT_EQ(0, broker_load());
	for (unsigned int i = 3; i < 6; i++)
		sharers_attach(sh, i);
	EXPECT_SOURCES("three were there, three have come");
	for (unsigned int i = 0; i < 3; i++)
		detach(sh->src[i]);
	EXPECT_SOURCES("only those are left that came later");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

/* An edge that is pending in the guest while the module takes its source over. */
VM_TEST_F(late, loses_no_edge, "H25")
{
	struct sharers *sh = &self->sh;

	uint64_t before;

	sharers_attach_all(sh);
	guest_enable(sh->vm, SHARED_INTID, false);
	before = guest_count(sh->vm, SHARED_INTID);
	source_fire(sh->src[0]);
	settle();
	ASSERT_EQ(0, broker_load());
	EXPECT_EQ(before, guest_count(sh->vm, SHARED_INTID));
	guest_enable(sh->vm, SHARED_INTID, true);
	wait_for(guest_count(sh->vm, SHARED_INTID) > before, "the edge that was pending at the load");
}

/* ---- H27 --------------------------------------------------------- */

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
 * runs when nothing fires, is an interrupt that somebody raises in answer to itself.
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
		settle();
		handler_counts(sh, end);
		settle();
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
	sharers_detach_all(sh);
	EXPECT_SOURCES("all left");
}

/*
 * Two events lead to the LPI, so it outlives a DISCARD of one, and so does what KVM thinks of it: up
 * to 6.12 that it is forwarded, from a host IRQ that is a physical interrupt again.
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
		settle();
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
		detach(sh->src[i]);
		source_drain(sh->src[i]);
		EXPECT_VERDICT(sh->src[i], HOST);
	}
}

TEST_MAIN
