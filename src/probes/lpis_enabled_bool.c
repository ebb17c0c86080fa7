// SPDX-License-Identifier: GPL-2.0-only
/* Up to 5.17 a bool says whether a redistributor has LPIs on. */
#include <linux/kvm_host.h>
#include <kvm/arm_vgic.h>

bool *probe(struct kvm_vcpu *vcpu);
bool *probe(struct kvm_vcpu *vcpu)
{
	return &vcpu->arch.vgic_cpu.lpis_enabled;
}
