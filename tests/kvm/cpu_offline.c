// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host CPU goes offline under the host IRQs that are aimed at it, while they fire, and before
 * they are no longer forwarded (H20).
 */
#define _GNU_SOURCE
#include "harness.h"

#define VICTIM			1
/* Its host IRQ is to go to this host CPU; one that is forwarded takes no such order. */
static void aim(struct source *s, unsigned int cpu)
{
	char path[64], text[16];

	snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", source_host_irq(s));
	snprintf(text, sizeof(text), "%u", cpu);
	write_file(path, text);
}

FIXTURE(offline) {
	struct sharers sh;
	int klog;
};

FIXTURE_SETUP(offline)
{
	struct sharers *sh = &self->sh;

	/* A test that died has left it off. */
	second_cpu(true);
	if (host_cpus() < 2)
		SKIP(return, "one host CPU");
	self->klog = klog_open();
	sharers_prepare(sh, "offline", 0, 4);
	for (unsigned int i = 0; i < sh->nr; i++) {
		aim(sh->src[i], VICTIM);
		EXPECT_VERDICT(sh->src[i], HOST);
		source_drain(sh->src[i]);
	}
	sharers_assign_all(sh);
	EXPECT_SOURCES("aimed at the CPU and assigned");
}

FIXTURE_TEARDOWN(offline)
{
	second_cpu(true);
	sharers_free(&self->sh);
}

VM_TEST_F(offline, while_all_fire, "H20")
{
	struct sharers *sh = &self->sh;
	struct firing f;
	uint64_t before;

	for (unsigned int n = 1; n <= 3; n++) {
		firing_start(&f, sh->src, sh->nr);
		second_cpu(false);
		before = sharers_count(sh);
		EXPECT_TRUE(sharers_takes(sh, before));
		firing_stop(&f);
		EXPECT_SOURCES("CPU offline, %u", n);
		firing_start(&f, sh->src, sh->nr);
		second_cpu(true);
		before = sharers_count(sh);
		EXPECT_TRUE(sharers_takes(sh, before));
		firing_stop(&f);
		EXPECT_SOURCES("CPU online again, %u", n);
	}
	sharers_deassign_all(sh);
	EXPECT_SOURCES("all left");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

/* A host IRQ that is no longer forwarded is aimed at a CPU that is on. */
FAILS_ON_STOCK("offline.then_each_leaves", "7.3");
VM_TEST_F(offline, then_each_leaves, "H20")
{
	struct sharers *sh = &self->sh;

	second_cpu(false);
	for (unsigned int i = 0; i < sh->nr; i++) {
		source_deassign(sh->src[i]);
		EXPECT_SOURCES("offline, and %u left", i + 1);
	}
	second_cpu(true);
	EXPECT_SOURCES("online, and all left");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

VM_TEST_F(offline, then_the_holder_comes_back, "H20")
{
	struct sharers *sh = &self->sh;

	second_cpu(false);
	for (unsigned int i = 0; i < sh->nr; i++) {
		source_deassign(sh->src[i]);
		sharers_assign(sh, i);
		EXPECT_SOURCES("offline, and %u is back", i + 1);
	}
	second_cpu(true);
	EXPECT_SOURCES("online again");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

VM_TEST_F(offline, then_vectors_off_and_on, "H20")
{
	struct sharers *sh = &self->sh;

	second_cpu(false);
	for (unsigned int i = 0; i < sh->nr; i++) {
		source_vectors(sh->src[i], false);
		EXPECT_SOURCES("offline, and vector %u off", i + 1);
		source_vectors(sh->src[i], true);
		EXPECT_SOURCES("offline, and vector %u on", i + 1);
	}
	second_cpu(true);
	EXPECT_SOURCES("online again");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

/* KVM unmaps the holder by itself. */
VM_TEST_F(offline, then_discard, "H20")
{
	struct sharers *sh = &self->sh;

	second_cpu(false);
	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	for (unsigned int i = 0; i < sh->nr; i++)
		EXPECT_VERDICT(sh->src[i], HOST);
	sharers_map(sh);
	if (broker_loaded())
		wait_for(!broker_bad_slots(true), "the vLPI is held again");
	EXPECT_SOURCES("mapped again");
	second_cpu(true);
	EXPECT_SOURCES("online again");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

VM_TEST_F(offline, then_the_vm_ends, "H20")
{
	struct sharers *sh = &self->sh;

	second_cpu(false);
	vm_free(sh->vm);
	sh->vm = NULL;
	EXPECT_SOURCES("offline, and the VM has ended");
	second_cpu(true);
	EXPECT_SOURCES("online again");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

TEST_MAIN
