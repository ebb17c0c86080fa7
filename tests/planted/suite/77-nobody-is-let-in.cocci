// SPDX-License-Identifier: GPL-2.0-only
// Breaks: an eventfd that another VM lets go of is nobody's
// Hazard: H38
// Kernel: 6.1
// Red: shared_eventfd -r handed_over.from_one_to_the_next
// Lab: --helpers
// Why-red: tap
// Says: not in its place by itself

@@
@@
 proxy_end(...)
 {
 <...
-if (free)
-	let_in(proxy->irqfd->eventfd);
 ...>
 }
