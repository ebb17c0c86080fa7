// SPDX-License-Identifier: GPL-2.0-only
// Breaks: memory is asked for under the book's raw lock
// Hazard: DEBUG_ATOMIC_SLEEP
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: sharing
// Why-red: log
// Says: sleeping function called from invalid context

@@
@@
 broker_add_client(...)
 {
 <...
 raw_spin_lock_irqsave(&vm->lock, flags);
+kfree(kmalloc(64, GFP_KERNEL));
 ...>
 }
