// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a slot is known by its vINTID alone
// Hazard: H13
// Kernel: 6.1
// Red: two_vms -t each_gets_its_own
// Why-red: tap

@@
statement S;
@@
 slot_compare(...)
 {
 ...
-if (slot->vm->id != vm->id)
-	S
 ...
 }
