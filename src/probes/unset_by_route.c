// SPDX-License-Identifier: GPL-2.0-only
/*
 * Up to 6.15 or so KVM finds the vLPI to unmap by walking the guest's tables for the route, and
 * marks a vLPI as forwarded under its_lock alone.
 */
#include <linux/kvm_host.h>
#include <kvm/arm_vgic.h>
#include "probe.h"

PROBE(kvm_vgic_v4_unset_forwarding, int (struct kvm *, int, struct kvm_kernel_irq_routing_entry *));
