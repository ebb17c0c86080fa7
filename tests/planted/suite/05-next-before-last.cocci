// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a producer that leaves is forgotten before its host IRQ is unmapped, and the gate does not mind a second one
// Hazard: H3
// Kernel: 6.1
// Red: sharing -t needs_no_interrupt
// Why-red: its
// Says: VIOLATION
// Places: 4

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
 proxy_del_producer(...)
 {
 ...
+broker_del_end(client);
+usleep_range(100000, 200000);
 if (mapped) { ... } else if (...) { ... }
-broker_del_end(client);
 ...
 }
