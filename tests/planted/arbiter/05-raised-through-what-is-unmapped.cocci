// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a slot whose holder was unmapped while it was granted is raised through it

@@
@@
 granted(...)
 {
 <...
-if (client->mapped)
 	start_raising(slot, client);
-else
-	see_to(slot);
 ...>
 }
