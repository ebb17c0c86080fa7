// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a client whose producer leaves has the book forget that the holder of its slot is mapped, which is not unmapped when it leaves later
// Hazard: H2
// Kernel: 7.3
// Red: sharing -r three.leave_231.leave
// Why-red: tap

@@
@@
 broker_del_end(...)
 {
 <...
 unbook_irq(client);
+if (slot && slot->mapped)
+	slot->mapped->mapped = false;
 ...>
 }
