// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the fallback takes the arbiter's mutex under a slot's
// Hazard: lockdep
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: sharing
// Why-red: log
// Says: possible circular locking dependency

@@
@@
 broker_lock_slot(...)
 {
 <...
-if (slot)
+if (slot) {
 	mutex_lock(&slot->lock);
+	mutex_lock(&arbiter);
+	mutex_unlock(&arbiter);
+}
 ...>
 }
