// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a proxy is freed before it leaves the table
// Hazard: KASAN
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: sharing
// Why-red: log
// Says: KASAN: (slab-)?use-after-free
// Places: 3

@@
@@
 proxy_free(...)
 {
 <...
-kfree_rcu(proxy, rcu);
+kfree(proxy);
 ...>
 }

@@
@@
 proxy_end(...)
 {
 <...
-proxy_erase(proxy);
 proxy_free(proxy);
+proxy_erase(proxy);
 ...>
 }
