// SPDX-License-Identifier: GPL-2.0-only
// Breaks: every client of a slot is granted, and the gate lets a second host IRQ through to a vLPI that is taken
// Hazard: H1
// Kernel: 6.1
// Red: sharing -r six.one_gsi.one_is_direct_and_all_are_delivered
// Why-red: its
// Says: VIOLATION
// Places: 3

@@
statement S;
@@
 gate_grant(...)
 {
 <...
-if (slot->mapped)
-	S
 ...>
 }

@@
@@
 next_for_slot(...)
 {
 <...
-slot->nr_leaving || slot->mapped
+slot->nr_leaving
 ...>
 }

@@
@@
 granted(...)
 {
 <...
-set_holder(slot, client);
 ...>
 }
