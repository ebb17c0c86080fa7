// SPDX-License-Identifier: GPL-2.0-only
// Breaks: KVM_IRQFD and KVM_SET_GSI_ROUTING wait for their VM to be settled for as long as that takes
// Hazard: H28
// Kernel: 7.3
// Lab: --with fuse
// Red: stuck -t gets_its_faults
// Why-red: tap

@@
expression cond;
@@
 vm_wait_settled(...)
 {
 <...
-wait_event_killable_timeout(vm->settled, cond, msecs_to_jiffies(WAIT_MS));
+wait_event_killable(vm->settled, cond);
 ...>
 }
