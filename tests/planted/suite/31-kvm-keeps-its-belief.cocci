// SPDX-License-Identifier: GPL-2.0-only
// Breaks: where KVM's unset does nothing, its belief in a mapping that the broker takes away stays
// Hazard: H22
// Kernel: 7.3
// Red: leaky -r leaky.each_leaves
// Lab: --helpers --igb
// Why-red: tap
// Says: STRAY

@@
statement S;
@@
 revoke_by_host_irq(...)
 {
 <...
-if (shim_correct_kvm(...))
-	S
 ...>
 }
