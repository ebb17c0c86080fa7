// SPDX-License-Identifier: GPL-2.0-only
// Breaks: memory is asked for under the ledger's raw lock
// Hazard: DEBUG_ATOMIC_SLEEP
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: sharing
// Why-red: log
// Says: sleeping function called from invalid context

@@
@@
 ledger_book(...)
 {
 <...
 raw_spin_lock_irqsave(&ledger, flags);
+kfree(kmalloc(64, GFP_KERNEL));
 ...>
 }
