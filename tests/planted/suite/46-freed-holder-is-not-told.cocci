// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a host IRQ that its driver has freed first stays in the book, and the slot with it
// Hazard: H30
// Kernel: 6.12
// Red: freed_first
// Lab: --helpers
// Why-red: tap
// Says: no source holds the vLPI

@@
@@
 watch(...)
 {
 <...
-behind = broker_unmap_begin(host_irq, current, &client);
+client = NULL;
+behind = mapped && broker_unmap_begin(host_irq, current, &client);
 ...>
 }
