// SPDX-License-Identifier: GPL-2.0-only
// Breaks: when the holder leaves, its slot is not filled again
// Hazard: H3
// Kernel: 6.1
// Red: sharing -t needs_no_interrupt
// Why-red: tap
// Says: [1-9] producers, 0 holders

@@
@@
 slot_leave(...)
 {
 <...
-slot_fill(slot, why);
 ...>
 }
