// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the arbiter does not come back to unsettled clients
// Hazard: H7
// Kernel: 7.3
// Red: idle -r idle.after_the_its_is_switched_on
// Lab: --icount
// Why-red: tap
// Says: somebody holds the slot
// Places: 2

@@
statement S;
@@
 come_back(...)
 {
-if (broker_is_unsettled())
-	S
+broker_is_unsettled();
 }

@@
@@
 kick_work(...)
 {
 <...
-failed || broker_is_unsettled()
+failed
 ...>
 }
