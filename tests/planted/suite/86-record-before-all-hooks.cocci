// SPDX-License-Identifier: GPL-2.0-only
// Breaks: irqfds that are assigned while the module is being loaded close the gate to themselves
// Hazard: H31
// Kernel: 7.3
// Red: load_amid -t loads_and_unloads
// Lab: --helpers --no-load --append VLPI_AMID_ROUNDS=3
// Why-red: tap
// Says: registration fails

@@
@@
 irqfd(...)
 {
 <...
-!(args->flags & KVM_IRQFD_FLAG_DEASSIGN) && bypass_is_hooked()
+!(args->flags & KVM_IRQFD_FLAG_DEASSIGN)
 ...>
 }
