// SPDX-License-Identifier: GPL-2.0-only
/* From 6.17 registration of a consumer takes the eventfd as an argument. */
#include <linux/irqbypass.h>
#include "probe.h"

PROBE(irq_bypass_register_consumer, int (struct irq_bypass_consumer *, struct eventfd_ctx *));
