// SPDX-License-Identifier: GPL-2.0-only
// Breaks: an irqfd is taken over while KVM is still about to register it
// Hazard: H31
// Kernel: 7.3
// Red: load_amid -r amid.an_assign.is_loaded
// Lab: --helpers --no-load
// Why-red: tap
// Says: registration fails

@@
@@
 take_irqfds(...)
 {
 <...
-synchronize_srcu(...);
 ...>
 }
