// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a waiter's producer is turned down, as KVM would: irqbypass forgets the pair, and the broker does not hear of its leaving
// Hazard: H12
// Kernel: 6.1
// Red: teardown -t of_the_holder
// Why-red: tap

@@
@@
 proxy_add_producer(...)
 {
 <...
-return 0;
+struct vlpi_broker_info info = {};
+
+broker_info(&info);
+return info.nr_held ? -EBUSY : 0;
 ...>
 }
