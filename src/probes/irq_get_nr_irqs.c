// SPDX-License-Identifier: GPL-2.0-only
/* From 6.13 the number of host IRQs is behind a function; before, it is the variable nr_irqs. */
#include <linux/irqnr.h>
#include "probe.h"

PROBE(irq_get_nr_irqs, unsigned int (void));
