// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the table of VMs is walked without rcu_read_lock()
// Hazard: PROVE_RCU_LIST
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: sharing
// Why-red: log
// Says: RCU-list traversed in non-reader section
// Places: 2

@@
@@
 vm_find(...)
 {
 ...
-rcu_read_lock();
 ...
-rcu_read_unlock();
 ...
 }
