// SPDX-License-Identifier: GPL-2.0-only
// Breaks: what KVM would leave mapped at a revoke is left
// Hazard: H23
// Kernel: 6.1
// Red: discard -r discard.or_its_off_then_all_leave
// Why-red: tap

@@
@@
 revoke_by_route(...)
 {
 <...
+if (!ret)
 	unmap_rest(...);
 ...>
 }
