// SPDX-License-Identifier: GPL-2.0-only
// Breaks: an edge that was pending when the last one left the slot is not raised in software
// Hazard: H8
// Kernel: 6.1
// Red: lossless -r alone.fires_masked_and_leaves
// Why-red: tap
// Says: lost
// Places: 2

@@
@@
 next_for_slot(...)
 {
 <...
-if (slot->lost)
-	owe(slot->lost, OWES_GRANT);
 ...>
 }

@@
@@
 slot_leave(...)
 {
 <...
-if (slot->lost)
-	owe(slot->lost, OWES_GRANT);
 ...>
 }
