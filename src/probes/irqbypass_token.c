// SPDX-License-Identifier: GPL-2.0-only
/* Up to 6.16 an irq_bypass consumer carries its identity as an opaque token. */
#include <linux/irqbypass.h>

int (*reg)(struct irq_bypass_consumer *) = irq_bypass_register_consumer;
void *probe(struct irq_bypass_consumer *cons);
void *probe(struct irq_bypass_consumer *cons)
{
	return cons->token;
}
