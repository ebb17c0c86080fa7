// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests only: another one that redirects a kernel function, as a live patch does.
 *
 * While this module is loaded it owns @function: ftrace has one owner a function that may change
 * its program counter. This one never does.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/string.h>

static char *function;
module_param(function, charp, 0444);

/* ftrace gives it arguments, of other types on other kernels. */
static void notrace change_nothing(void)
{
}

static struct ftrace_ops ops = {
	.func = (void *)change_nothing,
#ifdef CONFIG_DYNAMIC_FTRACE_WITH_REGS
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_SAVE_REGS,
#else
	.flags = FTRACE_OPS_FL_IPMODIFY,
#endif
};

/* There is no function of an empty name, so the filter is empty then. */
static void forget_filter(void)
{
	ftrace_set_filter(&ops, NULL, 0, 1);
}

static int __init vlpi_test_rival_init(void)
{
	int ret;

	if (!function)
		return -EINVAL;
	ret = ftrace_set_filter(&ops, function, strlen(function), 1);
	if (!ret)
		ret = register_ftrace_function(&ops);
	if (ret)
		forget_filter();
	return ret;
}

static void __exit vlpi_test_rival_exit(void)
{
	unregister_ftrace_function(&ops);
	forget_filter();
}

module_init(vlpi_test_rival_init);
module_exit(vlpi_test_rival_exit);

MODULE_DESCRIPTION("For tests only: redirects a kernel function before or after vlpi_broker");
MODULE_LICENSE("GPL");
