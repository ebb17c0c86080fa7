// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a signal that was taken is dropped where the route leads to a pin when the thread comes to it
// Hazard: H4
// Kernel: 7.3
// Red: routes -r route.of_a_waiter.at_once_after_an_edge
// Why-red: tap
// Says: edges lost

@@
statement S;
@@
 shim_raise(...)
 {
 <...
 if (route.type == KVM_IRQ_ROUTING_MSI)
 	S
-else
-	proxy->irqfd->inject.func(&proxy->irqfd->inject);
 ...>
 }
