// SPDX-License-Identifier: GPL-2.0-only
/* Up to 5.10 the callback gets a struct pt_regs. */
#include <linux/ftrace.h>

static void callback(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *op,
		     struct pt_regs *regs)
{
	regs->pc = 0;
}

ftrace_func_t probe = callback;
