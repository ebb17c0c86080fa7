// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a wake-up takes the book's lock under a slot's raise lock
// Hazard: lockdep
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: sharing
// Why-red: log
// Says: possible circular locking dependency

@@
@@
 broker_raise(...)
 {
 <...
 raw_spin_lock_irqsave(&slot->raise_lock, flags);
+raw_spin_lock(&client->vm->lock);
+raw_spin_unlock(&client->vm->lock);
 ...>
 }
