// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests only: a VM without vPEs.
 *
 * A VMM can bring one about on some kernels, in ways that differ between them. When it is loaded,
 * this module hides those of the VM that @holder is mapped to, and shows them again at its end.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/spinlock.h>
/* Takes the types of others for granted. */
#include <linux/irqchip/arm-gic-v4.h>

static int holder;
module_param(holder, int, 0444);

static struct its_vm *vm;
static struct its_vpe **vpes;
static int nr_vpes;

static int __init vlpi_test_vpes_init(void)
{
	struct kprobe probe = { .symbol_name = "its_get_vlpi" };
	struct its_vlpi_map map = { };
	typeof(its_get_vlpi) *get;
	int ret;

	/* It is not exported. */
	ret = register_kprobe(&probe);
	if (ret)
		return ret;
	get = (void *)probe.addr;
	unregister_kprobe(&probe);
	ret = get(holder, &map);
	if (ret)
		return ret;
	vm = map.vm;
	vpes = vm->vpes;
	nr_vpes = vm->nr_vpes;
	vm->vpes = NULL;
	vm->nr_vpes = 0;
	return 0;
}

static void __exit vlpi_test_vpes_exit(void)
{
	vm->nr_vpes = nr_vpes;
	vm->vpes = vpes;
}

module_init(vlpi_test_vpes_init);
module_exit(vlpi_test_vpes_exit);

MODULE_DESCRIPTION("For tests only: hides the vPEs of a VM");
MODULE_LICENSE("GPL");
