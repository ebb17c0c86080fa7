// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a slot is freed while a signal may be looking at it

@@
@@
 broker_slot_free(...)
 {
 <...
-call_rcu(&slot->rcu, slot_free_rcu);
+slot_free_rcu(&slot->rcu);
 ...>
 }
