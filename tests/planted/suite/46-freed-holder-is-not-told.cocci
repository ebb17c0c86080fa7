// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a host IRQ that its driver has freed first stays in the ledger, and the slot with it
// Hazard: H30
// Kernel: 6.12
// Red: freed_first
// Lab: --helpers
// Why-red: tap
// Says: no source holds the vLPI
// Places: 2

@@
@@
 watch(...)
 {
 ...
 if (!shim_is_forwarded(host_irq)) {
-	if (callbacks->unmapped(host_irq))
-		callbacks->kick();
 	...
 }
 ...
 }

@@
@@
 unmap_for_kvm(...)
 {
 <...
 if (shim_is_forwarded(host_irq))
 	unmap_vlpi(host_irq);
-else
-	callbacks->unmapped(host_irq);
 ...>
 }
