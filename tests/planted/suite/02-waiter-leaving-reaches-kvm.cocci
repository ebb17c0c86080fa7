// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the leaving of a waiter is passed on to KVM, which takes it for the holder
// Hazard: H2
// Kernel: 6.1
// Red: sharing -r three.leave_231.leave
// Why-red: log
// Says: kvm_vgic_v4_unset_forwarding

@@
@@
 proxy_del_producer(...)
 {
 <...
+if (!mapped)
+	hook_real(proxy->irqfd->consumer.del_producer,
+		  proxy->irqfd->consumer.del_producer(&proxy->irqfd->consumer, prod));
 broker_del_end(client);
 ...>
 }
