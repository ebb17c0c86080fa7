// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a mark of KVM's that was stale before the load stays
// Hazard: H34
// Kernel: 6.12
// Red: take_over -r late.corrects_stale_marks
// Why-red: tap
// Says: not in its place by itself

@@
@@
 correct_stale_mark(...)
 {
 <...
-irq->hw && !shim_is_forwarded_to(host_irq, &map) && unmark(irq, host_irq)
+!irq && unmark(irq, host_irq)
 ...>
 }
