// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a signal looks at its slot without rcu_read_lock()
// Hazard: PROVE_RCU
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: sharing
// Why-red: log
// Says: suspicious RCU usage
// Places: 2

@@
@@
 broker_signal(...)
 {
 ...
-rcu_read_lock();
 ...
-rcu_read_unlock();
 ...
 }
