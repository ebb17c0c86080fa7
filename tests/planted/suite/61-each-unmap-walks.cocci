// SPDX-License-Identifier: GPL-2.0-only
// Breaks: each unmap of KVM's has all clients of the VM looked at, rationed by nothing
// Hazard: H29
// Kernel: 7.3
// Lab: --no-load --icount --smp 2
// Red: neighbours -v discards
// Why-red: tap
// Says: free: too much of the CPU

@@
identifier vm;
@@
 broker_unmap_begin(...)
 {
 ...
 struct vb_vm *vm;
 <...
-atomic_set(&vm->changed, 1);
+WRITE_ONCE(vm->walk, VB_WALK_ALL);
+vm->walk_next = rb_entry_safe(rb_first(&vm->clients), struct vb_client, of_vm);
 ...>
 }
