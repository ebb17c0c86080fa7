// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests only: what GICv4.1 does not allow, and the emulator has to complain of.
 *
 * When it is loaded, this module does @what to the vPE that @holder is mapped to, on the CPU that
 * loads it, and undoes it. The VM must not run, and no other vPE on that CPU.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/module.h>
#include <linux/spinlock.h>
/* Takes the types of others for granted. */
#include <linux/irqchip/arm-gic-v4.h>
#include "address_of.h"

static int holder;
module_param(holder, int, 0444);
static char *what = "";
module_param(what, charp, 0444);

static struct its_vpe *vpe;

static int find_vpe(void)
{
	typeof(its_get_vlpi) *get = address_of("its_get_vlpi");
	struct its_vlpi_map map = { };
	int ret;

	if (!get)
		return -ENOENT;
	ret = get(holder, &map);
	vpe = map.vpe;
	return ret;
}

/* Past KVM, which would see to the order of things. */
static void schedule_vpe(bool g1en)
{
	struct its_cmd_info info = { .cmd_type = SCHEDULE_VPE, { .g1en = g1en } };

	irq_set_vcpu_affinity(vpe->irq, &info);
}

static void deschedule_vpe(void)
{
	struct its_cmd_info info = { .cmd_type = DESCHEDULE_VPE };

	irq_set_vcpu_affinity(vpe->irq, &info);
}

/* The irqchip maps a vPE when its doorbell is requested, and unmaps it when that is freed. */
static struct irqaction unmap_vpe(void)
{
	struct irqaction action = *irq_data_to_desc(irq_get_irq_data(vpe->irq))->action;

	free_irq(vpe->irq, action.dev_id);
	return action;
}

static int map_vpe(const struct irqaction *action)
{
	return request_irq(vpe->irq, action->handler, 0, action->name, action->dev_id);
}

static int __init vlpi_test_rules_init(void)
{
	struct irqaction action;
	int ret = find_vpe();

	if (ret)
		return ret;
	if (!strcmp(what, "unmapped is made resident")) {
		action = unmap_vpe();
		schedule_vpe(true);
		deschedule_vpe();
		ret = map_vpe(&action);
	} else if (!strcmp(what, "resident is unmapped")) {
		schedule_vpe(true);
		action = unmap_vpe();
		deschedule_vpe();
		ret = map_vpe(&action);
	} else if (!strcmp(what, "resident is changed")) {
		schedule_vpe(true);
		schedule_vpe(false);
		deschedule_vpe();
	} else if (!strcmp(what, "resident is moved")) {
		schedule_vpe(true);
		/* It is expected on one of the two. */
		irq_set_affinity(vpe->irq, cpumask_of(0));
		irq_set_affinity(vpe->irq, cpumask_of(1));
		deschedule_vpe();
	} else {
		ret = -EINVAL;
	}
	return ret;
}

static void __exit vlpi_test_rules_exit(void)
{
}

module_init(vlpi_test_rules_init);
module_exit(vlpi_test_rules_exit);

MODULE_DESCRIPTION("For tests only: does what GICv4.1 does not allow");
MODULE_LICENSE("GPL");
