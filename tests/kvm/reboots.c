// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's reset, step by step, while all sources fire (H24): what runs first in the fresh guest
 * is firmware, which has interrupts on and LPIs off, and hangs with an LPI that it did not ask for.
 * And a guest with its LPIs or its ITS off (H23), whose host IRQs are another VM's when it looks
 * again.
 */
#define _GNU_SOURCE
#include "harness.h"

#define ROUNDS			3

/* ---- H24 --------------------------------------------------------- */

FIXTURE(reset) {
	struct sharers sh;
	struct firing f;
	int klog;
};

/*
 * One letter a step:
 *   p pause the vCPUs    v reset the vCPUs    g reset the vGIC     i reset the ITS
 *   s start the guest    f its firmware sets up the GIC
 *   d deassign all irqfds  D the same, and the devices' vectors go, as QEMU does it
 */
FIXTURE_VARIANT(reset) {
	const char *steps;
};

FIXTURE_VARIANT_ADD(reset, detached_before) {
	.steps = "dpvgisf",
};

FIXTURE_VARIANT_ADD(reset, detached_when_paused) {
	.steps = "pdvgisf",
};

FIXTURE_VARIANT_ADD(reset, detached_after_vcpus) {
	.steps = "pvdgisf",
};

FIXTURE_VARIANT_ADD(reset, detached_after_vgic) {
	.steps = "pvgdisf",
};

FIXTURE_VARIANT_ADD(reset, detached_after_all) {
	.steps = "pvgidsf",
};

FIXTURE_VARIANT_ADD(reset, detached_after_its_before_vcpus) {
	.steps = "pidvgsf",
};

FIXTURE_VARIANT_ADD(reset, detached_after_its_and_vcpus) {
	.steps = "pivdgsf",
};

FIXTURE_VARIANT_ADD(reset, detached_as_the_guest_starts) {
	.steps = "pvgisdf",
};

FIXTURE_VARIANT_ADD(reset, detached_in_firmware) {
	.steps = "pvgisfd",
};

FIXTURE_VARIANT_ADD(reset, detached_and_vectors_off_between) {
	.steps = "pvgDisf",
};

FIXTURE_VARIANT_ADD(reset, detached_and_vectors_off_in_firmware) {
	.steps = "pvgisfD",
};

/* The driver comes back to irqfds that never went. */
FIXTURE_VARIANT_ADD(reset, never_detached) {
	.steps = "pvgisf",
};

FIXTURE_SETUP(reset)
{
	self->klog = klog_open();
	sharers_new(&self->sh, "reset", 0, 6);
}

FIXTURE_TEARDOWN(reset)
{
	sharers_free(&self->sh);
}

static void fire_all(FIXTURE_DATA(reset) *self)
{
	firing_start(&self->f, self->sh.src, self->sh.nr);
}

/*
 * The sources pause while a vector is freed: a host CPU that has acknowledged an LPI and not yet
 * looked it up warns of it on every kernel.
 */
static void vectors(FIXTURE_DATA(reset) *self, bool on)
{
	firing_stop(&self->f);
	visit_host_cpus(NULL, NULL);
	for (unsigned int i = 0; i < self->sh.nr; i++)
		source_vectors(self->sh.src[i], on);
	fire_all(self);
}

/* Every source has fired some more times, and what came of it has happened. */
static void more_fire(FIXTURE_DATA(reset) *self)
{
	uint64_t rounds = __atomic_load_n(&self->f.rounds, __ATOMIC_ACQUIRE);

	wait_for(__atomic_load_n(&self->f.rounds, __ATOMIC_ACQUIRE) > rounds + 20,
		 "all sources fire 20 times");
}

static void do_step(FIXTURE_DATA(reset) *self, char step)
{
	struct vm *vm = self->sh.vm;

	switch (step) {
	case 'p':
		vm_pause(vm);
		break;
	case 'v':
		vm_reset_vcpus(vm);
		break;
	case 'g':
		vm_reset_gic(vm);
		break;
	case 'i':
		vm_reset_its(vm);
		break;
	case 's':
		vm_restart(vm);
		break;
	case 'f':
		guest_init_gic(vm);
		break;
	case 'd':
	case 'D':
		sharers_deassign_all(&self->sh);
		if (step == 'D')
			vectors(self, false);
		break;
	default:
		die("no step '%c'", step);
	}
}

FAILS_ON_STOCK("reset.detached_in_firmware.under_fire", "6.1");
FAILS_ON_STOCK("reset.never_detached.under_fire", "7.3");
VM_TEST_F(reset, under_fire, "H24")
{
	struct sharers *sh = &self->sh;
	uint64_t before = 0;

	fire_all(self);
	for (unsigned int n = 1; n <= ROUNDS; n++) {
		for (const char *step = variant->steps; *step; step++) {
			do_step(self, *step);
			if (*step == 'p')
				before = guest_lpi_count(sh->vm);
			more_fire(self);
		}
		await_effects();
		EXPECT_EQ(before, guest_lpi_count(sh->vm)) {
			TH_LOG("reset %u: firmware took LPIs, which are off", n);
		}
		for (unsigned int i = 0; i < sh->vm->nr_vcpus; i++)
			guest_lpis(sh->vm, i, true);
		guest_init_its(sh->vm);
		await_effects();
		EXPECT_EQ(before, guest_lpi_count(sh->vm)) {
			TH_LOG("reset %u: an LPI was taken before its event was mapped", n);
		}
		sharers_map(sh);
		if (strchr(variant->steps, 'D'))
			vectors(self, true);
		sharers_assign_all(sh);
		EXPECT_TRUE(guest_takes(sh->vm, SHARED_INTID, guest_count(sh->vm, SHARED_INTID))) {
			TH_LOG("reset %u: no interrupt reaches the driver", n);
		}
		firing_stop(&self->f);
		EXPECT_SOURCES("reset %u, the driver is back", n);
		fire_all(self);
	}
	firing_stop(&self->f);
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

/* ---- H23 --------------------------------------------------------- */

/* The second VM's own event and target: what it must keep, whatever the first one does. */
#define SECOND_EVENT		(SHARED_EVENT + 1)
#define SECOND_INTID		(SHARED_INTID + 1)
#define SECOND_VCPU		1
#define MAX_MOVED		3

FIXTURE(reuse) {
	struct vm *first;
	struct vm *second;
	struct source *src[MAX_MOVED + 1];
	unsigned int nr;
	struct vlpi_broker_info info;
	int klog;
};

FIXTURE_VARIANT(reuse) {
	bool lpis_off;
	bool its_off;
	unsigned int moved;	/* sources, to the second VM */
	bool one_stays;		/* assigned to the first VM */
};

/* Nothing is shared: what a kernel gets wrong here, it gets wrong for any device. */
FIXTURE_VARIANT_ADD(reuse, lpis_off_alone) {
	.lpis_off = true, .moved = 1,
};

FIXTURE_VARIANT_ADD(reuse, its_off_alone) {
	.its_off = true, .moved = 1,
};

FIXTURE_VARIANT_ADD(reuse, lpis_off) {
	.lpis_off = true, .moved = 3,
};

FIXTURE_VARIANT_ADD(reuse, its_off) {
	.its_off = true, .moved = 3,
};

FIXTURE_VARIANT_ADD(reuse, both_off) {
	.lpis_off = true, .its_off = true, .moved = 3,
};

FIXTURE_VARIANT_ADD(reuse, lpis_off_and_one_stays) {
	.lpis_off = true, .moved = 3, .one_stays = true,
};

FIXTURE_VARIANT_ADD(reuse, its_off_and_one_stays) {
	.its_off = true, .moved = 3, .one_stays = true,
};

static void switch_first(struct vm *vm, bool lpis, bool its, bool on)
{
	for (unsigned int i = 0; lpis && i < vm->nr_vcpus; i++)
		guest_lpis(vm, i, on);
	if (its)
		guest_its(vm, on);
}

/* The first VM loses its sources while KVM can find nothing to unmap, and then is as it was. */
FIXTURE_SETUP(reuse)
{
	self->klog = klog_open();
	self->nr = variant->moved + variant->one_stays;
	self->first = vm_new("first", 2);
	self->second = vm_new("second", 2);
	guest_boot(self->first);
	guest_boot(self->second);
	guest_map(self->first, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	guest_map(self->second, SHARED_DEVID, SECOND_EVENT, SECOND_INTID, SECOND_VCPU);
	for (unsigned int i = 0; i < self->nr; i++) {
		self->src[i] = source_open(i);
		vm_route_msi(self->first, SHARED_GSI + i, SHARED_DEVID, SHARED_EVENT);
		vm_route_msi(self->second, SHARED_GSI + i, SHARED_DEVID, SECOND_EVENT);
		source_assign(self->src[i], self->first, SHARED_GSI + i);
	}
	EXPECT_SOURCES("all assigned to the first VM");
	switch_first(self->first, variant->lpis_off, variant->its_off, false);
	for (unsigned int i = 0; i < variant->moved; i++) {
		source_deassign(self->src[i]);
		source_drain(self->src[i]);
		source_assign(self->src[i], self->second, SHARED_GSI + i);
	}
	switch_first(self->first, variant->lpis_off, variant->its_off, true);
	/* P3: no interrupt is needed for it. */
	if (broker_loaded() && variant->one_stays)
		wait_for(broker_holds(self->src[variant->moved]), "the one that stays holds the first VM's vLPI");
	EXPECT_SOURCES("moved to the second VM");
	if (broker_loaded())
		broker_info(&self->info);
}

FIXTURE_TEARDOWN(reuse)
{
	for (unsigned int i = 0; i < self->nr; i++)
		source_close(self->src[i]);
	vm_free(self->first);
	vm_free(self->second);
}

static uint64_t taken_by_second(FIXTURE_DATA(reuse) *self)
{
	return guest_count(self->second, SECOND_INTID);
}

/*
 * @unmaps: mappings of its own that the first VM has taken away. More in the broker's counters is
 * a mapping of the second that went and came back.
 */
static void expect_unnoticed(struct __test_metadata *_metadata, FIXTURE_DATA(reuse) *self,
			     unsigned int unmaps)
{
	struct vlpi_broker_info info;

	EXPECT_SOURCES("after what the first VM did");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
	if (!broker_loaded())
		return;
	broker_info(&info);
	EXPECT_EQ(self->info.unmaps_behind + unmaps, info.unmaps_behind);
	EXPECT_EQ(self->info.revokes, info.revokes);
	EXPECT_EQ(self->info.forced_unmaps, info.forced_unmaps);
	EXPECT_EQ(self->info.grants, info.grants);
}

VM_TEST_F(reuse, then_inv, "H23")
{
	/* With the enable bit off: it would be the second VM's that goes off in the hardware. */
	guest_enable(self->first, SHARED_INTID, false);
	for (unsigned int i = 0; i < variant->moved; i++)
		EXPECT_VERDICT(self->src[i], DELIVERED);
	guest_enable(self->first, SHARED_INTID, true);
	expect_unnoticed(_metadata, self, 0);
}

FAILS_ON_STOCK("reuse.its_off_alone.then_movi", "6.1");
VM_TEST_F(reuse, then_movi, "H23")
{
	guest_move(self->first, SHARED_DEVID, SHARED_EVENT, 1);
	expect_unnoticed(_metadata, self, 0);
	guest_move(self->first, SHARED_DEVID, SHARED_EVENT, 0);
	expect_unnoticed(_metadata, self, 0);
}

VM_TEST_F(reuse, then_movall, "H23")
{
	guest_move_all(self->first, 0, 1);
	expect_unnoticed(_metadata, self, 0);
}

/* What is pending in the second VM stays so. */
VM_TEST_F(reuse, then_clear, "H23")
{
	uint64_t before;

	for (unsigned int i = 0; i < variant->moved; i++) {
		guest_mask(self->second, SECOND_VCPU, true);
		before = taken_by_second(self);
		source_fire(self->src[i]);
		await_effects();
		guest_clear(self->first, SHARED_DEVID, SHARED_EVENT);
		guest_mask(self->second, SECOND_VCPU, false);
		EXPECT_TRUE(guest_takes(self->second, SECOND_INTID, before)) {
			TH_LOG("source %u: the first VM cleared the second's interrupt", i + 1);
		}
	}
	expect_unnoticed(_metadata, self, 0);
}

FAILS_ON_STOCK("reuse.lpis_off_and_one_stays.then_int", "7.3");
VM_TEST_F(reuse, then_int, "H23")
{
	uint64_t before = taken_by_second(self), own = guest_count(self->first, SHARED_INTID);

	guest_int(self->first, SHARED_DEVID, SHARED_EVENT);
	EXPECT_TRUE(guest_takes(self->first, SHARED_INTID, own)) {
		TH_LOG("the first VM lost its own INT");
	}
	await_effects();
	EXPECT_EQ(before, taken_by_second(self)) {
		TH_LOG("the second VM took the first one's INT");
	}
	expect_unnoticed(_metadata, self, 0);
}

VM_TEST_F(reuse, then_discard, "H23")
{
	guest_discard(self->first, SHARED_DEVID, SHARED_EVENT);
	/* Routed to nothing now. */
	if (variant->one_stays)
		source_deassign(self->src[variant->moved]);
	expect_unnoticed(_metadata, self, variant->one_stays);
}

VM_TEST_F(reuse, then_mapd, "H23")
{
	guest_mapd(self->first, SHARED_DEVID, false);
	if (variant->one_stays)
		source_deassign(self->src[variant->moved]);
	expect_unnoticed(_metadata, self, variant->one_stays);
}

VM_TEST_F(reuse, then_reset, "H23")
{
	if (variant->one_stays)
		source_deassign(self->src[variant->moved]);
	if (broker_loaded())
		broker_info(&self->info);
	vm_reset(self->first);
	guest_boot(self->first);
	expect_unnoticed(_metadata, self, 0);
}

TEST_MAIN
