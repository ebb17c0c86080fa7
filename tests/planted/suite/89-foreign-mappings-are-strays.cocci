// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the load takes what KVM has mapped for somebody else for a stray, and unmaps it
// Hazard: H33
// Kernel: 7.3
// Red: foreign -r foreign.lives_on
// Lab: --helpers
// Why-red: tap
// Says: a foreign interrupt is HOST, not DIRECT

@@
statement S;
@@
 cure(...)
 {
 <...
-if (shim_get_mark(kvm, map->vintid) == host_irq)
-	S
 ...>
 }
