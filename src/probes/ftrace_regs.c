// SPDX-License-Identifier: GPL-2.0-only
/* arm64 from 5.11 to 6.1: struct ftrace_regs wraps the full registers (FL_SAVE_REGS). */
#include <linux/ftrace.h>

void probe(struct ftrace_regs *fregs);
void probe(struct ftrace_regs *fregs)
{
#ifndef CONFIG_DYNAMIC_FTRACE_WITH_REGS
#error "no registers"
#endif
	ftrace_get_regs(fregs)->pc = 0;
}
