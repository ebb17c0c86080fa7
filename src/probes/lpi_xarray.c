// SPDX-License-Identifier: GPL-2.0-only
/* From 6.8 a VM's LPIs are in an xarray, freed after RCU. */
#include <linux/kvm_host.h>
#include <kvm/arm_vgic.h>

void *probe(struct kvm *kvm, struct vgic_irq *irq);
void *probe(struct kvm *kvm, struct vgic_irq *irq)
{
	call_rcu(&irq->rcu, NULL);
	return xa_load(&kvm->arch.vgic.lpi_xa, irq->intid);
}
