// SPDX-License-Identifier: GPL-2.0-only
/* Up to 6.16 its_unmap_vlpi() returns the irqchip's answer. */
#include <linux/kvm_host.h>
#include <linux/irqchip/arm-gic-v4.h>
#include "probe.h"

PROBE(its_unmap_vlpi, int (int));
