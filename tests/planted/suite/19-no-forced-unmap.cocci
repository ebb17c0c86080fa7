// SPDX-License-Identifier: GPL-2.0-only
// Breaks: what KVM leaves mapped at a revoke is left
// Hazard: H23
// Kernel: 6.1
// Red: discard -r discard.or_its_off_then_all_leave
// Why-red: tap

@@
@@
 slot_revoke(...)
 {
 <...
 shim_revoke(client);
-if (READ_ONCE(client->mapped))
-	shim_force_unmap(client);
-else
-	shim_was_unmapped(client);
 ...>
 }
