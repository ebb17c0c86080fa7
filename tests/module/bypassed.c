// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function that the module redirects is called past it (H41), as by a branch that a vendor's live
 * patch writes over its entry. No vLPI has two host IRQs, nothing stays mapped, no interrupt is
 * lost; what the module can tell of it says it, and the rest is as without the module.
 */
#define _GNU_SOURCE
#include "harness.h"

#define BYPASS			"vlpi_test_bypass"
#define SAYS			"is called past this module"

FIXTURE(bypassed) {
	struct hooked hooked;
	struct sharers sh;
	bool was_loaded;
	int klog;
};

FIXTURE_SETUP(bypassed)
{
	if (!helper_built(BYPASS))
		SKIP(return, NO_HELPER(BYPASS));
	self->was_loaded = broker_loaded();
	/* What it has said once it does not say again. */
	broker_want(false);
	broker_want(true);
	hooked_find(&self->hooked);
	self->klog = klog_open();
	sharers_prepare(&self->sh, "bypassed", 0, 3);
}

FIXTURE_TEARDOWN(bypassed)
{
	sharers_free(&self->sh);
	broker_want(false);
	broker_want(self->was_loaded);
}

static void bypass(const char *function)
{
	char params[HOOKED_NAME + 16];
	int ret;

	snprintf(params, sizeof(params), "function=%s", function);
	ret = helper_load(BYPASS, params);
	if (ret)
		die("bypassing %s(): %s", function, strerror(-ret));
}

/* All that are assigned are delivered, and with a host handler. */
static void expect_software(struct __test_metadata *_metadata, struct sharers *sh)
{
	for (unsigned int i = 0; i < sh->nr; i++)
		EXPECT_VERDICT(sh->src[i], sh->src[i]->vm ? SOFTWARE : HOST);
}

/* The log has said so, once, of this function. */
static void expect_said(struct __test_metadata *_metadata, FIXTURE_DATA(bypassed) *self,
			const char *function)
{
	unsigned int n = 0;
	char line[400];

	while (klog_next(self->klog, SAYS, line, sizeof(line))) {
		n += !!strstr(line, function);
		note("kernel: %s", line);
	}
	EXPECT_EQ(1, n) {
		TH_LOG("the log does not say that %s() is bypassed", function);
	}
}

/* With all as it was and the module loaded anew, it is as ever. */
static void expect_mended(struct __test_metadata *_metadata, FIXTURE_DATA(bypassed) *self)
{
	sharers_deassign_all(&self->sh);
	vm_sentinel(self->sh.vm, false);
	broker_want(false);
	broker_want(true);
	vm_sentinel(self->sh.vm, true);
	sharers_assign_all(&self->sh);
	await_effects();
	EXPECT_SOURCES("loaded anew");
}

VM_TEST_F(bypassed, gate, "H41 P1 P2 P5")
{
	struct sharers *sh = &self->sh;
	struct vlpi_broker_client client;

	bypass("its_map_vlpi");
	sharers_assign_all(sh);
	await_effects();
	expect_software(_metadata, sh);
	lab_mark_mapped(1, 0);
	expect_said(_metadata, self, "its_map_vlpi()");
	for (unsigned int i = 0; i < sh->nr; i++) {
		ASSERT_TRUE(broker_client(sh->src[i], &client));
		EXPECT_EQ(VLPI_BROKER_UNMAPPABLE, client.state);
		EXPECT_EQ(EPERM, client.error);
	}
	helper_unload(BYPASS);
	/* Nobody can tell how long it will be so. */
	sharers_deassign_all(sh);
	sharers_assign_all(sh);
	await_effects();
	expect_software(_metadata, sh);
	expect_mended(_metadata, self);
}

/* The next one would be promoted. */
VM_TEST_F(bypassed, gate_of_a_held_vlpi, "H41 P1 P2 P5")
{
	struct sharers *sh = &self->sh;

	sharers_assign_all(sh);
	await_effects();
	EXPECT_SOURCES("three come");
	bypass("its_map_vlpi");
	source_deassign(sh->src[sharers_holder(sh)]);
	await_effects();
	expect_software(_metadata, sh);
	lab_mark_mapped(2, 0);
	expect_said(_metadata, self, "its_map_vlpi()");
	helper_unload(BYPASS);
	expect_mended(_metadata, self);
}

VM_TEST_F(bypassed, watch, "H41 P2 P4 P5")
{
	struct sharers *sh = &self->sh;

	sharers_assign_all(sh);
	await_effects();
	EXPECT_SOURCES("three come");
	bypass("its_unmap_vlpi");
	source_deassign(sh->src[sharers_holder(sh)]);
	await_effects();
	expect_software(_metadata, sh);
	lab_mark_mapped(3, 0);
	expect_said(_metadata, self, "its_unmap_vlpi()");
	helper_unload(BYPASS);
	expect_mended(_metadata, self);
}

VM_TEST_F(bypassed, watch_of_a_discard, "H41 P2 P4 P5")
{
	struct sharers *sh = &self->sh;

	sharers_assign_all(sh);
	await_effects();
	EXPECT_SOURCES("three come");
	bypass("its_unmap_vlpi");
	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	for (unsigned int i = 0; i < sh->nr; i++)
		EXPECT_VERDICT(sh->src[i], HOST);
	guest_map(sh->vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	await_effects();
	for (unsigned int i = 0; i < sh->nr; i++)
		EXPECT_VERDICT(sh->src[i], DELIVERED);
	sharers_deassign_all(sh);
	lab_mark_mapped(4, 0);
	expect_software(_metadata, sh);
	helper_unload(BYPASS);
	expect_mended(_metadata, self);
}

/* The irqfd is found, and taken over. */
VM_TEST_F(bypassed, registration, "H41 P1 P3 P6")
{
	struct sharers *sh = &self->sh;

	bypass("irq_bypass_register_consumer");
	sharers_assign_all(sh);
	await_effects();
	EXPECT_PLACED("they come");
	EXPECT_SOURCES("they come");
	expect_said(_metadata, self, "irq_bypass_register_consumer()");
	sharers_deassign_all(sh);
	lab_mark_mapped(5, 0);
	expect_software(_metadata, sh);
	helper_unload(BYPASS);
	expect_mended(_metadata, self);
}

/* KVM or the guest is not followed then: that is as without the module. */
static const char * const unguarded[] = {
	"irqfd_inject", "kvm_arch_irq_bypass_del_producer", "kvm_irqfd", "kvm_set_irq_routing",
	"vgic_enable_lpis", "vgic_its_restore_tables_v0", "vgic_mmio_write_its_ctlr",
	"vgic_mmio_write_its_cwriter", "vgic_v3_save_pending_tables",
};

VM_TEST_F(bypassed, others, "H41 P1 P2 P4")
{
	struct sharers *sh = &self->sh;
	int holder;

	for (unsigned int i = 0; i < ARRAY_SIZE(unguarded); i++) {
		note("%s() is bypassed", unguarded[i]);
		ASSERT_LE(0, hooked_index(&self->hooked, unguarded[i]));
		bypass(unguarded[i]);
		sharers_assign_all(sh);
		await_effects();
		EXPECT_EQ(0, sources_undelivered("three have come"));
		holder = 0;
		while (holder < sh->nr - 1 && !broker_holds(sh->src[holder]))
			holder++;
		source_deassign(sh->src[holder]);
		EXPECT_EQ(0, sources_undelivered("one has left"));
		sharers_deassign_all(sh);
		lab_mark_mapped(16 + i, 0);
		EXPECT_EQ(0, sources_undelivered("all have left"));
		helper_unload(BYPASS);
	}
	expect_mended(_metadata, self);
}

TEST_MAIN
