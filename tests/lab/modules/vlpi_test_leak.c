// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests only: a KVM that takes no mapping back.
 *
 * kvm_vgic_v4_unset_forwarding() of 6.16 and 6.17 finds nothing to do, and says 0. There are no
 * headers for those kernels, so while this module is loaded every other KVM is made so: a kprobe on
 * the function returns to its caller at once. A kprobe rather than ftrace, which has no interface
 * that is the same on all of them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kprobes.h>
#include <linux/module.h>

static int return_at_once(struct kprobe *probe, struct pt_regs *regs)
{
	regs->regs[0] = 0;
	instruction_pointer_set(regs, procedure_link_pointer(regs));
	return 1;
}

static struct kprobe unset = {
	.symbol_name = "kvm_vgic_v4_unset_forwarding",
	.pre_handler = return_at_once,
};

static int __init vlpi_test_leak_init(void)
{
	return register_kprobe(&unset);
}

static void __exit vlpi_test_leak_exit(void)
{
	unregister_kprobe(&unset);
}

module_init(vlpi_test_leak_init);
module_exit(vlpi_test_leak_exit);

MODULE_DESCRIPTION("For tests only: KVM leaves every host IRQ forwarded");
MODULE_LICENSE("GPL");
