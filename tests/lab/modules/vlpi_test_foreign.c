// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests only: somebody else who has KVM inject interrupts directly.
 *
 * Vendors' kernels forward host IRQs of their own, by KVM's own function and with no irqfd. When it
 * is loaded, by the process that has the VM's file @vm, this module does one thing for @host_irq:
 * it has KVM forward it to what the MSI of @devid and @event leads to (@op 0), has KVM take it back
 * (1), or raises it as those kernels do (2). What KVM or the irqchip said is in @result.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
/* Takes the types of others for granted. */
#include <linux/irqchip/arm-gic-v4.h>
#include <kvm/arm_vgic.h>

#include "address_of.h"

static int op;
module_param(op, int, 0444);
static int host_irq;
module_param(host_irq, int, 0444);
static int vm;
module_param(vm, int, 0444);
static uint devid;
module_param(devid, uint, 0444);
static uint event;
module_param(event, uint, 0444);
static ulong doorbell;
module_param(doorbell, ulong, 0444);
static int result;
module_param(result, int, 0444);

/* Where KVM takes it back by the host IRQ, the route is one argument too many. */
static int ask_kvm(struct kvm *kvm)
{
	struct kvm_kernel_irq_routing_entry route = {
		.type = KVM_IRQ_ROUTING_MSI,
		.msi = {
			.address_lo = lower_32_bits(doorbell),
			.address_hi = upper_32_bits(doorbell),
			.data = event,
			.flags = KVM_MSI_VALID_DEVID,
			.devid = devid,
		},
	};
	typeof(kvm_vgic_v4_set_forwarding) *set = address_of("kvm_vgic_v4_set_forwarding");
	typeof(kvm_vgic_v4_set_forwarding) *unset = address_of("kvm_vgic_v4_unset_forwarding");

	if (!set || !unset)
		return -ENOENT;
	if (!op)
		result = set(kvm, host_irq, &route);
	else
		unset(kvm, host_irq, &route);
	return 0;
}

static int __init vlpi_test_foreign_init(void)
{
	struct file *file;
	int ret;

	if (op == 2) {
		result = irq_set_irqchip_state(host_irq, IRQCHIP_STATE_PENDING, true);
		return 0;
	}
	file = fget(vm);
	if (!file)
		return -EBADF;
	ret = ask_kvm(file->private_data);
	fput(file);
	return ret;
}

static void __exit vlpi_test_foreign_exit(void)
{
}

module_init(vlpi_test_foreign_init);
module_exit(vlpi_test_foreign_exit);

MODULE_DESCRIPTION("For tests only: forwards a host IRQ with no irqfd");
MODULE_LICENSE("GPL");
