// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a slot whose holder was unmapped while it was granted is raised through it

@@
@@
 slot_set_served(...)
 {
 <...
-held = slot->holder && slot->holder->mapped;
+held = slot->holder;
 ...>
 }
