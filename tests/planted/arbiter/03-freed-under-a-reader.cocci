// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a slot is freed while a signal may be looking at it

@@
@@
 broker_slot_free(...)
 {
 <...
-kfree_rcu(slot, rcu);
+kfree(slot);
 ...>
 }
