// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a signal that was taken is dropped where the route leads to a pin when it is to be raised
// Hazard: H4
// Kernel: 7.3
// Red: routes -r route.of_a_waiter.at_once_after_an_edge
// Lab: --append vlpi_broker.fallback=thread
// Why-red: tap
// Says: edges lost

@@
@@
 shim_raise(...)
 {
 <...
-inject_by_kvm(client);
+(void)inject_by_kvm;
 ...>
 }
