// SPDX-License-Identifier: GPL-2.0-only
// Breaks: KVM's own del runs for irqfds that were assigned before the module was loaded
// Hazard: H25
// Kernel: 6.1
// Red: take_over -t shares_with_early
// Why-red: log
// Says: kvm_vgic_v4_unset_forwarding
// Places: 2

@@
statement S;
@@
 del_producer(...)
 {
-struct kvm_kernel_irqfd *irqfd = ...;
 ...
-if (shim_unmap_for_kvm(...) & SHIM_REPAIRED)
-	S
+hook_real(real.del_producer, (*real.del_producer)(cons, prod));
 ...
 }
