// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a host IRQ that is unmapped stays aimed at a CPU that has gone offline
// Hazard: H20
// Kernel: 6.1
// Red: cpu_offline -r offline.then_each_leaves
// Lab: --igb --helpers
// Why-red: tap
// Says: LOST, not HOST

@@
@@
 shim_aim(...)
 {
 <...
-data && !is_forwarded(data)
+data && false
 ...>
 }
