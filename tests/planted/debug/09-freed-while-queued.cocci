// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the record of a VM goes with its delayed work's timer pending
// Hazard: DEBUG_OBJECTS_FREE, DEBUG_OBJECTS_TIMERS
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: sharing
// Why-red: log
// Says: ODEBUG: free active

@@
@@
 vm_put(...)
 {
 <...
+queue_delayed_work(system_wq, &vm->later, 3600 * HZ);
 call_rcu(&vm->rcu, vm_free);
 ...>
 }
