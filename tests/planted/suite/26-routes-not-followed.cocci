// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the arbiter does not follow a changed route
// Hazard: H4
// Kernel: 7.3
// Red: routes -r route.of_a_waiter.at_once_before_an_edge
// Why-red: tap
// Says: its route leads to another vLPI

@@
identifier callbacks;
@@
 routing_update(...)
 {
 <...
-callbacks->routes_changed(kvm);
 ...>
 }
