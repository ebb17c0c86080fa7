// SPDX-License-Identifier: GPL-2.0-only
/* Up to 5.17 a bool says whether a redistributor has LPIs on. */
#include <linux/kvm_host.h>
#include <kvm/arm_vgic.h>
#include "probe.h"

PROBE_MEMBER(struct vgic_cpu, lpis_enabled, bool);
