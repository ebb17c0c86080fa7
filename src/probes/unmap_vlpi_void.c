// SPDX-License-Identifier: GPL-2.0-only
/* From 6.17 its_unmap_vlpi() returns nothing, and warns if the irqchip returns an error. */
#include <linux/kvm_host.h>
#include <linux/irqchip/arm-gic-v4.h>
#include "probe.h"

PROBE(its_unmap_vlpi, void (int));
