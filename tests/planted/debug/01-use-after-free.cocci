// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a proxy is freed at once, and written to after that
// Hazard: KASAN
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: sharing
// Why-red: log
// Says: KASAN: (slab-)?use-after-free
// Places: 2

@@
@@
 client_free(...)
 {
 <...
-call_rcu(&proxy->rcu, proxy_free_rcu);
+(void)proxy_free_rcu;
+kfree(proxy);
 ...>
 }

@@
@@
 proxy_end(...)
 {
 <...
 broker_slot_free(broker_remove_client(&proxy->client));
+WRITE_ONCE(proxy->registered, false);
 ...>
 }
