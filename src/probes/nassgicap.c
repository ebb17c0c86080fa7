// SPDX-License-Identifier: GPL-2.0-only
/* From 6.17 a VMM can take vSGIs from a VM. On GICv4.1 with vSGIs KVM maps nothing for it then. */
#include <linux/kvm_host.h>
#include <kvm/arm_vgic.h>
#include "probe.h"

PROBE_MEMBER(struct vgic_dist, nassgicap, bool);
