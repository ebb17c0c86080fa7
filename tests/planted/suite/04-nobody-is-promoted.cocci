// SPDX-License-Identifier: GPL-2.0-only
// Breaks: where the holder has left, nobody is granted its slot
// Hazard: H3
// Kernel: 6.1
// Red: sharing -t needs_no_interrupt
// Why-red: tap
// Says: [1-9] producers, 0 holders

@@
@@
 next_for_slot(...)
 {
 <...
-first_in_queue(slot)
+(slot->lost ? NULL : first_in_queue(slot))
 ...>
 }
