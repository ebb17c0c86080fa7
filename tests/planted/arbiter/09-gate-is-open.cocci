// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a host IRQ that is not granted may be mapped at any time

@@
@@
 broker_gate(...)
 {
 <...
-found || vm->live
+false
 ...>
 }
