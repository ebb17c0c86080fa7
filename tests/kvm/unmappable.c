// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host IRQ that the irqchip can't map, because another event of its device is another VM's
 * (H26): it is served in software, the next producer holds the vLPI, and it is mapped once that
 * is possible.
 */
#define _GNU_SOURCE
#include "harness.h"

#define OWN_GSI			SHARED_GSI
#define EDU_GSI			(SHARED_GSI + 1)

FIXTURE(unmappable) {
	struct vm *first;
	struct vm *second;
	struct source *igb[2];
	struct source *edu;
	bool open;
};

/* One vector of the function is the first VM's, so the other can't be mapped for the second. */
FIXTURE_SETUP(unmappable)
{
	if (!igb_available())
		SKIP(return, "no igb: tests/lab/run --igb");
	self->first = vm_new("first", 1);
	self->second = vm_new("second", 1);
	guest_boot(self->first);
	guest_boot(self->second);
	guest_map(self->first, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	guest_map(self->second, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	vm_route_msi(self->first, OWN_GSI, SHARED_DEVID, SHARED_EVENT);
	vm_route_msi(self->second, OWN_GSI, SHARED_DEVID, SHARED_EVENT);
	vm_route_msi(self->second, EDU_GSI, SHARED_DEVID, SHARED_EVENT);
	igb_open(self->igb, 2);
	self->edu = source_open(0);
	self->open = true;
	EXPECT_SOURCES("assigned to nothing");
	source_assign(self->igb[0], self->first, OWN_GSI);
	EXPECT_VERDICT(self->igb[0], DIRECT);
	source_assign(self->igb[1], self->second, OWN_GSI);
}

FIXTURE_TEARDOWN(unmappable)
{
	if (!self->open)
		return;
	source_close(self->edu);
	igb_close(self->igb, 2);
	if (self->first)
		vm_free(self->first);
	if (self->second)
		vm_free(self->second);
}

static bool is_unmappable(struct source *s)
{
	struct vlpi_broker_client c;

	return broker_client(s, &c) && c.state == VLPI_BROKER_UNMAPPABLE && c.error == EINVAL &&
	       !(c.flags & VLPI_BROKER_CLIENT_FORWARDED);
}

static void expect_unmappable(struct __test_metadata *_metadata, struct source *s)
{
	EXPECT_VERDICT(s, SOFTWARE);
	if (broker_loaded())
		EXPECT_TRUE(is_unmappable(s));
}

/* The cause has gone: no interrupt is needed for it, and it takes no other event. */
static void expect_holds_soon(struct __test_metadata *_metadata, struct source *s)
{
	if (broker_loaded())
		wait_for(broker_holds(s), "%s can be mapped now, and holds its vLPI", s->irq_name);
	EXPECT_VERDICT(s, DIRECT);
}

VM_TEST_F(unmappable, next_one_holds, "H26")
{
	expect_unmappable(_metadata, self->igb[1]);
	source_assign(self->edu, self->second, EDU_GSI);
	for (unsigned int n = 0; n < 3; n++) {
		EXPECT_VERDICT(self->edu, DIRECT);
		expect_unmappable(_metadata, self->igb[1]);
		EXPECT_VERDICT(self->igb[0], DIRECT);
	}
	/* Its going and coming changes nothing for the holder. */
	source_deassign(self->igb[1]);
	EXPECT_VERDICT(self->edu, DIRECT);
	EXPECT_VERDICT(self->igb[1], HOST);
	source_drain(self->igb[1]);
	source_assign(self->igb[1], self->second, OWN_GSI);
	EXPECT_VERDICT(self->edu, DIRECT);
	EXPECT_VERDICT(self->igb[1], SOFTWARE);
	/* There is no waiter to promote, and then there is. */
	source_deassign(self->edu);
	expect_unmappable(_metadata, self->igb[1]);
	EXPECT_VERDICT(self->edu, HOST);
	source_drain(self->edu);
	source_assign(self->edu, self->second, EDU_GSI);
	EXPECT_VERDICT(self->edu, DIRECT);
}

FAILS_ON_STOCK("unmappable.until_the_other_event_leaves", "6.1 7.3");
VM_TEST_F(unmappable, until_the_other_event_leaves, "H26")
{
	expect_unmappable(_metadata, self->igb[1]);
	source_deassign(self->igb[0]);
	expect_holds_soon(_metadata, self->igb[1]);
	/* And now it is the other way round. */
	source_drain(self->igb[0]);
	source_assign(self->igb[0], self->first, OWN_GSI);
	expect_unmappable(_metadata, self->igb[0]);
	source_deassign(self->igb[1]);
	expect_holds_soon(_metadata, self->igb[0]);
}

VM_TEST_F(unmappable, until_the_other_event_is_discarded, "H26")
{
	expect_unmappable(_metadata, self->igb[1]);
	guest_discard(self->first, SHARED_DEVID, SHARED_EVENT);
	expect_holds_soon(_metadata, self->igb[1]);
}

VM_TEST_F(unmappable, until_the_other_vm_ends, "H26")
{
	expect_unmappable(_metadata, self->igb[1]);
	vm_free(self->first);
	self->first = NULL;
	expect_holds_soon(_metadata, self->igb[1]);
}

/* At the latest when the slot is free, or after the next interrupt. */
VM_TEST_F(unmappable, and_is_promoted_once_it_can_be, "H26")
{
	expect_unmappable(_metadata, self->igb[1]);
	source_assign(self->edu, self->second, EDU_GSI);
	EXPECT_VERDICT(self->edu, DIRECT);
	source_deassign(self->igb[0]);
	source_deassign(self->edu);
	EXPECT_VERDICT(self->igb[1], DELIVERED);
	expect_holds_soon(_metadata, self->igb[1]);
	EXPECT_SOURCES("one is left");
}

TEST_MAIN
