// SPDX-License-Identifier: GPL-2.0-only
/*
 * H16: on a machine without GICv4, or one where it is not switched on, the module is not loaded;
 * one line says what to do, and everything else works as before. To be run on such a machine only.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "harness.h"

FIXTURE(no_gicv4) {
	struct sharers sh;
};

FIXTURE_SETUP(no_gicv4)
{
	memset(&self->sh, 0, sizeof(self->sh));
}

FIXTURE_TEARDOWN(no_gicv4)
{
	sharers_free(&self->sh);
}

/* Without the kernel's own line about signatures and taints. */
static unsigned int own_lines(int klog, char *last, size_t size)
{
	unsigned int n = 0;
	char line[400];

	while (klog_next(klog, "vlpi_broker", line, sizeof(line))) {
		if (strstr(line, "taint"))
			continue;
		note("kernel: %s", line);
		snprintf(last, size, "%s", line);
		n++;
	}
	return n;
}

VM_TEST_F(no_gicv4, is_not_loaded, "H16")
{
	char line[400] = "";
	int klog = klog_open(), ret;

	ret = broker_load();
	EXPECT_EQ(-ENODEV, ret) {
		TH_LOG("loading ended with %d (%s)", ret, strerror(-ret));
	}
	EXPECT_EQ(1, own_lines(klog, line, sizeof(line)));
	EXPECT_TRUE(strcasestr(line, "vgic_v4_enable") || strcasestr(line, "GICv4")) {
		TH_LOG("the line does not say what to do: \"%s\"", line);
	}
	EXPECT_FALSE(broker_loaded());
	EXPECT_NE(0, access("/dev/vlpi_broker", F_OK));
	if (!ret)
		broker_unload();
}

/* Before and after a load that was refused. */
VM_TEST_F(no_gicv4, vms_run_in_software, "H16")
{
	struct sharers *sh = &self->sh;

	sharers_new(sh, "software", 0, 3);
	for (unsigned int i = 0; i < sh->nr; i++)
		EXPECT_VERDICT(sh->src[i], SOFTWARE);
	EXPECT_EQ(-ENODEV, broker_load());
	for (unsigned int i = 0; i < sh->nr; i++)
		EXPECT_VERDICT(sh->src[i], SOFTWARE);
	sharers_deassign_all(sh);
	for (unsigned int i = 0; i < sh->nr; i++)
		EXPECT_VERDICT(sh->src[i], HOST);
	sharers_assign_all(sh);
	for (unsigned int i = 0; i < sh->nr; i++)
		EXPECT_VERDICT(sh->src[i], SOFTWARE);
}

TEST_MAIN
