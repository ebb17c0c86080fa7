// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a client is granted the host IRQ that has its number now
// Hazard: H48
// Kernel: 6.1
// Red: freed_first -r number.is_used_again_while_it_waits
// Lab: --helpers
// Why-red: tap
// Says: not HOST

@@
@@
 shim_is_its_irq(...)
 {
 <...
-same = data && irq_data_to_desc(data) == READ_ONCE(proxy_of(client)->desc);
+same = data;
 ...>
 }
