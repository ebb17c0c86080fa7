// SPDX-License-Identifier: GPL-2.0-only
// Breaks: all slots that need nothing are passed in one call, with interrupts off

@@
@@
 next_slot(...)
 {
 <...
-step->todo = VB_MORE;
+return next_slot(vm, now_ms, step);
 ...>
 }
