// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a slot is taken off its list twice
// Hazard: DEBUG_LIST
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: sharing
// Why-red: log
// Says: list_del corruption

@@
@@
 broker_remove_client(...)
 {
 <...
 list_del(&spare->work);
+list_del(&spare->work);
 ...>
 }
