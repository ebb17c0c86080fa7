// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a reader gets the same events each time
// Hazard: P6
// Kernel: 7.3
// Red: read_events -r events.positions
// Why-red: tap
// Says: ^not ok .* events\.positions

@@
@@
 copy_events(...)
 {
 <...
-WRITE_ONCE(reader->next, batch[i].seq + 1);
 ...>
 }
