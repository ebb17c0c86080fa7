// SPDX-License-Identifier: GPL-2.0-only
// Breaks: an irqfd that had no memory for a proxy never has one
// Hazard: H50
// Kernel: 7.3
// Red: nomem_cgroup -t is_reached
// Lab: --no-load
// Why-red: tap
// Says: not in its place by itself

@@
@@
 register_kvm_consumer(...)
 {
 <...
-vm_take_over(prepared->vm);
 ...>
 }
