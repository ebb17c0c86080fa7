// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the next one is granted before the mapping of the holder is taken back, and the gate does not mind
// Hazard: H3
// Kernel: 6.1
// Red: sharing -t needs_no_interrupt
// Why-red: its
// Says: VIOLATION
// Places: 4

@@
@@
 broker_gate(...)
 {
 <...
-!client->granting || slot->mapped
+!client->granting
 ...>
 }

@@
@@
 slot_leave(...)
 {
 <...
 if (held)
-	slot_revoke(slot, why);
+	slot->holder = NULL;
 ...
 if (held) {
+	struct vb_client *next;
+
 	slot_fill(slot, why);
+	next = slot->holder;
+	slot->holder = client;
+	slot_revoke(slot, why);
+	slot->holder = next;
 	...
 }
 ...>
 }
