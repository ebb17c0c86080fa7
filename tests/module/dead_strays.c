// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a stock kernel has left forwarded to a VM that is gone by the time the module is loaded.
 * The irqchip looks at the dead VM when it unmaps, but not on GICv4.1: there it is cured (H39).
 */
#define _GNU_SOURCE
#include "harness.h"

#define NR_SHARERS		6

FIXTURE(dead_strays) {
	struct sharers sh;
	bool was_loaded;
};

FIXTURE_SETUP(dead_strays)
{
	self->was_loaded = broker_loaded();
	broker_want(false);
	sharers_prepare(&self->sh, "dead", 0, NR_SHARERS);
}

FIXTURE_TEARDOWN(dead_strays)
{
	sharers_free(&self->sh);
	broker_want(self->was_loaded);
}

VM_TEST_F(dead_strays, are_cured_on_gicv4_1, "H39 P4")
{
	struct sharers *sh = &self->sh;
	struct vlpi_broker_info info;

	if (!host_has_gicv4_1())
		SKIP(return, "no GICv4.1: tests/lab/run --gic 4.1");
	if (!kernel_before(6, 2))
		SKIP(return, "this kernel leaves none behind");
	sharers_assign_all(sh);
	await_effects();
	/* KVM unmaps one then; of those whose routes lead nowhere it says and unmaps nothing. */
	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	sharers_deassign_all(sh);
	vm_free(sh->vm);
	sh->vm = NULL;
	ASSERT_EQ(0, broker_load());
	broker_info(&info);
	EXPECT_EQ(0, info.nr_dead_strays);
	EXPECT_EQ(NR_SHARERS - 1, info.forced_unmaps);
	/* All of them are the host's again. */
	for (unsigned int i = 0; i < sh->nr; i++)
		EXPECT_VERDICT(sh->src[i], HOST);
}

TEST_MAIN
