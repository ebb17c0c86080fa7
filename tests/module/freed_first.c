// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver frees its host IRQ before it unregisters the producer (H30), as vhost-vdpa does up to
 * 5.15. KVM and its_unmap_vlpi() hear nothing of that; a module that is for this test only does it
 * (tests/lab/run --helpers).
 */
#define _GNU_SOURCE
#include "harness.h"

#define HELPER			"vlpi_test_free"

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

TEST_MAIN
