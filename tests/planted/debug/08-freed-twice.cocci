// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a proxy is handed to call_rcu() twice
// Hazard: DEBUG_OBJECTS_RCU_HEAD
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: sharing
// Why-red: log
// Says: ODEBUG: activate active|[Dd]ouble-freed|double-free

@@
@@
 client_free(...)
 {
 <...
+call_rcu(&proxy->rcu, proxy_free_rcu);
 call_rcu(&proxy->rcu, proxy_free_rcu);
 ...>
 }
