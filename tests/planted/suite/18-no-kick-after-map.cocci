// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the arbiter is not run when the guest has mapped an event or enabled its LPIs
// Hazard: H27
// Kernel: 7.3
// Red: discard -r discard.is_obeyed_and_undone
// Why-red: tap

@@
identifier callbacks;
@@
 vm_changed(...)
 {
-if (callbacks->vm_changed(kvm))
-	callbacks->kick();
 }
