// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a holder that KVM unmapped of itself keeps the slot

@@
@@
 next_for_slot(...)
 {
 <...
-client && !client->mapped && !client->unmapping
+client && !client
 ...>
 }
