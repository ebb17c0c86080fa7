// SPDX-License-Identifier: GPL-2.0-only
/* An RFC of November 2023 has KVM map several host IRQs, and count them, where host_irq was. */
#include <linux/kvm_host.h>
#include <kvm/arm_vgic.h>
#include "probe.h"

PROBE_MEMBER(struct vgic_irq, map_count, int);
PROBE_MEMBER(struct vgic_irq, host_irq_head, struct list_head);
