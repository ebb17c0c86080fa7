// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a holder that KVM unmapped of itself keeps the slot

@@
@@
 slot_fill(...)
 {
 <...
-slot->holder && !READ_ONCE(slot->holder->mapped)
+slot->holder && !slot->holder->booked
 ...>
 }
