// SPDX-License-Identifier: GPL-2.0-only
/* Up to 6.7 a VM's LPIs are in a list under lpi_list_lock. */
#include <linux/kvm_host.h>
#include <kvm/arm_vgic.h>
#include "probe.h"

PROBE_MEMBER(struct vgic_dist, lpi_list_lock, raw_spinlock_t);
PROBE_MEMBER(struct vgic_dist, lpi_list_head, struct list_head);
PROBE_MEMBER(struct vgic_irq, lpi_list, struct list_head);
