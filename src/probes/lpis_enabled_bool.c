// SPDX-License-Identifier: GPL-2.0
/* Before, a bool. */
#include <linux/kvm_host.h>
#include <kvm/arm_vgic.h>

bool *probe(struct kvm_vcpu *vcpu);
bool *probe(struct kvm_vcpu *vcpu)
{
	return &vcpu->arch.vgic_cpu.lpis_enabled;
}
