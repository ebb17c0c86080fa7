// SPDX-License-Identifier: GPL-2.0-only
/*
 * A producer whose host IRQ is no LPI (H35): no ITS answers for it, and it can't be injected
 * directly. A module that is for this test only brings one (tests/lab/run --helpers).
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "harness.h"

#define HELPER			"vlpi_test_producer"
/* An SPI that does not come. */
#define SPI_NAME		"arm-smmu-v3-gerror"

FIXTURE(spi) {
	struct sharers sh;
	int eventfd;
};

FIXTURE_SETUP(spi)
{
	if (!helper_built(HELPER))
		return;	/* The test says so. */
	sharers_prepare(&self->sh, "spi", 0, 2);
	self->eventfd = eventfd_new();
	vm_irqfd(self->sh.vm, self->eventfd, SHARED_GSI, 0);
}

FIXTURE_TEARDOWN(spi)
{
	if (!self->sh.vm)
		return;
	vm_irqfd(self->sh.vm, self->eventfd, SHARED_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	close(self->eventfd);
	sharers_free(&self->sh);
}

/* It is served in software, and a device that shares the vLPI has the slot. */
VM_TEST_F(spi, is_served_in_software, "H35 P3")
{
	struct sharers *sh = &self->sh;
	struct vlpi_broker_client client;
	int host_irq = host_irq_number(SPI_NAME);
	uint64_t before;
	char params[64];

	if (!helper_built(HELPER))
		SKIP(return, NO_HELPER(HELPER));
	ASSERT_LE(0, host_irq);
	snprintf(params, sizeof(params), "fd=%d host_irq=%d", self->eventfd, host_irq);
	ASSERT_EQ(0, helper_load(HELPER, params));
	ASSERT_TRUE(broker_client_of_irq(host_irq, &client));
	EXPECT_EQ(VLPI_BROKER_UNMAPPABLE, client.state) {
		TH_LOG("the SPI's client is %s", broker_state_name(client.state));
	}
	EXPECT_EQ(ENODEV, client.error);
	EXPECT_EQ(0, client.flags & VLPI_BROKER_CLIENT_FORWARDED);

	before = guest_count(sh->vm, SHARED_INTID);
	eventfd_kick(self->eventfd);
	EXPECT_TRUE(guest_takes(sh->vm, SHARED_INTID, before));

	sharers_assign_all(sh);
	EXPECT_SOURCES("devices share with it");
	ASSERT_TRUE(broker_client_of_irq(host_irq, &client));
	EXPECT_NE(VLPI_BROKER_HOLDER, client.state);
	EXPECT_EQ(0, client.flags & VLPI_BROKER_CLIENT_FORWARDED);
	before = guest_count(sh->vm, SHARED_INTID);
	eventfd_kick(self->eventfd);
	EXPECT_TRUE(guest_takes(sh->vm, SHARED_INTID, before));
	helper_unload(HELPER);
	EXPECT_SOURCES("the SPI's producer has left");
}

TEST_MAIN
