// SPDX-License-Identifier: GPL-2.0-only
/* Up to 6.16 an irq_bypass consumer carries its identity as an opaque token. */
#include <linux/irqbypass.h>
#include "probe.h"

PROBE(irq_bypass_register_consumer, int (struct irq_bypass_consumer *));
PROBE_MEMBER(struct irq_bypass_consumer, token, void *);
