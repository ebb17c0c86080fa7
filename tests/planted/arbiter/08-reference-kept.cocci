// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a client that leaves a slot keeps its reference

@@
@@
 slot_leave(...)
 {
 <...
-slot_put(slot);
 ...>
 }
