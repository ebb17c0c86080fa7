// SPDX-License-Identifier: GPL-2.0-only
// Breaks: an edge that was pending when the last one left the slot is not raised in software
// Hazard: H8
// Kernel: 6.1
// Red: lossless -r alone.fires_masked_and_leaves
// Why-red: tap
// Says: lost

@@
statement S;
@@
 slot_leave(...)
 {
 <...
 if (slot->holder)
 	S
-else {
-	shim_raise_granted(client);
-}
 ...>
 }
