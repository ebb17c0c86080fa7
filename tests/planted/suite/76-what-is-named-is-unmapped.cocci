// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a producer that leaves is taken for the one that was mapped
// Hazard: H54
// Kernel: 6.1
// Red: shared_eventfd -r twice.by_a_producer_that_was_refused
// Lab: --helpers
// Why-red: tap
// Says: [1-9] producers, 0 holders

@@
@@
 proxy_del_producer(...)
 {
 <...
-u32 host_irq = client->host_irq;
+u32 host_irq = client->host_irq = prod->irq;
 ...>
 }
