// SPDX-License-Identifier: GPL-2.0
/* Later it returns nothing, and warns if the irqchip says no. */
#include <linux/kvm_host.h>
#include <linux/irqchip/arm-gic-v4.h>

void (*unmap)(int irq) = its_unmap_vlpi;
