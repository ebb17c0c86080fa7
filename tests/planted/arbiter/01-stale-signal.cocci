// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a signal is raised through the slot that its client stands at, wherever its route leads by now

@@
@@
 broker_raise(...)
 {
 <...
-slot && routes_are_known(client->vm)
+slot
 ...>
 }
