// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a proxy is handed to kfree_rcu() twice
// Hazard: DEBUG_OBJECTS_RCU_HEAD
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: sharing
// Why-red: log
// Says: ODEBUG: activate active|[Dd]ouble-freed|double-free

@@
@@
 proxy_free(...)
 {
 <...
+kfree_rcu(proxy, rcu);
 kfree_rcu(proxy, rcu);
 ...>
 }
