// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a slot is allocated without room for its last fields
// Hazard: KASAN
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: sharing
// Why-red: log
// Says: KASAN: slab-out-of-bounds

@@
@@
 broker_memory_init(...)
 {
 <...
-sizeof(struct vb_slot)
+offsetof(struct vb_slot, vintid)
 ...>
 }
