// SPDX-License-Identifier: GPL-2.0-only
/* From 5.18 an atomic copy of GICR_CTLR says whether a redistributor has LPIs on. */
#include <linux/kvm_host.h>
#include <kvm/arm_vgic.h>

int probe(struct kvm_vcpu *vcpu);
int probe(struct kvm_vcpu *vcpu)
{
	return atomic_read(&vcpu->arch.vgic_cpu.ctlr);
}
