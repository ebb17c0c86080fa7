// SPDX-License-Identifier: GPL-2.0-only
/* Up to 6.7 a VM's LPIs are in a list under lpi_list_lock. */
#include <linux/kvm_host.h>
#include <kvm/arm_vgic.h>

struct list_head *probe(struct kvm *kvm, struct vgic_irq *irq);
struct list_head *probe(struct kvm *kvm, struct vgic_irq *irq)
{
	raw_spin_lock(&kvm->arch.vgic.lpi_list_lock);
	return &kvm->arch.vgic.lpi_list_head == &irq->lpi_list ? NULL : &irq->lpi_list;
}
