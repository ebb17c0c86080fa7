// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the end of an eventfd is not passed on to KVM
// Hazard: H14
// Kernel: 6.1
// Red: shared_eventfd -r twice.after_it_was_closed
// Lab: --igb --helpers
// Why-red: tap
// Says: the irqfd is shut down

@@
@@
 wake(...)
 {
 ...
+if (mask & EPOLLHUP)
+	return 0;
 smp_rmb();
 ...
 }
