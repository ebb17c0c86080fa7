// SPDX-License-Identifier: GPL-2.0-only
/* Up to 5.10 the callback gets a struct pt_regs. */
#include <linux/ftrace.h>
#include "probe.h"

PROBE((ftrace_func_t)0, void (*)(unsigned long, unsigned long, struct ftrace_ops *,
				 struct pt_regs *));
PROBE_MEMBER(struct pt_regs, pc, u64);
