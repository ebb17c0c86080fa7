// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM saves the guest's ITS and pending tables, as for a migration or a snapshot, and restores
 * them (H43): no edge is lost on the way, and what the restored tables map is injected directly.
 *
 * KVM does not see in a GICv4.0 machine what is pending in the hardware, and refuses to save an LPI
 * that is forwarded. So a VMM deassigns its irqfds first, which it does while its guest is paused.
 */
#define _GNU_SOURCE
#include <sys/ioctl.h>

#include "harness.h"

#define GITS_CTLR		0x0000
#define GITS_CBASER		0x0080
#define GITS_CWRITER		0x0088
#define GITS_CREADR		0x0090
#define GITS_BASER		0x0100
#define NR_BASERS		8

FIXTURE(saved) {
	struct sharers sh;
};

FIXTURE_VARIANT(saved) {
	bool tables_last;	/* they are restored when the ITS is on again */
};

FIXTURE_VARIANT_ADD(saved, tables_first) {
	.tables_last = false,
};

FIXTURE_VARIANT_ADD(saved, tables_last) {
	.tables_last = true,
};

FIXTURE_SETUP(saved)
{
	sharers_new(&self->sh, "saved", 0, 3);
	EXPECT_SOURCES("assigned");
}

FIXTURE_TEARDOWN(saved)
{
	sharers_free(&self->sh);
}

/* ---- what the VMM does, the guest being paused ----------------------------------------------- */

struct its_regs {
	uint64_t ctlr;
	uint64_t cbaser;
	uint64_t cwriter;
	uint64_t creadr;
	uint64_t baser[NR_BASERS];
};

static uint64_t get_its(struct vm *vm, uint32_t reg)
{
	uint64_t value = 0;
	struct kvm_device_attr a = {
		.group = KVM_DEV_ARM_VGIC_GRP_ITS_REGS,
		.attr = reg,
		.addr = (uintptr_t)&value,
	};

	if (ioctl(vm->its, KVM_GET_DEVICE_ATTR, &a))
		die("reading register %#x of the ITS: %m", reg);
	return value;
}

static void set_its(struct vm *vm, uint32_t reg, uint64_t value)
{
	device_attr(vm->its, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, reg, &value, "a register of the ITS");
}

static int try_save_tables(struct vm *vm)
{
	struct kvm_device_attr a = {
		.group = KVM_DEV_ARM_VGIC_GRP_CTRL,
		.attr = KVM_DEV_ARM_ITS_SAVE_TABLES,
	};

	return ioctl(vm->its, KVM_SET_DEVICE_ATTR, &a) ? -errno : 0;
}

static void save_pending(struct vm *vm)
{
	device_attr(vm->vgic, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES,
		    NULL, "saving the pending tables");
}

/* What is pending by the guest's own table, of vCPU 0. */
static bool is_saved_as_pending(struct vm *vm, uint32_t intid)
{
	const uint8_t *table = (uint8_t *)vm->ram + GUEST_PEND_TABLES - GUEST_RAM;

	return table[intid / 8] & 1 << intid % 8;
}

static void save_regs(struct vm *vm, struct its_regs *regs)
{
	regs->ctlr = get_its(vm, GITS_CTLR);
	regs->cbaser = get_its(vm, GITS_CBASER);
	regs->cwriter = get_its(vm, GITS_CWRITER);
	regs->creadr = get_its(vm, GITS_CREADR);
	for (unsigned int i = 0; i < NR_BASERS; i++)
		regs->baser[i] = get_its(vm, GITS_BASER + 8 * i);
}

static void restore_tables(struct vm *vm)
{
	device_attr(vm->its, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_ITS_RESTORE_TABLES, NULL,
		    "restoring the tables");
}

/* In the order of KVM's documentation, unless @tables_last. */
static void restore_its(struct vm *vm, const struct its_regs *regs, bool tables_last)
{
	set_its(vm, GITS_CBASER, regs->cbaser);
	set_its(vm, GITS_CREADR, regs->creadr);
	set_its(vm, GITS_CWRITER, regs->cwriter);
	for (unsigned int i = 0; i < NR_BASERS; i++)
		set_its(vm, GITS_BASER + 8 * i, regs->baser[i]);
	if (!tables_last)
		restore_tables(vm);
	set_its(vm, GITS_CTLR, regs->ctlr);
	if (tables_last)
		restore_tables(vm);
}

/*
 * The irqfds are gone. An edge that was booked when the last one went is on its way to the guest,
 * and KVM does not wait for it here.
 */
static bool save(struct vm *vm, struct its_regs *regs)
{
	struct wait w;
	int ret;

	ret = try_save_tables(vm);
	if (ret)
		die("saving the tables: %s", strerror(-ret));
	save_regs(vm, regs);
	wait_begin(&w);
	do {
		save_pending(vm);
		if (is_saved_as_pending(vm, SHARED_INTID))
			return true;
	} while (broker_loaded() && wait_more(&w));
	return false;
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* An edge of @s reaches the guest by way of the saved tables alone. */
static void edge_is_kept(struct __test_metadata *_metadata, struct sharers *sh, struct source *s,
			 bool tables_last)
{
	struct vm *vm = sh->vm;
	uint64_t before = sharers_count(sh);
	struct its_regs regs;

	vm_pause(vm);
	source_fire(s);
	source_ack(s);
	/* Its handler, if it runs, has run. */
	visit_host_cpus(NULL, NULL);
	sources_deassign(vm);
	EXPECT_TRUE(save(vm, &regs)) {
		TH_LOG("the edge of %s is not in the saved tables", s->bdf);
	}
	vm_reset_its(vm);
	restore_its(vm, &regs, tables_last);
	vm_resume(vm);
	/* Nothing is assigned: it comes from the tables. */
	EXPECT_TRUE(sharers_takes(sh, before)) {
		TH_LOG("the edge of %s is lost", s->bdf);
	}
	sharers_assign_all(sh);
	await_effects();
	EXPECT_SOURCES("assigned after the restore");
}

FAILS_ON_STOCK("saved.tables_first.edge_of_the_holder_is_kept", "6.1 7.3");
VM_TEST_F(saved, edge_of_the_holder_is_kept, "H43 P2")
{
	struct sharers *sh = &self->sh;
	int holder = sharers_holder(sh);

	ASSERT_LE(0, holder);
	edge_is_kept(_metadata, sh, sh->src[holder], variant->tables_last);
}

VM_TEST_F(saved, edge_of_a_waiter_is_kept, "H43 P2")
{
	struct sharers *sh = &self->sh;
	int holder = sharers_holder(sh);

	ASSERT_LE(0, holder);
	edge_is_kept(_metadata, sh, sh->src[(holder + 1) % sh->nr], variant->tables_last);
}

/* The irqfds are there first: what the tables map is injected directly, with no interrupt. */
FAILS_ON_STOCK("saved.tables_first.what_is_restored_is_direct", "6.1 7.3");
VM_TEST_F(saved, what_is_restored_is_direct, "H43 P3")
{
	struct sharers *sh = &self->sh;
	struct its_regs regs;

	vm_pause(sh->vm);
	sources_deassign(sh->vm);
	ASSERT_EQ(0, try_save_tables(sh->vm));
	save_regs(sh->vm, &regs);
	vm_reset_its(sh->vm);
	sharers_assign_all(sh);
	restore_its(sh->vm, &regs, variant->tables_last);
	EXPECT_PLACED("restored, and still paused");
	vm_resume(sh->vm);
	await_effects();
	EXPECT_SOURCES("restored");
}

/*
 * As on a stock kernel: refused while a vLPI is held, and by whom does not matter. Not on GICv4.1,
 * where KVM can read what is pending of a vPE.
 */
VM_TEST_F(saved, is_refused_while_one_is_held, "H43 P4")
{
	int while_held = host_has_gicv4_1() ? 0 : -EACCES;
	struct sharers *sh = &self->sh;

	vm_pause(sh->vm);
	for (unsigned int n = 0; n < 2; n++) {
		for (unsigned int i = 0; i < sh->nr; i++) {
			EXPECT_EQ(while_held, try_save_tables(sh->vm)) {
				TH_LOG("%u of %u are deassigned", i, sh->nr);
			}
			source_deassign(sh->src[i]);
			if (!broker_loaded())
				break;	/* No other is promoted there. */
		}
		sources_deassign(sh->vm);
		EXPECT_EQ(0, try_save_tables(sh->vm));
		sharers_assign_all(sh);
	}
	vm_resume(sh->vm);
	await_effects();
	EXPECT_SOURCES("assigned again");
}

TEST_MAIN
