// SPDX-License-Identifier: GPL-2.0-only
/*
 * In place of vlpi_broker on a kernel that can't have it, where dkms would make the kernel's own
 * installation fail if nothing was built. It never stays loaded.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "why.h"

static int __init stub_init(void)
{
	pr_err("this kernel can't have the module: " WHY "\n");
	return -ENODEV;
}
module_init(stub_init);

MODULE_DESCRIPTION("Stand-in: this kernel can't have vlpi_broker");
MODULE_LICENSE("GPL");
