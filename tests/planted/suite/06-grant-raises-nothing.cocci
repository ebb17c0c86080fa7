// SPDX-License-Identifier: GPL-2.0-only
// Breaks: an edge that was pending when a slot was granted is not raised again
// Hazard: H8
// Kernel: 6.1
// Red: lossless -r pending.waiter_fires_and_holder_leaves.masked
// Why-red: tap
// Says: the edge that was pending is lost

@@
@@
 granted(...)
 {
 <...
-owe(client, OWES_GRANT);
 ...>
 }
