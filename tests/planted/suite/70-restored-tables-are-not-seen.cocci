// SPDX-License-Identifier: GPL-2.0-only
// Breaks: nobody looks when the VMM has restored the tables of an ITS that is on
// Hazard: H43
// Kernel: 7.3
// Red: saved -r saved.tables_last.what_is_restored_is_direct
// Why-red: tap
// Says: not in its place by itself

@@
@@
 restore_tables(...)
 {
 <...
-vm_changed(its->dev->kvm);
 ...>
 }
