// SPDX-License-Identifier: GPL-2.0-only
/* From 6.17 registration takes the eventfd as an argument, and producer->irq as another. */
#include <linux/irqbypass.h>

int (*reg_c)(struct irq_bypass_consumer *, struct eventfd_ctx *) = irq_bypass_register_consumer;
int (*reg_p)(struct irq_bypass_producer *, struct eventfd_ctx *, int) =
	irq_bypass_register_producer;
