// SPDX-License-Identifier: GPL-2.0-only
// Breaks: nobody looks when the guest has switched its ITS on
// Hazard: H7
// Kernel: 7.3
// Red: idle -r idle.after_the_its_is_switched_on
// Lab: --icount
// Why-red: tap
// Says: somebody holds the slot

@@
@@
 write_ctlr(...)
 {
 <...
-vm_changed(kvm);
 ...>
 }
