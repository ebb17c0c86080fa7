// SPDX-License-Identifier: GPL-2.0
/* The same while it still returned int (6.16). */
#include <linux/kvm_host.h>
#include <kvm/arm_vgic.h>

int (*unset_int)(struct kvm *, int) = kvm_vgic_v4_unset_forwarding;
