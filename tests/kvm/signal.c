// SPDX-License-Identifier: GPL-2.0-only
/*
 * A held vLPI is signalled in software too: by KVM_SIGNAL_MSI, by the eventfd of the holder or of
 * a waiter that user space writes to, by an irqfd that has no producer (H9). Each signal arrives
 * as on a vLPI that is not held.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "harness.h"

#define EXTRA_GSI		(SHARED_GSI + MAX_SHARERS)
#define HUNDRED			100

enum way {
	BY_MSI,		/* KVM_SIGNAL_MSI */
	BY_HOLDER,	/* its eventfd */
	BY_WAITER,
	BY_EXTRA,	/* an irqfd that has no producer */
};

FIXTURE(signal) {
	struct sharers sh;
	int extra;
	int holder;
};

FIXTURE_VARIANT(signal) {
	enum way way;
};

FIXTURE_VARIANT_ADD(signal, msi) {
	.way = BY_MSI,
};

FIXTURE_VARIANT_ADD(signal, holder) {
	.way = BY_HOLDER,
};

FIXTURE_VARIANT_ADD(signal, waiter) {
	.way = BY_WAITER,
};

FIXTURE_VARIANT_ADD(signal, without_producer) {
	.way = BY_EXTRA,
};

/* KVM has the translation of the MSI cached before a source holds the vLPI. */
FIXTURE_SETUP(signal)
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	sharers_prepare(sh, "signal", 0, 3);
	before = sharers_count(sh);
	ASSERT_LT(0, try_signal_msi(sh->vm, SHARED_DEVID, SHARED_EVENT));
	ASSERT_TRUE(sharers_takes(sh, before));
	self->extra = eventfd_new();
	vm_route_msi(sh->vm, EXTRA_GSI, SHARED_DEVID, SHARED_EVENT);
	vm_irqfd(sh->vm, self->extra, EXTRA_GSI, 0);
	sharers_assign_all(sh);
	EXPECT_SOURCES("before");
	self->holder = sharers_holder(sh);
	ASSERT_LE(0, self->holder);
}

FIXTURE_TEARDOWN(signal)
{
	vm_irqfd(self->sh.vm, self->extra, EXTRA_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	close(self->extra);
	sharers_free(&self->sh);
}

static void send(FIXTURE_DATA(signal) *self, enum way way)
{
	struct sharers *sh = &self->sh;

	switch (way) {
	case BY_MSI:
		/* Its answer says whether the guest had the interrupt on; here that is counted. */
		(void)try_signal_msi(sh->vm, SHARED_DEVID, SHARED_EVENT);
		break;
	case BY_HOLDER:
		eventfd_kick(sh->src[self->holder]->eventfd);
		break;
	case BY_WAITER:
		eventfd_kick(sh->src[(self->holder + 1) % sh->nr]->eventfd);
		break;
	case BY_EXTRA:
		eventfd_kick(self->extra);
		break;
	}
}

/* One each: hands do not change here, so nothing is raised but what was sent. */
VM_TEST_F(signal, a_hundred_times, "H9")
{
	uint64_t first = sharers_count(&self->sh), before;
	unsigned int n;

	for (n = 1; n <= HUNDRED; n++) {
		before = sharers_count(&self->sh);
		send(self, variant->way);
		if (!sharers_takes(&self->sh, before))
			break;
	}
	EXPECT_LT(HUNDRED, n) {
		TH_LOG("signal %u of %u is lost", n, HUNDRED);
	}
	await_effects();
	EXPECT_EQ(first + HUNDRED, sharers_count(&self->sh));
	EXPECT_SOURCES("a hundred signals later");
}

/* As fast as they can be sent: they merge, and the last one is not lost. */
VM_TEST_F(signal, a_hundred_at_once, "H9")
{
	uint64_t before = sharers_count(&self->sh);

	for (unsigned int n = 0; n < HUNDRED; n++)
		send(self, variant->way);
	EXPECT_TRUE(sharers_takes(&self->sh, before));
	await_effects();
	EXPECT_LE(sharers_count(&self->sh), before + HUNDRED);
	EXPECT_SOURCES("a hundred signals later");
}

FAILS_ON_STOCK("signal.msi.lpi_disabled", "7.3");
VM_TEST_F(signal, lpi_disabled, "H9")
{
	uint64_t before = sharers_count(&self->sh);

	guest_enable(self->sh.vm, SHARED_INTID, false);
	send(self, variant->way);
	await_effects();
	EXPECT_EQ(before, sharers_count(&self->sh));
	guest_enable(self->sh.vm, SHARED_INTID, true);
	EXPECT_TRUE(sharers_takes(&self->sh, before)) {
		TH_LOG("sent while the LPI was disabled: lost");
	}
	EXPECT_SOURCES("afterwards");
}

VM_TEST_F(signal, interrupts_masked, "H9")
{
	uint64_t before;

	guest_mask(self->sh.vm, 0, true);
	before = sharers_count(&self->sh);
	for (unsigned int n = 0; n < HUNDRED; n++)
		send(self, variant->way);
	await_effects();
	EXPECT_EQ(before, sharers_count(&self->sh));
	guest_mask(self->sh.vm, 0, false);
	EXPECT_TRUE(sharers_takes(&self->sh, before)) {
		TH_LOG("sent while interrupts were masked: lost");
	}
	EXPECT_SOURCES("afterwards");
}

/* Raised through the holder it would arrive: the hardware does not look at the guest's enables. */
VM_TEST_F(signal, lpis_off, "H9")
{
	uint64_t before = guest_lpi_count(self->sh.vm);

	guest_lpis(self->sh.vm, 0, false);
	send(self, variant->way);
	await_effects();
	EXPECT_EQ(before, guest_lpi_count(self->sh.vm)) {
		TH_LOG("an LPI was taken while they are off");
	}
	guest_lpis(self->sh.vm, 0, true);
	await_effects();
	before = sharers_count(&self->sh);
	send(self, variant->way);
	EXPECT_TRUE(sharers_takes(&self->sh, before));
	EXPECT_SOURCES("LPIs are on again");
}

VM_TEST_F(signal, its_off, "H9")
{
	uint64_t before = sharers_count(&self->sh);

	guest_its(self->sh.vm, false);
	send(self, variant->way);
	await_effects();
	EXPECT_EQ(before, sharers_count(&self->sh)) {
		TH_LOG("an LPI was taken while the ITS is off");
	}
	guest_its(self->sh.vm, true);
	await_effects();
	before = sharers_count(&self->sh);
	send(self, variant->way);
	EXPECT_TRUE(sharers_takes(&self->sh, before));
	EXPECT_SOURCES("the ITS is on again");
}

TEST_MAIN
