// SPDX-License-Identifier: GPL-2.0-only
// Breaks: there is no memory for a slot, and it is used

@@
@@
 place(...)
 {
 <...
-if (slot)
 	slot_join(slot, client);
-else
-	ret = -ENOMEM;
 ...>
 }
