// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the record of a VM is not freed
// Hazard: kmemleak
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: sharing
// Why-red: log
// Says: kmemleak: unreferenced object

@@
@@
 vm_free(...)
 {
 ...
-kfree(...);
 }
