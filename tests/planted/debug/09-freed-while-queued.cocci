// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the module goes with its delayed work's timer pending
// Hazard: DEBUG_OBJECTS_FREE, DEBUG_OBJECTS_TIMERS
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: sharing
// Why-red: log
// Says: ODEBUG: free active

@@
@@
 bypass_finish(...)
 {
 <...
 cancel_delayed_work_sync(&kick);
+queue_delayed_work(system_wq, &kick, 3600 * HZ);
 ...>
 }
