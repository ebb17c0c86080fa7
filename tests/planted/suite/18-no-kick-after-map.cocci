// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the arbiter is not run when the guest has mapped an event or enabled its LPIs
// Hazard: P3
// Kernel: 7.3
// Red: idle -t after_map_is_told_of
// Lab: --icount
// Why-red: tap
// Says: the slot was idle for more than

@@
identifier callbacks;
@@
 vm_changed(...)
 {
-if (callbacks->vm_changed(kvm))
-	callbacks->kick();
 }
