// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the thread locks a slot that nothing keeps from being freed
// Places: 2

@@
@@
 broker_lock_slot(...)
 {
 <...
-if (slot && !refcount_inc_not_zero(&slot->refs))
-	slot = NULL;
 ...>
 }

@@
@@
 broker_unlock_slot(...)
 {
 <...
-slot_put(slot);
 ...>
 }
