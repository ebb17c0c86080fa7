// SPDX-License-Identifier: GPL-2.0-only
// Breaks: every client of a slot is granted, and the gate lets a second host IRQ through to a vLPI that is taken
// Hazard: H1
// Kernel: 6.1
// Red: sharing -r six.one_gsi.one_is_direct_and_all_are_delivered
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
iterator name list_for_each_entry;
@@
 slot_fill(...)
 {
 ...
-if (slot->holder)
-	return;
 list_for_each_entry(client, &slot->queue, queue) {
-	if (!client->booked || shim_is_leaving(client))
+	if (!client->booked || client->mapped || shim_is_leaving(client))
 		continue;
 	...
-	if (!slot_try(slot, client, why))
-		break;
+	slot_try(slot, client, why);
 }
 ...
 }
