/* SPDX-License-Identifier: GPL-2.0-only */
/* For the size of struct vb_proxy: the largest that it has on any kernel. */
#ifndef SCALE_LINUX_IRQBYPASS_H
#define SCALE_LINUX_IRQBYPASS_H

#include <linux/types.h>

struct irq_bypass_consumer {
	struct list_head node;
	void *token;
	void *functions[4];
};

#endif /* SCALE_LINUX_IRQBYPASS_H */
