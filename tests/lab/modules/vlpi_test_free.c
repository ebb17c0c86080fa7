// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests only: a driver that frees its host IRQ before it unregisters the producer.
 *
 * vhost-vdpa does so up to 5.15 (reset of the device, release). No driver of the lab's devices does:
 * when it is loaded, this module has the irqchip end the forwarding of @host_irq as freeing it would,
 * past KVM and past its_unmap_vlpi(). What the irqchip said is in @result.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/module.h>

static int host_irq;
module_param(host_irq, int, 0444);
static int result;
module_param(result, int, 0444);

static int __init vlpi_test_free_init(void)
{
	result = irq_set_vcpu_affinity(host_irq, NULL);
	return 0;
}

static void __exit vlpi_test_free_exit(void)
{
}

module_init(vlpi_test_free_init);
module_exit(vlpi_test_free_exit);

MODULE_DESCRIPTION("For tests only: ends the forwarding of a host IRQ as freeing it would");
MODULE_LICENSE("GPL");
