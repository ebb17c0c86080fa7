// SPDX-License-Identifier: GPL-2.0-only
/*
 * From 6.17 KVM finds the vLPI to unmap by the host IRQ, walking all LPIs. Every change of the
 * forwarded mark, the map and unmap calls included, is under the vgic_irq's raw irq_lock there.
 */
#include <linux/kvm_host.h>
#include <kvm/arm_vgic.h>
#include "probe.h"

PROBE(kvm_vgic_v4_unset_forwarding, void (struct kvm *, int));
