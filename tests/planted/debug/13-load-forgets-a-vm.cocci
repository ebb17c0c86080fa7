// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a load without memory for a moment goes on without the VMs that it has no record of
// Hazard: FAILSLAB
// Kernel: 7.3
// Lab: --flavour debug --helpers --timeout 7200
// Red: nomem -r nomem.module_is_loaded.once_at_each_allocation
// Why-red: tap
// Says: not in its place by itself: loaded, allocation

@@
@@
 wait_for_memory(...)
 {
 <...
-return !fatal_signal_pending(current);
+return false;
 ...>
 }
