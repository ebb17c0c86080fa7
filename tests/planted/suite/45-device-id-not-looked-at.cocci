// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a route that has lost its DeviceID counts as the one it was
// Hazard: H40
// Kernel: 7.3
// Red: routes -r route.of_the_holder.without_device_id_and_back
// Why-red: tap
// Says: DIRECT, not one of

@@
@@
 shim_route_changed(...)
 {
 <...
-sizeof(route)
+offsetof(struct vb_route, flags)
 ...>
 }
