// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the gate lets a VM without vPEs through
// Hazard: H39
// Kernel: 7.3
// Red: double_map -r vpes.are_wanted
// Lab: --helpers
// Why-red: tap
// Says: without vPEs it is

@@
@@
 is_ready(...)
 {
 <...
-return its_vm->vpes && its_vm->nr_vpes && its_vm->vprop_page;
+return its_vm;
 ...>
 }
