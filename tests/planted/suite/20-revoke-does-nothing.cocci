// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a mapping is never taken back
// Hazard: H2
// Kernel: 7.3
// Red: sharing -r three.leave_231.leave
// Why-red: tap

@@
@@
 shim_revoke(...)
 {
 <...
-ret = revoke_by_host_irq(client, host_irq);
+ret = 0 * (long)revoke_by_host_irq;
 ...>
 }
