// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtual SGIs of GICv4.1, which the host's ITS sends (H39): host IRQs of vPEs that are forwarded
 * and no concern of the broker's. And a VM whose VMM does without them: KVM maps nothing for it.
 * For a machine that has them: tests/lab/run --gic 4.1 --vsgi.
 */
#define _GNU_SOURCE
#include "harness.h"

#define NR_SGIS			16
#define ROUNDS			64

#define GICD_CTLR		(GUEST_GICD + 0)
#define GICD_CTLR_ENABLE_G1	0x12	/* with affinity routing */
#define GICD_CTLR_NASSGIREQ	0x100
#define GICD_TYPER2		(GUEST_GICD + 0xc)
#define GICD_TYPER2_NASSGICAP	0x100
#define SGI_FRAME(cpu)		(GUEST_GICR + (cpu) * GUEST_GICR_STRIDE + 0x10000)
#define GICR_ISENABLER0		0x100
#define GICR_ISPENDR0		0x200
#define GICR_IPRIORITYR0	0x400

#define NO_VSGIS		"no vSGIs: tests/lab/run --gic 4.1 --vsgi"

static void write32(struct vm *vm, uint64_t addr, uint32_t value)
{
	guest_do(vm, 0, GUEST_WRITE, addr, 4, value, 0, 0);
}

static uint32_t read32(struct vm *vm, uint64_t addr)
{
	return guest_do(vm, 0, GUEST_READ, addr, 4, 0, 0, 0);
}

static bool has_vsgis(struct vm *vm)
{
	return read32(vm, GICD_TYPER2) & GICD_TYPER2_NASSGICAP;
}

FIXTURE(vsgis) {
	struct vm *vm;
	bool was_loaded;
};

/* The guest asks for them while its distributor is off. Nothing wakes a vCPU then: it spins. */
static void use_vsgis(struct vm *vm)
{
	guest_idle(vm, 0, GUEST_IDLE_SPIN);
	write32(vm, GICD_CTLR, GICD_CTLR_ENABLE_G1 & ~0x2);
	write32(vm, GICD_CTLR, GICD_CTLR_ENABLE_G1 | GICD_CTLR_NASSGIREQ);
	guest_idle(vm, 0, GUEST_IDLE_WFI);
	for (unsigned int cpu = 0; cpu < vm->nr_vcpus; cpu++) {
		for (unsigned int i = 0; i < NR_SGIS; i += 4)
			write32(vm, SGI_FRAME(cpu) + GICR_IPRIORITYR0 + i, 0x90909090);
		write32(vm, SGI_FRAME(cpu) + GICR_ISENABLER0, (1 << NR_SGIS) - 1);
	}
}

FIXTURE_SETUP(vsgis)
{
	self->was_loaded = broker_loaded();
	/* It is loaded beside them. */
	if (self->was_loaded)
		broker_want(false);
	self->vm = vm_new("vSGIs", 2);
	guest_boot(self->vm);
	if (!has_vsgis(self->vm))
		SKIP(return, NO_VSGIS);
	use_vsgis(self->vm);
	ASSERT_TRUE(read32(self->vm, GICD_CTLR) & GICD_CTLR_NASSGIREQ);
}

FIXTURE_TEARDOWN(vsgis)
{
	vm_free(self->vm);
	broker_want(self->was_loaded);
}

static void expect_each_once(struct __test_metadata *_metadata, struct vm *vm)
{
	for (unsigned int n = 0; n < ROUNDS; n++) {
		unsigned int cpu = n & 1, sgi = n / 2 % NR_SGIS;
		uint64_t before = guest_count_on(vm, cpu, sgi);

		write32(vm, SGI_FRAME(cpu) + GICR_ISPENDR0, 1U << sgi);
		wait_for(guest_count_on(vm, cpu, sgi) != before, "round %u: vCPU %u takes SGI %u",
			 n, cpu, sgi);
		EXPECT_EQ(before + 1, guest_count_on(vm, cpu, sgi));
	}
}

VM_TEST_F(vsgis, are_left_alone_by_a_load, "H39 P4")
{
	struct vlpi_broker_info info;

	expect_each_once(_metadata, self->vm);
	if (!self->was_loaded)
		return;
	ASSERT_EQ(0, broker_load());
	broker_info(&info);
	EXPECT_EQ(0, info.forced_unmaps);
	EXPECT_EQ(0, info.repairs);
	EXPECT_EQ(0, info.nr_dead_strays);
	expect_each_once(_metadata, self->vm);
}

FIXTURE(without) {
	struct sharers sh;
};

FIXTURE_SETUP(without)
{
	struct vm *vm = vm_new("asked", 1);
	bool vsgis = has_vsgis(vm);

	vm_free(vm);
	if (!vsgis)
		SKIP(return, NO_VSGIS);
	if (kernel_before(6, 17))
		SKIP(return, "up to 6.16 a VMM has no say in it");
	self->sh.vm = vm_new_without_vsgis("without", 1);
	guest_boot(self->sh.vm);
	sharers_map(&self->sh);
	sharers_open(&self->sh, 0, 3);
}

FIXTURE_TEARDOWN(without)
{
	if (self->sh.vm)
		sharers_free(&self->sh);
}

static bool is_unmappable(struct source *s)
{
	struct vlpi_broker_client c;

	return broker_client(s, &c) && c.state == VLPI_BROKER_UNMAPPABLE && c.error == EOPNOTSUPP &&
	       !(c.flags & VLPI_BROKER_CLIENT_FORWARDED);
}

/* KVM's add says 0 and has mapped nothing. To try that again halts the guest for nothing. */
VM_TEST_F(without, is_served_in_software_and_not_retried, "H39 P7")
{
	struct vlpi_broker_info before, after;
	struct sharers *sh = &self->sh;

	sharers_assign_all(sh);
	await_effects();
	if (broker_loaded())
		broker_info(&before);
	for (unsigned int n = 0; n < 3; n++)
		for (unsigned int i = 0; i < sh->nr; i++)
			EXPECT_VERDICT(sh->src[i], SOFTWARE);
	if (!broker_loaded())
		return;
	broker_info(&after);
	EXPECT_EQ(before.grants, after.grants);
	EXPECT_EQ(before.grant_failures, after.grant_failures);
	for (unsigned int i = 0; i < sh->nr; i++)
		EXPECT_TRUE(is_unmappable(sh->src[i]));
}

TEST_MAIN
