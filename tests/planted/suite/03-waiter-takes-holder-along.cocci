// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a client that leaves a slot has the slot forget its holder, which is not revoked when it leaves later
// Hazard: H2
// Kernel: 7.3
// Red: sharing -r three.leave_231.leave
// Why-red: tap

@@
@@
 slot_leave(...)
 {
 <...
 if (held)
 	slot_revoke(slot, why);
+slot->holder = NULL;
 ...>
 }
