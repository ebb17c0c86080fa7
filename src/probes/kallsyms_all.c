// SPDX-License-Identifier: GPL-2.0-only
/* The address of a variable can be found, too: Debian's kernels from 6.12. */
#include <linux/kallsyms.h>
#include "probe.h"

#ifndef CONFIG_KALLSYMS_ALL
#error "functions only"
#endif

PROBE(kallsyms_lookup_name, unsigned long (const char *));
