// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests only: a map or an unmap of @host_irq that takes long.
 *
 * It stops where @at says, until @go is written, or for some seconds: 0 at the beginning of KVM's
 * kvm_vgic_v4_set_forwarding(), where KVM has no lock yet; 1 before the irqchip maps; 2 before the
 * irqchip unmaps. At the latter two KVM may have interrupts off, and the CPU spins. @reached and
 * @passed say how far it is.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/irqchip/arm-gic-v4.h>

#define AT_FORWARD	0
#define AT_MAP		1
#define AT_UNMAP	2

/* In the spinning loop, and in the sleeping one. */
#define SPINS		150000
#define SPIN_US		100
#define SLEEPS		20000

static int host_irq;
module_param(host_irq, int, 0444);
static uint at;
module_param(at, uint, 0444);
static int go;
module_param(go, int, 0644);
static int reached;
module_param(reached, int, 0444);
static int passed;
module_param(passed, int, 0444);

typedef int set_forwarding_t(struct kvm *kvm, int virq,
			     struct kvm_kernel_irq_routing_entry *irq_entry);

static struct kprobe probe;
static struct task_struct *goes_on;
static atomic_t inside = ATOMIC_INIT(0);

/* In the place of the function, with its arguments, and free to sleep. */
static int slow_forwarding(struct kvm *kvm, int virq,
			   struct kvm_kernel_irq_routing_entry *irq_entry)
{
	unsigned int i;
	int ret;

	WRITE_ONCE(reached, 1);
	for (i = 0; i < SLEEPS && !READ_ONCE(go); i++)
		usleep_range(500, 1000);
	WRITE_ONCE(passed, 1);
	WRITE_ONCE(goes_on, current);
	ret = ((set_forwarding_t *)probe.addr)(kvm, virq, irq_entry);
	WRITE_ONCE(goes_on, NULL);
	atomic_dec(&inside);
	return ret;
}

static int before_forwarding(struct kprobe *p, struct pt_regs *regs)
{
	if ((int)regs->regs[1] != host_irq || READ_ONCE(goes_on) == current)
		return 0;
	atomic_inc(&inside);
	instruction_pointer_set(regs, (unsigned long)slow_forwarding);
	return 1;
}

static int before_irqchip(struct kprobe *p, struct pt_regs *regs)
{
	const struct its_cmd_info *info = (void *)regs->regs[1];
	bool maps = info && info->cmd_type == MAP_VLPI;
	unsigned int i;

	if ((int)regs->regs[0] != host_irq || (at == AT_MAP ? !maps : !!info))
		return 0;
	WRITE_ONCE(reached, 1);
	for (i = 0; i < SPINS && !READ_ONCE(go); i++)
		udelay(SPIN_US);
	WRITE_ONCE(passed, 1);
	return 0;
}

static int __init vlpi_test_slow_init(void)
{
	bool forward = at == AT_FORWARD;

	probe.symbol_name = forward ? "kvm_vgic_v4_set_forwarding" : "irq_set_vcpu_affinity";
	probe.pre_handler = forward ? before_forwarding : before_irqchip;
	return register_kprobe(&probe);
}

static void __exit vlpi_test_slow_exit(void)
{
	WRITE_ONCE(go, 1);
	unregister_kprobe(&probe);
	while (atomic_read(&inside))
		msleep(20);
	/* The last one is at its return. */
	msleep(200);
}

module_init(vlpi_test_slow_init);
module_exit(vlpi_test_slow_exit);

MODULE_DESCRIPTION("For tests only: a map or an unmap of a host IRQ that takes long");
MODULE_LICENSE("GPL");
