// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a client that was turned down because of another mapping is not tried again when that has gone
// Hazard: H26
// Kernel: 7.3
// Red: unmappable -r unmappable.until_the_other_event_leaves
// Lab: --igb --helpers
// Why-red: tap
// Says: can be mapped now

@@
@@
 release(...)
 {
 ...
-if (!key)
+if (key || !key)
 	return;
 ...
 }
