// SPDX-License-Identifier: GPL-2.0-only
// Breaks: an interrupt is told by its descriptor's address, which another one may have got by now
// Hazard: H48
// Kernel: 7.3
// Red: in_flight -r given_away.number_is_used_again
// Lab: --helpers
// Why-red: tap
// Says: first owner is turned down
// Places: 2

@@
@@
 shim_note_producer(...)
 {
 <...
-if (proxy->desc)
-	kobject_get(&proxy->desc->kobj);
 ...>
 }

@@
@@
 shim_forget_producer(...)
 {
 <...
-if (proxy->desc)
-	kobject_put(&proxy->desc->kobj);
 ...>
 }
