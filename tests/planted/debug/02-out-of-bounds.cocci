// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a slot is allocated without room for its last field
// Hazard: KASAN
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: sharing
// Why-red: log
// Says: KASAN: slab-out-of-bounds

@@
@@
 broker_slot_new(...)
 {
 <...
-kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT)
+kzalloc(offsetof(struct vb_slot, raiser), GFP_KERNEL_ACCOUNT)
 ...>
 }
