// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a route leads through the ITS of the first one that was followed, whatever its address
// Hazard: H36
// Kernel: 7.3
// Red: two_itses -t it_moves_between_them
// Why-red: tap
// Says: by the second

@@
@@
 route_to_its(...)
 {
 struct kvm_msi msi = ...;
+static u32 first;
+
+if (!first)
+	first = msi.address_lo;
+msi.address_lo = first;
 ...
 }
