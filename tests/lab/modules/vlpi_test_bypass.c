// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests only: a function is called past ftrace.
 *
 * Some vendors' live patches write a branch over a function's first instruction, in front of what
 * ftrace has patched: who redirects it by ftrace is not asked any more. This module does the like
 * to @function while it is loaded: a kprobe on the first instruction goes on behind ftrace's two.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kprobes.h>
#include <linux/module.h>
#include <asm/insn.h>

/* "mov x9, x30", the first of the two. */
#define FTRACE_FIRST		0xaa1e03e9
/* There may be a landing pad in front of it. */
#define LOOK_AT			3

static char *function;
module_param(function, charp, 0444);

static unsigned long behind;

static int go_on_behind(struct kprobe *probe, struct pt_regs *regs)
{
	instruction_pointer_set(regs, behind);
	return 1;
}

static struct kprobe probe = {
	.pre_handler = go_on_behind,
	.flags = KPROBE_FLAG_DISABLED,
};

static int __init vlpi_test_bypass_init(void)
{
	const __le32 *at;
	unsigned int i;
	int ret;

	probe.symbol_name = function;
	ret = register_kprobe(&probe);
	if (ret)
		return ret;
	at = (const __le32 *)probe.addr;
	for (i = 0; i < LOOK_AT; i++)
		if (le32_to_cpu(at[i]) == FTRACE_FIRST)
			behind = (unsigned long)&at[i + 2];
	ret = behind ? enable_kprobe(&probe) : -EOPNOTSUPP;
	if (ret)
		unregister_kprobe(&probe);
	return ret;
}

static void __exit vlpi_test_bypass_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(vlpi_test_bypass_init);
module_exit(vlpi_test_bypass_exit);

MODULE_DESCRIPTION("For tests only: a function is called past what redirects it");
MODULE_LICENSE("GPL");
