// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate in front of its_map_vlpi() is the last guard of P1: it refuses what no stock KVM asks
 * for while the broker decides. A module that is for this test only asks in KVM's place
 * (tests/lab/run --helpers); that nothing was mapped is in the trace of ITS commands. And it
 * refuses a VM without vPEs (H39), for which the irqchip would follow a pointer that is gone.
 */
#define _GNU_SOURCE
#include "harness.h"

#define HELPER			"vlpi_test_map"
#define NR_SHARERS		3

static bool usable(void)
{
	return broker_loaded() && helper_built(HELPER);
}

FIXTURE(gate) {
	struct sharers sh;
	struct source *alien;
};

FIXTURE_VARIANT(gate) {
	unsigned int asks;	/* of the sharers, which come first, and one assigned to nothing */
	bool elsewhere;		/* with another vINTID than the holder's */
};

FIXTURE_VARIANT_ADD(gate, waiter) {
	.asks = 1,
};

FIXTURE_VARIANT_ADD(gate, last_waiter_elsewhere) {
	.asks = 2, .elsewhere = true,
};

FIXTURE_VARIANT_ADD(gate, holder_elsewhere) {
	.asks = 0, .elsewhere = true,
};

FIXTURE_VARIANT_ADD(gate, of_no_irqfd) {
	.asks = NR_SHARERS,
};

FIXTURE_SETUP(gate)
{
	if (!usable())
		return;	/* The test says so. */
	sharers_new(&self->sh, "gate", 0, NR_SHARERS);
	self->alien = source_open(NR_SHARERS);
}

FIXTURE_TEARDOWN(gate)
{
	if (!self->sh.vm)
		return;
	source_close(self->alien);
	sharers_free(&self->sh);
}

VM_TEST_F(gate, refuses, "P1")
{
	struct sharers *sh = &self->sh;
	struct vlpi_broker_info before, after;
	struct source *asks;
	char params[96];

	if (!broker_loaded())
		SKIP(return, "there is no gate without the module");
	if (!helper_built(HELPER))
		SKIP(return, NO_HELPER(HELPER));
	asks = variant->asks < sh->nr ? sh->src[variant->asks] : self->alien;
	snprintf(params, sizeof(params), "host_irq=%d holder=%d vintid=%u", source_host_irq(asks),
		 source_host_irq(sh->src[0]), variant->elsewhere ? SHARED_INTID + 1 : 0);
	broker_info(&before);
	ASSERT_EQ(0, helper_load(HELPER, params));
	EXPECT_EQ(-EBUSY, helper_number(HELPER, "result"));
	helper_unload(HELPER);
	broker_info(&after);
	EXPECT_EQ(before.gate_refusals + 1, after.gate_refusals);
	EXPECT_EQ(0, broker_bad_slots(true));
	EXPECT_SOURCES("after the refusal");
}

#define NO_VPES			"vlpi_test_vpes"
#define OTHER_EVENT		(SHARED_EVENT + 1)

FIXTURE(vpes) {
	struct sharers sh;
};

FIXTURE_SETUP(vpes)
{
	if (broker_loaded() && helper_built(NO_VPES))
		sharers_prepare(&self->sh, "vPEs", 0, 2);
}

FIXTURE_TEARDOWN(vpes)
{
	if (self->sh.vm)
		sharers_free(&self->sh);
}

/* It is served in software, and direct when it comes to a VM that has them. */
VM_TEST_F(vpes, are_wanted, "H39 P5")
{
	struct vlpi_broker_client c = { 0 };
	struct sharers *sh = &self->sh;
	char params[32];

	if (!broker_loaded())
		SKIP(return, "there is no gate without the module");
	if (!helper_built(NO_VPES))
		SKIP(return, NO_HELPER(NO_VPES));
	guest_map(sh->vm, SHARED_DEVID, OTHER_EVENT, SHARED_INTID + 1, 0);
	vm_route_msi(sh->vm, SHARED_GSI + 1, SHARED_DEVID, OTHER_EVENT);
	sharers_assign(sh, 0);
	await_effects();
	EXPECT_VERDICT(sh->src[0], DIRECT);
	snprintf(params, sizeof(params), "holder=%d", source_host_irq(sh->src[0]));
	ASSERT_EQ(0, helper_load(NO_VPES, params));
	sharers_assign(sh, 1);
	wait_for(broker_client(sh->src[1], &c) && !(c.flags & VLPI_BROKER_CLIENT_UNSETTLED),
		 "it is settled");
	EXPECT_EQ(VLPI_BROKER_UNMAPPABLE, c.state) {
		TH_LOG("without vPEs it is %s", broker_state_name(c.state));
	}
	EXPECT_EQ(ENODEV, c.error);
	EXPECT_VERDICT(sh->src[1], SOFTWARE);
	helper_unload(NO_VPES);
	source_deassign(sh->src[1]);
	sharers_assign(sh, 1);
	await_effects();
	EXPECT_SOURCES("with vPEs");
}

TEST_MAIN
