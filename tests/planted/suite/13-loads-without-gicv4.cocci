// SPDX-License-Identifier: GPL-2.0-only
// Breaks: whether KVM injects directly at all is not asked
// Hazard: H16
// Kernel: 6.1
// Red: refuse -t is_not_loaded
// Lab: --no-load --no-gicv4
// Why-red: tap
// Says: is_not_loaded

@@
@@
 shim_init(...)
 {
 <...
-return ret ?: check_gicv4();
+(void)check_gicv4;
+return ret;
 ...>
 }
