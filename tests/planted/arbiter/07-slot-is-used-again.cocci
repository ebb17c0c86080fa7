// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a wake-up raises through a slot that its client has left

@@
@@
 broker_raise(...)
 {
 <...
-rcu_access_pointer(client->slot) == slot
+true
 ...>
 }
