// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the fallback thread runs at a real-time priority, which no cgroup's weight or quota bounds
// Hazard: P5
// Kernel: 7.3
// Red: starve
// Why-red: tap
// Says: SLACK \(20\) >= storm\.thread

@@
@@
 fallback_prepare(...)
 {
 <...
-set_user_nice(worker->task, READ_ONCE(fallback_nice));
+sched_set_fifo(worker->task);
 ...>
 }
