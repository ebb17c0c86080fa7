// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests only: a KVM that wants to map what it must not.
 *
 * No stock KVM asks for a second host IRQ on a vLPI while the broker decides who gets one, so when
 * it is loaded this module asks in its place: for @host_irq, with what @holder is mapped to, or
 * with @vintid instead of that vINTID. What its_map_vlpi() said is in @result.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/spinlock.h>
/* Takes the types of others for granted. */
#include <linux/irqchip/arm-gic-v4.h>

#include "address_of.h"

static int host_irq;
module_param(host_irq, int, 0444);
static int holder;
module_param(holder, int, 0444);
static uint vintid;
module_param(vintid, uint, 0444);
static int result;
module_param(result, int, 0444);

static int __init vlpi_test_map_init(void)
{
	typeof(its_get_vlpi) *get = address_of("its_get_vlpi");
	typeof(its_map_vlpi) *map = address_of("its_map_vlpi");
	struct its_vlpi_map what = { };
	int ret;

	if (!get || !map)
		return -ENOENT;
	ret = get(holder, &what);
	if (ret)
		return ret;
	if (vintid)
		what.vintid = vintid;
	result = map(host_irq, &what);
	return 0;
}

static void __exit vlpi_test_map_exit(void)
{
}

module_init(vlpi_test_map_init);
module_exit(vlpi_test_map_exit);

MODULE_DESCRIPTION("For tests only: asks for a mapping that the broker has to refuse");
MODULE_LICENSE("GPL");
