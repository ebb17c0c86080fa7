// SPDX-License-Identifier: GPL-2.0-only
/* arm64 from 5.11 to 6.1: struct ftrace_regs wraps the full registers (FL_SAVE_REGS). */
#include <linux/ftrace.h>
#include "probe.h"

#ifndef CONFIG_DYNAMIC_FTRACE_WITH_REGS
#error "no registers"
#endif

PROBE(ftrace_get_regs, struct pt_regs *(struct ftrace_regs *));
PROBE_MEMBER(struct pt_regs, pc, u64);
