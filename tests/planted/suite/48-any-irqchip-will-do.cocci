// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the gate lets a host IRQ through that no ITS answers for
// Hazard: H35
// Kernel: 7.3
// Red: other_irqchip
// Lab: --helpers
// Why-red: tap
// Says: the SPI's client is

@@
@@
 gate(...)
 {
 <...
-!shim_is_answered_by_its(host_irq) || !is_ready(map->vm)
+!is_ready(map->vm)
 ...>
 }
