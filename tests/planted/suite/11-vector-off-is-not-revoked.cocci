// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the mapping of a producer that goes is not taken back while its irqfd stays
// Hazard: H12
// Kernel: 6.1
// Red: teardown -t of_the_holder
// Why-red: tap

@@
@@
 slot_leave(...)
 {
 <...
+if (held && !shim_is_leaving(client))
+	slot->holder = NULL;
+else
 if (held)
 	slot_revoke(slot, why);
 ...>
 }
