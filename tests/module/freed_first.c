// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver frees its host IRQ before it unregisters the producer (H30), as vhost-vdpa does up to
 * 5.15. KVM and its_unmap_vlpi() hear nothing of that; a module that is for this test only does it
 * (tests/lab/run --helpers). The number may be another device's by the time it is looked at (H48).
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "harness.h"

#define HELPER			"vlpi_test_free"
#define PRODUCER		"vlpi_test_producer"

FIXTURE(freed) {
	struct sharers sh;
};

FIXTURE_SETUP(freed)
{
	if (helper_built(HELPER))
		sharers_new(&self->sh, "freed", 0, 3);
}

FIXTURE_TEARDOWN(freed)
{
	if (self->sh.vm)
		sharers_free(&self->sh);
}

static void free_host_irq(struct __test_metadata *_metadata, struct source *s)
{
	char params[32];

	snprintf(params, sizeof(params), "host_irq=%d", source_host_irq(s));
	ASSERT_EQ(0, helper_load(HELPER, params));
	EXPECT_EQ(0, helper_number(HELPER, "result"));
	helper_unload(HELPER);
}

/* The next one is promoted, at once and with no try that fails; and so on to the last. */
VM_TEST_F(freed, holders_leave, "H30 P3 P4")
{
	struct sharers *sh = &self->sh;
	struct vlpi_broker_info before, after;
	int holder;

	if (!helper_built(HELPER))
		SKIP(return, NO_HELPER(HELPER));
	broker_info(&before);
	EXPECT_SOURCES("assigned");
	for (unsigned int left = 1; left <= sh->nr; left++) {
		holder = sharers_holder(sh);
		ASSERT_LE(0, holder) {
			TH_LOG("no source holds the vLPI after %u left", left - 1);
		}
		free_host_irq(_metadata, sh->src[holder]);
		source_deassign(sh->src[holder]);
		sh->src[holder]->last = HOST;
		EXPECT_EQ(0, broker_bad_slots(true));
		EXPECT_SOURCES("%u holders left", left);
	}
	broker_info(&after);
	EXPECT_EQ(before.grant_failures, after.grant_failures);
	sharers_assign_all(sh);
	EXPECT_SOURCES("all are back");
}

/* ---- the number is another's ----------------------------------------------------------------- */

/* A producer that waits, with the number of a device that is assigned to nothing. */
FIXTURE(number) {
	struct sharers sh;
	struct vm *other;
	struct source *first;
	struct source *second;
	int eventfd;
};

FIXTURE_SETUP(number)
{
	if (!helper_built(PRODUCER))
		return;	/* The test says so. */
	sharers_new(&self->sh, "number", 0, 2);
	self->other = vm_new("other", 1);
	guest_boot(self->other);
	guest_map(self->other, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	vm_route_msi(self->other, SHARED_GSI, SHARED_DEVID, SHARED_EVENT);
	self->first = source_open(self->sh.nr);
	self->eventfd = eventfd_new();
	vm_irqfd(self->sh.vm, self->eventfd, SHARED_GSI, 0);
}

FIXTURE_TEARDOWN(number)
{
	if (!self->sh.vm)
		return;
	vm_irqfd(self->sh.vm, self->eventfd, SHARED_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	close(self->eventfd);
	if (self->second)
		source_close(self->second);
	source_close(self->first);
	sharers_free(&self->sh);
	vm_free(self->other);
}

/*
 * Its turn comes when the number is that of another device: it is not promoted onto that one's
 * interrupt, and is served in software. The other device, in a VM of its own, is direct as soon as
 * the number is its alone.
 */
VM_TEST_F(number, is_used_again_while_it_waits, "H48 P1 P3")
{
	struct sharers *sh = &self->sh;
	struct vlpi_broker_client c;
	char params[48];
	uint64_t before;
	int number;

	if (!helper_built(PRODUCER))
		SKIP(return, NO_HELPER(PRODUCER));
	number = source_host_irq(self->first);
	snprintf(params, sizeof(params), "fd=%d host_irq=%d", self->eventfd, number);
	ASSERT_EQ(0, helper_load(PRODUCER, params));
	ASSERT_TRUE(broker_client_of_irq(number, &c));
	EXPECT_EQ(VLPI_BROKER_WAITER, c.state);
	source_vectors(self->first, false);
	self->second = source_open(sh->nr + 1);
	ASSERT_EQ(number, source_host_irq(self->second));

	sharers_deassign_all(sh);
	wait_for(broker_client_of_irq(number, &c) && !(c.flags & VLPI_BROKER_CLIENT_UNSETTLED),
		 "its turn has come");
	EXPECT_EQ(VLPI_BROKER_UNMAPPABLE, c.state);
	EXPECT_EQ(ESTALE, c.error);
	EXPECT_EQ(0, c.flags & VLPI_BROKER_CLIENT_FORWARDED);
	EXPECT_VERDICT(self->second, HOST);
	before = sharers_count(sh);
	eventfd_kick(self->eventfd);
	EXPECT_TRUE(sharers_takes(sh, before));

	source_assign(self->second, self->other, SHARED_GSI);
	EXPECT_VERDICT(self->second, SOFTWARE);
	helper_unload(PRODUCER);
	EXPECT_PLACED("the number is its alone");
	await_effects();
	EXPECT_VERDICT(self->second, DIRECT);
	sharers_assign_all(sh);
	await_effects();
	EXPECT_SOURCES("all");
}

TEST_MAIN
