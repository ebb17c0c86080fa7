// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a mapping is never taken back
// Hazard: H2
// Kernel: 7.3
// Red: sharing -r three.leave_231.leave
// Why-red: tap

@@
@@
 slot_revoke(...)
 {
 <...
-shim_revoke(client);
-if (READ_ONCE(client->mapped))
-	shim_force_unmap(client);
-else
-	shim_was_unmapped(client);
 ...>
 }
