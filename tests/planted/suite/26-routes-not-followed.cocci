// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a changed route is not followed
// Hazard: H4
// Kernel: 7.3
// Red: routes -r route.of_a_waiter.at_once_before_an_edge
// Why-red: tap
// Says: its route leads to another vLPI

@@
@@
 set_irq_routing(...)
 {
 <...
-broker_changed(&vm->book, VB_WALK_ROUTES);
 ...>
 }
