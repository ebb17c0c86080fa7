// SPDX-License-Identifier: GPL-2.0-only
// Breaks: an irqfd that KVM has registered past the module is not taken over
// Hazard: H41
// Kernel: 7.3
// Red: bypassed -r bypassed.registration
// Lab: --helpers
// Why-red: tap
// Says: not in its place by itself: they come

@@
@@
 irqfd(...)
 {
 <...
-vm_take_over(vm);
 ...>
 }
