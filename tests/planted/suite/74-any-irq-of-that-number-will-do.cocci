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
-same = data && data == proxy->irq_data && data->domain == proxy->domain && data->hwirq == proxy->hwirq;
+same = data;
 ...>
 }
