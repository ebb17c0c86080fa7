// SPDX-License-Identifier: GPL-2.0-only
// Breaks: what an irqfd makes the broker allocate is charged to nobody
// Hazard: H44
// Kernel: 7.3
// Red: charged
// Lab: --no-load
// Why-red: tap
// Says: Expected UNCHARGED

@@
@@
 proxy_new(...)
 {
 <...
-GFP_KERNEL_ACCOUNT
+GFP_KERNEL
 ...>
 }
