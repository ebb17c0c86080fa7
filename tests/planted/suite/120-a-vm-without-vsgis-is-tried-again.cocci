// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a VM for which KVM maps nothing is not told from one that was refused
// Hazard: H39
// Kernel: 7.3
// Red: vsgis -r without.is_served_in_software_and_not_retried
// Lab: --gic 4.1 --vsgi
// Why-red: tap
// Says: grant_failures

@@
@@
 shim_check_grant(...)
 {
 <...
-if (!real.supports_direct_msis(kvm_of(client)))
-	return -EOPNOTSUPP;
 ...>
 }
