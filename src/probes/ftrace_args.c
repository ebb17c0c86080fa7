// SPDX-License-Identifier: GPL-2.0-only
/* arm64 from 6.2: a callback gets the arguments only, and may set where to go on. */
#include <linux/ftrace.h>
#include "probe.h"

#ifndef CONFIG_DYNAMIC_FTRACE_WITH_ARGS
#error "full registers"
#endif

PROBE(ftrace_regs_set_instruction_pointer, void (struct ftrace_regs *, unsigned long));
