// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the memory of an irqfd that has gone is never given back
// Hazard: H49
// Kernel: 7.3
// Red: come_and_go -t leave_nothing
// Lab: --icount
// Why-red: tap
// Says: no_more_than

@@
@@
 proxy_free_rcu(...)
 {
-kmem_cache_free(...);
 }
