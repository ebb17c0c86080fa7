// SPDX-License-Identifier: GPL-2.0-only
// Breaks: another device's interrupt of the same number and vector is taken for the client's
// Hazard: H48
// Kernel: 7.3
// Red: in_flight -r given_away.number_is_used_again
// Lab: --helpers
// Why-red: tap
// Says: first owner is turned down

@@
@@
 shim_is_its_irq(...)
 {
 <...
-same = data && data == proxy->irq_data && data->domain == proxy->domain && data->hwirq == proxy->hwirq;
+same = data && data->hwirq == proxy->hwirq;
 ...>
 }
