// SPDX-License-Identifier: GPL-2.0-only
/* Up to 5.13 irq_set_affinity() is an inline function around one that is not exported. */
#include <linux/interrupt.h>
#include "probe.h"

PROBE(__irq_set_affinity, int (unsigned int, const struct cpumask *, bool));
