// SPDX-License-Identifier: GPL-2.0-only
// Breaks: nobody looks whether a host IRQ was mapped past the gate
// Hazard: H41
// Kernel: 7.3
// Red: bypassed -r bypassed.gate
// Lab: --helpers
// Why-red: tap
// Says: Expected EPERM

@@
@@
 shim_grant(...)
 {
 <...
-if (shim_is_forwarded(host_irq) && !READ_ONCE(client->mapped)) { ... }
 ...>
 }
