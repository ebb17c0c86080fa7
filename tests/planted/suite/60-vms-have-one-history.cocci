// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a VM has no history of its own, so that another's changes drive its out
// Hazard: H51
// Kernel: 7.3
// Red: read_events -r events.others_are_kept
// Why-red: tap

@@
@@
 history_of(...)
 {
 <...
-return of;
+return &gone;
 ...>
 }
