// SPDX-License-Identifier: GPL-2.0-only
// Breaks: KVM's mark of a mapping that it took away unasked stays
// Hazard: H27
// Kernel: 6.1
// Red: discard -r discard.of_an_lpi_that_lives_on_makes_no_loop
// Why-red: tap

@@
@@
 correct_after(...)
 {
 <...
-shim_correct_kvm(...)
+false
 ...>
 }
