// SPDX-License-Identifier: GPL-2.0-only
/*
 * When a VMM, a vector or a guest goes, nothing of it stays behind: the VMM is killed while all
 * sources fire (H11), VFIO's vectors go off and on under the irqfds (H12), the guest reboots under
 * fire. On a stock kernel up to 6.1 this file can take the host down.
 */
#define _GNU_SOURCE
#include "harness.h"

/* ---- H11 --------------------------------------------------------- */

static void vmm_under_fire(void *arg)
{
	struct sharers sh = { 0 };
	struct firing f;
	uint64_t before;

	(void)arg;
	sharers_new(&sh, "victim", 0, 6);
	before = guest_count(sh.vm, SHARED_INTID);
	firing_start(&f, sh.src, sh.nr);
	guest_wait_irq(sh.vm, SHARED_INTID, before + 10, "all sources fire");
	child_ready();
	/* Until it is killed. */
	pthread_join(f.thread, NULL);
}

FIXTURE(killed) {
	struct sharers sh;
};

FIXTURE_SETUP(killed)
{
	memset(&self->sh, 0, sizeof(self->sh));
}

FIXTURE_TEARDOWN(killed)
{
	sharers_free(&self->sh);
}

VM_TEST_F(killed, while_all_fire, "H11")
{
	struct child c;

	for (unsigned int i = 0; i < 3; i++) {
		child_start(&c, vmm_under_fire, NULL);
		child_wait_ready(&c);
		child_kill(&c);
	}
	/* The sources are no VM's now, then a new VM's; the old one's vPEs are gone. */
	sharers_prepare(&self->sh, "heir", 0, 6);
	EXPECT_SOURCES("the VMM was killed");
	for (unsigned int i = 0; i < 6; i++)
		source_drain(self->sh.src[i]);
	sharers_assign_all(&self->sh);
	EXPECT_SOURCES("a new VM has them");
}

/* ---- H12 --------------------------------------------------------- */

FIXTURE(vectors) {
	struct sharers sh;
};

FIXTURE_SETUP(vectors)
{
	sharers_new(&self->sh, "vectors", 0, 4);
}

FIXTURE_TEARDOWN(vectors)
{
	sharers_free(&self->sh);
}

VM_TEST_F(vectors, of_waiters, "H12")
{
	struct sharers *sh = &self->sh;
	int holder;

	EXPECT_SOURCES("four assigned");
	holder = sharers_holder(sh);
	for (int i = 0; i < 4; i++) {
		if (i == holder)
			continue;
		source_vectors(sh->src[i], false);
		EXPECT_SOURCES("vectors of waiter %d off", i + 1);
		source_vectors(sh->src[i], true);
		EXPECT_SOURCES("vectors of waiter %d on", i + 1);
	}
}

FAILS_ON_STOCK("vectors.of_the_holder", "6.12 7.3");
FAILS_ON_STOCK_LAST("vectors.of_the_holder", "6.1");
VM_TEST_F(vectors, of_the_holder, "H12")
{
	struct sharers *sh = &self->sh;

	EXPECT_SOURCES("four assigned");
	for (unsigned int i = 0; i < 4; i++) {
		int holder = sharers_holder(sh);

		ASSERT_LE(0, holder) {
			TH_LOG("no source holds the vLPI");
		}
		source_vectors(sh->src[holder], false);
		EXPECT_SOURCES("vectors of holder %d off", holder + 1);
		source_vectors(sh->src[holder], true);
		EXPECT_SOURCES("vectors of holder %d on", holder + 1);
	}
}

VM_TEST_F(vectors, of_all, "H12")
{
	struct sharers *sh = &self->sh;

	EXPECT_SOURCES("four assigned");
	for (unsigned int i = 0; i < 4; i++)
		source_vectors(sh->src[i], false);
	EXPECT_SOURCES("all vectors off");
	for (unsigned int i = 0; i < 4; i++)
		source_vectors(sh->src[3 - i], true);
	EXPECT_SOURCES("all vectors on");
}

/* ---- the guest reboots ------------------------------------------- */

FIXTURE(reboot) {
	struct sharers sh;
};

FIXTURE_VARIANT(reboot) {
	bool vectors_off;
};

/*
 * As QEMU does: the reset of the device takes MSI-X away. The sources pause while it does: a host
 * CPU that has acknowledged an LPI and not yet looked it up, when another one frees it, warns of an
 * unexpected interrupt on every kernel, and emulated CPUs can be that slow.
 */
FIXTURE_VARIANT_ADD(reboot, vectors_off) {
	.vectors_off = true,
};

/* The host keeps the vectors, as vhost does; the interrupts go on, to no guest. */
FIXTURE_VARIANT_ADD(reboot, vectors_on) {
	.vectors_off = false,
};

FIXTURE_SETUP(reboot)
{
	sharers_new(&self->sh, "reboot", 0, 6);
}

FIXTURE_TEARDOWN(reboot)
{
	sharers_free(&self->sh);
}

static void take_vectors(struct sharers *sh, struct firing *f)
{
	firing_stop(f);
	visit_host_cpus(NULL, NULL);
	for (unsigned int i = 0; i < sh->nr; i++)
		source_vectors(sh->src[i], false);
}

static void give_vectors(struct sharers *sh, struct firing *f)
{
	for (unsigned int i = 0; i < sh->nr; i++)
		source_vectors(sh->src[i], true);
	firing_start(f, sh->src, sh->nr);
}

VM_TEST_F(reboot, under_fire, "H24")
{
	struct sharers *sh = &self->sh;
	struct firing f;
	uint64_t before;

	firing_start(&f, sh->src, sh->nr);
	for (unsigned int n = 1; n <= 3; n++) {
		vm_pause(sh->vm);
		sharers_deassign_all(sh);
		if (variant->vectors_off)
			take_vectors(sh, &f);
		vm_reset(sh->vm);
		before = guest_lpi_count(sh->vm);
		guest_init_gic(sh->vm);
		await_effects();
		EXPECT_EQ(before, guest_lpi_count(sh->vm)) {
			TH_LOG("reboot %u: firmware took an LPI", n);
		}
		guest_boot(sh->vm);
		await_effects();
		EXPECT_EQ(before, guest_lpi_count(sh->vm)) {
			TH_LOG("reboot %u: LPI taken before its event was mapped", n);
		}
		sharers_map(sh);
		if (variant->vectors_off)
			give_vectors(sh, &f);
		sharers_assign_all(sh);
		EXPECT_TRUE(guest_takes(sh->vm, SHARED_INTID, guest_count(sh->vm, SHARED_INTID))) {
			TH_LOG("reboot %u: no interrupt reaches the guest", n);
		}
	}
	firing_stop(&f);
	EXPECT_SOURCES("after the reboots");
}

TEST_MAIN
