// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the wake-up leaves each signal to the work item, whatever the fallback
// Hazard: P7
// Kernel: 7.3
// Red: cost
// Lab: --no-load --icount
// Why-red: tap
// Says: waiter, running, inline: to the handler more than

@@
expression client;
@@
 take_signal(...)
 {
 <...
-if (raise_inline(client)) {
+if (false) {
 ...
 }
 ...>
 }
