// SPDX-License-Identifier: GPL-2.0-only
/* An RFC of November 2023 has KVM map several host IRQs, and count them, where host_irq was. */
#include <linux/kvm_host.h>
#include <kvm/arm_vgic.h>

void *probe(struct vgic_irq *irq);
void *probe(struct vgic_irq *irq)
{
	return irq->map_count ? &irq->host_irq_head : NULL;
}
