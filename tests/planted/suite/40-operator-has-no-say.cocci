// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the operator can't say on which CPUs the work queue runs, and how nice it is
// Hazard: P5
// Kernel: 7.3
// Red: starve
// Why-red: tap

@@
@@
 vm_init(...)
 {
 <...
-WQ_UNBOUND | WQ_SYSFS
+WQ_UNBOUND
 ...>
 }
