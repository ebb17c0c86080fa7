// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the VM is not settled when the guest has queued commands or switched something on
// Hazard: P3
// Kernel: 7.3
// Red: idle -t after_map_is_told_of
// Lab: --icount
// Why-red: tap
// Says: the slot was idle for more than

@@
@@
 vm_changed(...)
 {
 <...
-if (!atomic_xchg(&vm->book.changed, 1))
-	vm_kick(vm);
 ...>
 }
