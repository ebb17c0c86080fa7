// SPDX-License-Identifier: GPL-2.0-only
// Breaks: events that do not reach their reader are lost to it
// Hazard: P6
// Kernel: 7.3
// Red: read_events -r events.bad_pointers_lose_nothing
// Why-red: tap
// Says: ^not ok .* events\.bad_pointers_lose_nothing
// Places: 2

@@
expression E;
@@
 copy_events(...)
 {
 <...
+WRITE_ONCE(reader->next, batch[i].seq + 1);
 if (copy_to_iter(...) != E)
 	return ...;
-WRITE_ONCE(reader->next, batch[i].seq + 1);
 ...>
 }
