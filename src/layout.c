// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this module reads or writes in KVM's structures and the irqchip's, compared with the running
 * kernel's. A module that was built for another kernel is loaded where versions of symbols are off,
 * or where a distribution links it to its next kernel (weak-modules), and would look beside them.
 */
#include <linux/bitops.h>
#include <linux/irqbypass.h>
#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>
#include <linux/string.h>
#include <linux/irqchip/arm-gic-v4.h>
#include <kvm/arm_vgic.h>

#include "compat.h"
#include "layout.h"
#include "symbols.h"

/*
 * A structure's size comes after its members, and what holds another one after that, so that the
 * member is named that is to blame.
 */
static const struct symbol_field fields[] = {
	SYMBOL_FIELD(irq_bypass_consumer, add_producer),
	SYMBOL_FIELD(irq_bypass_consumer, del_producer),
	SYMBOL_STRUCT(irq_bypass_consumer),
	SYMBOL_FIELD(irq_bypass_producer, irq),
	SYMBOL_STRUCT(irq_bypass_producer),

	SYMBOL_FIELD(its_vm, vprop_page),
	SYMBOL_FIELD(its_vm, vpes),
	SYMBOL_FIELD(its_vm, nr_vpes),
	SYMBOL_FIELD(its_vpe, vlpi_count),
	SYMBOL_FIELD(its_vlpi_map, vm),
	SYMBOL_FIELD(its_vlpi_map, vpe),
	SYMBOL_FIELD(its_vlpi_map, vintid),
	SYMBOL_STRUCT(its_vlpi_map),

	SYMBOL_FIELD(kvm_kernel_irqfd, kvm),
	SYMBOL_FIELD(kvm_kernel_irqfd, wait),
	SYMBOL_FIELD(kvm_kernel_irqfd, irq_entry),
	SYMBOL_FIELD(kvm_kernel_irqfd, irq_entry_sc),
	SYMBOL_FIELD(kvm_kernel_irqfd, gsi),
	SYMBOL_FIELD(kvm_kernel_irqfd, inject),
	SYMBOL_FIELD(kvm_kernel_irqfd, eventfd),
	SYMBOL_FIELD(kvm_kernel_irqfd, list),
	SYMBOL_FIELD(kvm_kernel_irqfd, consumer),
	SYMBOL_STRUCT(kvm_kernel_irqfd),
	SYMBOL_FIELD(kvm_kernel_irq_routing_entry, type),
	SYMBOL_FIELD(kvm_kernel_irq_routing_entry, msi.address_lo),
	SYMBOL_FIELD(kvm_kernel_irq_routing_entry, msi.address_hi),
	SYMBOL_FIELD(kvm_kernel_irq_routing_entry, msi.data),
	SYMBOL_FIELD(kvm_kernel_irq_routing_entry, msi.flags),
	SYMBOL_FIELD(kvm_kernel_irq_routing_entry, msi.devid),

	SYMBOL_FIELD(kvm, irq_srcu),
	SYMBOL_FIELD(kvm, irqfds.lock),
	SYMBOL_FIELD(kvm, irqfds.items),
	SYMBOL_FIELD(kvm, users_count),
	SYMBOL_FIELD(kvm, debugfs_dentry),
	SYMBOL_FIELD(kvm, arch.vgic.vgic_model),
	SYMBOL_FIELD(kvm, arch.vgic.has_its),
	SYMBOL_FIELD(kvm, arch.vgic.initialized),
	SYMBOL_FIELD(kvm, arch.vgic.its_vm),
	SYMBOL_FIELD(kvm, arch.vgic.COMPAT_LPIS),
	SYMBOL_FIELD(kvm_vcpu, kvm),
	SYMBOL_FIELD(kvm_vcpu, arch.vgic_cpu.vgic_v3.its_vpe),
	SYMBOL_FIELD(kvm_vcpu, arch.vgic_cpu.COMPAT_LPIS_ENABLED),

	SYMBOL_FIELD(vgic_its, its_lock),
	SYMBOL_FIELD(vgic_its, enabled),
	SYMBOL_FIELD(vgic_its, vgic_its_base),
	SYMBOL_FIELD(vgic_its, dev),
	SYMBOL_FIELD(kvm_device, kvm),
	SYMBOL_FIELD(vgic_irq, irq_lock),
	SYMBOL_FIELD(vgic_irq, target_vcpu),
	SYMBOL_FIELD(vgic_irq, intid),
	SYMBOL_FIELD(vgic_irq, host_irq),
};

/* KVM's mark is a bool in some kernels, and a bit in others, which has no offset. */
static u32 bit_of_mark(void)
{
	struct vgic_irq irq;
	const u8 *byte = (const u8 *)&irq;

	/* What is between members, too, which an initializer may leave. */
	memset(&irq, 0, sizeof(irq));
	irq.hw = true;
	while (!*byte)
		byte++;
	return 8 * (byte - (const u8 *)&irq) + __ffs(*byte);
}

/**
 * layout_check - is the running kernel the one that this module was built for?
 *
 * Context: process; may sleep.
 * Return: 0, or an errno after one line that names the first member that is somewhere else.
 */
int layout_check(void)
{
	const struct symbol_field mark = { "vgic_irq", "hw", bit_of_mark() };
	int ret;

	ret = symbols_check_fields(fields, ARRAY_SIZE(fields));
	return ret ?: symbols_check_fields(&mark, 1);
}
