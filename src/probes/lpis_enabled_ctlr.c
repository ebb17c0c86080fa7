// SPDX-License-Identifier: GPL-2.0-only
/* From 5.18 an atomic copy of GICR_CTLR says whether a redistributor has LPIs on. */
#include <linux/kvm_host.h>
#include <kvm/arm_vgic.h>
#include "probe.h"

PROBE_MEMBER(struct vgic_cpu, ctlr, atomic_t);
