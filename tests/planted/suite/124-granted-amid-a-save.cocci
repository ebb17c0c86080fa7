// SPDX-License-Identifier: GPL-2.0-only
// Breaks: nobody waits until KVM has saved the pending tables, and host IRQs are mapped to vPEs that are not
// Hazard: H53
// Kernel: 7.3
// Red: saving -t hands_change
// Lab: --gic 4.1
// Why-red: its
// Says: which is not mapped

@@
@@
 save_pending(...)
 {
 <...
-if (vm)
-	vm_hold_off(vm);
 ...>
 }
