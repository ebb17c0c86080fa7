// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a producer leaves while the irqchip is about to unmap its host IRQ for KVM
// Hazard: H45
// Kernel: 7.3
// Red: in_flight -r in_flight.producer.while_the_guest_discards_it
// Lab: --helpers
// Why-red: tap
// Says: it has left while it was being unmapped

@@
@@
 proxy_del_producer(...)
 {
 <...
-shim_wait_until_free(client);
 ...>
 }
