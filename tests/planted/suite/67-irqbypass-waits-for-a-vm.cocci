// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a producer that comes waits for its VM to be settled, with irqbypass's mutex held
// Hazard: H46
// Kernel: 7.3
// Lab: --with fuse
// Red: stuck -r stuck.assigns_with_producer.others_go_on
// Why-red: tap
// Says: not within .*assigns with a producer

@@
@@
 proxy_add_producer(...)
 {
 ...
-broker_add_producer(&proxy->client, prod->irq, shim_device(prod->irq));
+broker_add_producer(&proxy->client, prod->irq, shim_device(prod->irq));
+wait_event(vm_of(&proxy->client)->settled, READ_ONCE(vm_of(&proxy->client)->book.settled) >= READ_ONCE(vm_of(&proxy->client)->book.booked));
 ...
 }
