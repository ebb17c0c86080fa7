// SPDX-License-Identifier: GPL-2.0-only
/* The module is unloaded and loaded again, around VMs that run and sources that fire (H17). */
#define _GNU_SOURCE
#include "harness.h"

FIXTURE(unload) {
	struct sharers sh;
	bool was_loaded;
};

FIXTURE_SETUP(unload)
{
	self->was_loaded = broker_loaded();
	broker_want(true);
	sharers_new(&self->sh, "unload", 0, 6);
}

FIXTURE_TEARDOWN(unload)
{
	sharers_free(&self->sh);
	broker_want(self->was_loaded);
}

/* Nothing is assigned; what the module frees after RCU may take a moment. */
static void unload_when_free(void)
{
	wait_for(!broker_unload(), "the module can be unloaded with no irqfd assigned");
}

VM_TEST_F(unload, is_refused_while_attached, "H17")
{
	struct sharers *sh = &self->sh;
	struct firing f;
	int ret;

	firing_start(&f, sh->src, sh->nr);
	for (unsigned int i = 0; i < 10; i++) {
		ret = broker_unload();
		EXPECT_TRUE(ret == -EWOULDBLOCK || ret == -EBUSY) {
			TH_LOG("unloading in use ended with %d (%s)", ret, strerror(-ret));
		}
	}
	firing_stop(&f);
	ASSERT_TRUE(broker_loaded());
	EXPECT_SOURCES("unloading was refused");
}

VM_TEST_F(unload, and_load_again_under_fire, "H17")
{
	struct sharers *sh = &self->sh;
	struct firing f;

	for (unsigned int n = 1; n <= 3; n++) {
		firing_start(&f, sh->src, sh->nr);
		sharers_deassign_all(sh);
		vm_sentinel(sh->vm, false);
		unload_when_free();
		EXPECT_FALSE(broker_loaded());
		ASSERT_EQ(0, broker_load());
		vm_sentinel(sh->vm, true);
		sharers_assign_all(sh);
		firing_stop(&f);
		EXPECT_SOURCES("loaded again, %u", n);
	}
}

TEST_MAIN
