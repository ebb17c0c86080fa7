// SPDX-License-Identifier: GPL-2.0-only
/* In 6.16 KVM finds the vLPI by the host IRQ already, and the function still returns int. */
#include <linux/kvm_host.h>
#include <kvm/arm_vgic.h>
#include "probe.h"

PROBE(kvm_vgic_v4_unset_forwarding, int (struct kvm *, int));
