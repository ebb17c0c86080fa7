// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a producer leaves while the irqchip is about to map its host IRQ
// Hazard: H45
// Kernel: 7.3
// Red: in_flight -r in_flight.producer.past_the_gate
// Lab: --helpers
// Why-red: tap
// Says: it is over, or waits
// Places: 3

@@
@@
 revoke_by_host_irq(...)
 {
 <...
-shim_wait_until_free(client);
 ...
-pass_irq_lock(kvm, client->mapped_vintid);
+pass_irq_lock(kvm, 0);
 ...>
 }

@@
@@
 shim_revoke(...)
 {
 <...
-shim_wait_until_free(client);
 ...>
 }
