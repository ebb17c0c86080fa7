// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a GICv4.1 is taken for a GICv4.0, and what is forwarded to a dead VM stays
// Hazard: H39
// Kernel: 6.1
// Red: dead_strays
// Lab: --gic 4.1
// Why-red: its
// Says: LEFT

@@
@@
 ask_of_a_vm(...)
 {
 <...
-gicv4_1 = real.supports_direct_msis(kvm);
 ...>
 }
