// SPDX-License-Identifier: GPL-2.0-only
/* From 6.8 a VM's LPIs are in an xarray, freed after RCU. */
#include <linux/kvm_host.h>
#include <kvm/arm_vgic.h>
#include "probe.h"

PROBE_MEMBER(struct vgic_dist, lpi_xa, struct xarray);
PROBE_MEMBER(struct vgic_irq, rcu, struct rcu_head);
