// SPDX-License-Identifier: GPL-2.0-only
// Breaks: KVM and the book are told that a host IRQ is unmapped at a revoke, and the irqchip is not
// Hazard: H11
// Kernel: 6.1
// Red: teardown -t while_all_fire
// Why-red: its
// Says: VIOLATION

@@
@@
 watch(...)
 {
 <...
-if (shim_is_forwarded(host_irq))
+if (behind && shim_is_forwarded(host_irq))
 	hook_real(real.unmap_vlpi, (*real.unmap_vlpi)(host_irq));
 ...>
 }
