// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the gate lets a foreign mapping through to a vLPI that an irqfd holds
// Hazard: H33
// Kernel: 6.1
// Red: foreign -r foreign.irqfds_keep_what_they_have
// Lab: --helpers
// Why-red: its
// Says: VIOLATION
// Places: 2

@@
statement S;
@@
 gate_foreign(...)
 {
 <...
-if (slot && (slot->holder || slot->mapped || slot->nr_leaving || slot->foreign))
-	S
 ...>
 }

@@
@@
 has_one(...)
 {
 <...
-return host_irq && shim_is_forwarded_to(host_irq, map);
+return false;
 ...>
 }
