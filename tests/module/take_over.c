// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module is loaded when VMs run and irqfds are assigned already (H25): what stock KVM has
 * mapped is taken over and cured, and no edge is lost; and marks of KVM's that were stale by then
 * are corrected (H34).
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "harness.h"

/* Above those that the guest and the test VMM have uses for; edge-triggered. */
#define WIRED_SPI		48
#define WIRED_GSI		(SHARED_GSI + MAX_SHARERS)

#define GICD_ISENABLER1		0x0104
#define GICD_ICFGR3		0x0c0c

FIXTURE(late) {
	struct sharers sh;
	bool was_loaded;
	int klog;
};

FIXTURE_SETUP(late)
{
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

static void guest_enable_spi(struct vm *vm, unsigned int spi)
{
	guest_do(vm, 0, GUEST_WRITE, GUEST_GICD + GICD_ICFGR3, 4, 0xaaaaaaaa, 0, 0);
	guest_do(vm, 0, GUEST_WRITE, GUEST_GICD + GICD_ISENABLER1, 4, 1U << (spi - 32), 0, 0);
}

/*
 * What the stock kernel has mapped is what the module finds: one, or all six up to 6.1. It takes
 * the irqfds over as if they had just come: one is mapped, and all of them take part from then on.
 */
VM_TEST_F(late, is_taken_over_and_cured, "H25")
{
	struct sharers *sh = &self->sh;
	struct vlpi_broker_info info;

	sharers_assign_all(sh);
	for (unsigned int i = 0; i < sh->nr; i++)
		EXPECT_VERDICT(sh->src[i], DELIVERED);
	ASSERT_EQ(0, broker_load());
	EXPECT_SOURCES("taken over");
	broker_info(&info);
	EXPECT_EQ(0, info.nr_reassign);
	EXPECT_EQ(0, info.nr_dead_strays);
	EXPECT_EQ(0, broker_bad_slots(true));
	for (unsigned int i = 0; i < sh->nr; i++) {
		source_deassign(sh->src[i]);
		EXPECT_SOURCES("taken over, and %u left", i + 1);
	}
	sharers_assign_all(sh);
	EXPECT_SOURCES("assigned anew");
	sharers_deassign_all(sh);
	EXPECT_SOURCES("deassigned again");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

/* Assigned before and after, on one vLPI. */
VM_TEST_F(late, shares_with_early, "H25")
{
	struct sharers *sh = &self->sh;

	for (unsigned int i = 0; i < 3; i++)
		sharers_assign(sh, i);
	ASSERT_EQ(0, broker_load());
	for (unsigned int i = 3; i < 6; i++)
		sharers_assign(sh, i);
	EXPECT_SOURCES("three were there, three have come");
	for (unsigned int i = 0; i < 3; i++)
		source_deassign(sh->src[i]);
	EXPECT_SOURCES("only those are left that came later");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

/*
 * An irqfd that is no MSI was not unmapped, so it has lost no edge: nothing is raised for it. The
 * same goes for one whose eventfd no device signals.
 */
VM_TEST_F(late, raises_nothing_that_was_not_mapped, "H25 H15")
{
	struct vm *vm = self->sh.vm;
	int wire = eventfd_new(), by_hand = eventfd_new();
	uint64_t wired, msis;

	guest_enable_spi(vm, WIRED_SPI);
	vm_route_pin(vm, WIRED_GSI, WIRED_SPI - 32);
	vm_irqfd(vm, wire, WIRED_GSI, 0);
	vm_irqfd(vm, by_hand, SHARED_GSI, 0);
	wired = guest_count(vm, WIRED_SPI);
	msis = guest_count(vm, SHARED_INTID);
	ASSERT_EQ(0, broker_load());
	await_effects();
	EXPECT_EQ(wired, guest_count(vm, WIRED_SPI));
	EXPECT_EQ(msis, guest_count(vm, SHARED_INTID));
	/* They would have been seen. */
	eventfd_kick(wire);
	eventfd_kick(by_hand);
	EXPECT_TRUE(guest_takes(vm, WIRED_SPI, wired));
	EXPECT_TRUE(guest_takes(vm, SHARED_INTID, msis));
	vm_irqfd(vm, wire, WIRED_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	vm_irqfd(vm, by_hand, SHARED_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	close(wire);
	close(by_hand);
}

/* An edge that is pending in the guest while the module takes its source over. */
VM_TEST_F(late, loses_no_edge, "H25")
{
	struct sharers *sh = &self->sh;

	uint64_t before;

	sharers_assign_all(sh);
	guest_enable(sh->vm, SHARED_INTID, false);
	before = guest_count(sh->vm, SHARED_INTID);
	source_fire(sh->src[0]);
	await_effects();
	ASSERT_EQ(0, broker_load());
	EXPECT_EQ(before, guest_count(sh->vm, SHARED_INTID));
	guest_enable(sh->vm, SHARED_INTID, true);
	wait_for(guest_count(sh->vm, SHARED_INTID) > before, "the edge that was pending at the load");
}

#define OTHER_EVENT		(SHARED_EVENT + 1)

/*
 * The guest has mapped two events to one LPI, and discarded the first: up to 6.12 KVM unmaps the
 * host IRQ that it has marked, and keeps the mark while the other event leads there. By that mark
 * an MSI raises the host IRQ, which is a physical interrupt again; its handler signals the irqfd,
 * which leads to that LPI by now, too, and so on without end.
 */
VM_TEST_F(late, corrects_stale_marks, "H34 P3")
{
	struct sharers *sh = &self->sh;
	struct vm *vm = sh->vm;
	long long handled[2];
	uint64_t before;
	int klog;

	guest_map(vm, SHARED_DEVID, OTHER_EVENT, SHARED_INTID, 0);
	if (try_signal_msi(vm, SHARED_DEVID, OTHER_EVENT) <= 0)
		SKIP(return, "this kernel maps an LPI once, and leaves no such mark");
	await_effects();
	sharers_assign(sh, 0);
	vm_route_msi(vm, SHARED_GSI + 1, SHARED_DEVID, OTHER_EVENT);
	sharers_assign(sh, 1);
	await_effects();
	guest_discard(vm, SHARED_DEVID, SHARED_EVENT);
	vm_route_msi(vm, SHARED_GSI, SHARED_DEVID, OTHER_EVENT);
	klog = klog_open();
	ASSERT_EQ(0, broker_load());
	EXPECT_PLACED("loaded with a stale mark");
	await_effects();
	for (unsigned int i = 0; i < 2; i++)
		handled[i] = host_irq_count(sh->src[i]->irq_name);
	before = sharers_count(sh);
	EXPECT_LT(0, try_signal_msi(vm, SHARED_DEVID, OTHER_EVENT));
	EXPECT_TRUE(sharers_takes(sh, before));
	await_effects();
	for (unsigned int i = 0; i < 2; i++)
		EXPECT_EQ(handled[i], host_irq_count(sh->src[i]->irq_name));
	EXPECT_SOURCES("loaded with a stale mark");
	sharers_deassign_all(sh);
	EXPECT_SOURCES("all have left");
	EXPECT_EQ(0, klog_count(klog, "cut here"));
}

TEST_MAIN
