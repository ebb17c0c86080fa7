// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a reader that waits for an event is not woken by it
// Hazard: P6
// Kernel: 7.3
// Red: read_events -r events.wakes_who_waits
// Why-red: tap
// Says: a read has been woken

@@
@@
 record(...)
 {
 <...
-if (wq_has_sleeper(&readers))
-	irq_work_queue(&wake);
 ...>
 }
