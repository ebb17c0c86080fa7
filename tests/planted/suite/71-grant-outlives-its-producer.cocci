// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the gate lets through a grant whose producer has left
// Hazard: H45
// Kernel: 7.3
// Red: in_flight -r in_flight.producer.before_the_gate
// Lab: --helpers
// Why-red: tap
// Says: it has left
// Places: 2

@@
@@
 broker_del_begin(...)
 {
 <...
-if (vm->granting == client)
-	vm->granting = NULL;
 ...>
 }

@@
@@
 broker_gate(...)
 {
 <...
-vm->granting && vm->settler == task && vm->granting->host_irq == host_irq
+vm->granting && vm->settler == task
 ...>
 }
