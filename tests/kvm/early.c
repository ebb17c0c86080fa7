// SPDX-License-Identifier: GPL-2.0-only
/*
 * Irqfds are assigned before the guest has mapped the event that their route names, at each step
 * of its boot (H7). Once it is mapped, the vLPI has its holder with no interrupt needed.
 */
#define _GNU_SOURCE
#include "harness.h"

/* The last step that the guest takes until its event leads to its LPI; all assign before it. */
enum last {
	MAPTI,
	MAPD_TOO,
	ENABLE,			/* the property byte */
	LPIS,
	ITS_ON,
	MAPC,
	BOOT,			/* everything */
	NEW_ITS,		/* the VM has none yet */
};

FIXTURE(early) {
	struct sharers sh;
};

FIXTURE_VARIANT(early) {
	enum last last;
};

#define EARLY(name, l)						\
	FIXTURE_VARIANT_ADD(early, name) {			\
		.last = l,					\
	}

EARLY(before_mapti, MAPTI);
EARLY(before_mapd, MAPD_TOO);
EARLY(before_lpi_enabled, ENABLE);
EARLY(before_lpis_on, LPIS);
EARLY(before_its_on, ITS_ON);
EARLY(before_mapc, MAPC);
EARLY(before_boot, BOOT);
EARLY(before_its_exists, NEW_ITS);

static void boot_until(struct vm *vm, enum last last)
{
	if (last == BOOT)
		return;
	guest_init_gic(vm);
	if (last == NEW_ITS)
		return;
	/* Without the table that this sets, KVM takes no MAPTI. */
	guest_lpis(vm, 0, true);
	if (last == LPIS)
		guest_lpis(vm, 0, false);
	if (last == MAPC)
		guest_do(vm, 0, GUEST_ITS_INIT, 0, 0, 0, 0, 0);
	else
		guest_init_its(vm);
	if (last == MAPD_TOO)
		return;
	guest_mapd(vm, SHARED_DEVID, true);
	if (last == MAPTI)
		return;
	guest_map(vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	if (last == ENABLE)
		guest_enable(vm, SHARED_INTID, false);
	if (last == ITS_ON)
		guest_its(vm, false);
}

static void boot_on(struct vm *vm, enum last last)
{
	switch (last) {
	case ENABLE:
		guest_enable(vm, SHARED_INTID, true);
		return;
	case LPIS:
		guest_lpis(vm, 0, true);
		return;
	case ITS_ON:
		guest_its(vm, true);
		return;
	case MAPC:
		guest_map_collection(vm, 0, 0);
		return;
	case NEW_ITS:
		vm_add_its(vm);
		guest_lpis(vm, 0, true);
		guest_init_its(vm);
		break;
	case BOOT:
		guest_boot(vm);
		break;
	default:
		break;
	}
	guest_map(vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
}

FIXTURE_SETUP(early)
{
	struct sharers *sh = &self->sh;

	if (variant->last == NEW_ITS)
		sh->vm = vm_new_without_its("early", 1);
	else
		sh->vm = vm_new("early", 1);
	boot_until(sh->vm, variant->last);
	sharers_open(sh, 0, 3);
	sharers_assign_all(sh);
}

FIXTURE_TEARDOWN(early)
{
	sharers_free(&self->sh);
}

VM_TEST_F(early, is_direct_once_mapped, "H7")
{
	struct sharers *sh = &self->sh;

	/* An LPI that is mapped and not enabled keeps what is raised. */
	for (unsigned int i = 0; i < sh->nr && variant->last != ENABLE; i++)
		EXPECT_VERDICT(sh->src[i], HOST);
	boot_on(sh->vm, variant->last);
	ASSERT_SOURCES("mapped");
	for (unsigned int i = 0; i < sh->nr; i++) {
		source_deassign(sh->src[i]);
		ASSERT_SOURCES("%u left", i + 1);
	}
}

/* With no interrupt raised at all until it is in its place. */
FAILS_ON_STOCK("early.before_mapti.needs_no_interrupt", "6.1");
VM_TEST_F(early, needs_no_interrupt, "H7")
{
	struct sharers *sh = &self->sh;

	boot_on(sh->vm, variant->last);
	ASSERT_SOURCES("mapped");
}

VM_TEST_F(early, loses_no_edge_once_mapped, "H7")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	await_effects();
	boot_on(sh->vm, variant->last);
	before = guest_count(sh->vm, SHARED_INTID);
	for (unsigned int i = 0; i < sh->nr; i++) {
		source_fire(sh->src[i]);
		EXPECT_TRUE(guest_takes(sh->vm, SHARED_INTID, before)) {
			TH_LOG("source %u: raised once mapped: lost", i);
		}
		await_effects();
		before = guest_count(sh->vm, SHARED_INTID);
	}
	ASSERT_SOURCES("afterwards");
}

VM_TEST_F(early, under_fire, "H7")
{
	struct sharers *sh = &self->sh;
	uint64_t before = guest_lpi_count(sh->vm);
	struct firing f;

	firing_start(&f, sh->src, sh->nr);
	await_effects();
	EXPECT_EQ(before, guest_lpi_count(sh->vm));
	boot_on(sh->vm, variant->last);
	EXPECT_TRUE(guest_takes(sh->vm, SHARED_INTID, guest_count(sh->vm, SHARED_INTID)));
	firing_stop(&f);
	ASSERT_SOURCES("afterwards");
}

TEST_MAIN
