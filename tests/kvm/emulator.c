// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator of GICv4.1 complains of what the architecture does not allow: each test does that
 * once, past KVM, and tells the lab which complaint there has to be. Without it the run fails.
 */
#define _GNU_SOURCE
#include "harness.h"

#define HELPER			"vlpi_test_rules"

FIXTURE(emulator) {
	struct sharers sh;
};

FIXTURE_SETUP(emulator)
{
	if (!helper_built(HELPER))
		SKIP(return, NO_HELPER(HELPER));
	run_on_cpu(pthread_self(), 0);
	sharers_new(&self->sh, "emulator", 0, 1);
	EXPECT_VERDICT(self->sh.src[0], DIRECT);
	if (!host_has_gicv4_1())
		SKIP(return, "no GICv4.1: tests/lab/run --gic 4.1");
}

FIXTURE_TEARDOWN(emulator)
{
	if (self->sh.vm)
		sharers_free(&self->sh);
}

/* The vPE is as it was afterwards. */
static void complains(struct __test_metadata *_metadata, struct sharers *sh, const char *what,
		      const char *complaint)
{
	char params[128];

	snprintf(params, sizeof(params), "holder=%d what=\"%s\"",
		 source_host_irq(sh->src[0]), what);
	vm_pause(sh->vm);
	fprintf(stderr, "# its-expect: error %s\n", complaint);
	ASSERT_EQ(0, helper_load(HELPER, params));
	helper_unload(HELPER);
	vm_resume(sh->vm);
	EXPECT_VERDICT(sh->src[0], DIRECT);
}

VM_TEST_F(emulator, unmapped_vpe_is_made_resident, "H39")
{
	complains(_metadata, &self->sh, "unmapped is made resident",
		  "is made resident, but not mapped");
}

VM_TEST_F(emulator, resident_vpe_is_unmapped, "H39")
{
	complains(_metadata, &self->sh, "resident is unmapped", "VMAPP of vPE");
}

VM_TEST_F(emulator, resident_vpe_is_moved, "H39")
{
	complains(_metadata, &self->sh, "resident is moved", "VMOVP of vPE");
}

VM_TEST_F(emulator, residency_is_changed, "H39")
{
	complains(_metadata, &self->sh, "resident is changed",
		  "GICR_VPENDBASER is changed while a vPE is resident");
}

TEST_MAIN
