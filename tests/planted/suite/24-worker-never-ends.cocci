// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the fallback thread of a VM stays when the VM has gone
// Hazard: H17
// Kernel: 6.1
// Red: VLPI_LOADS=4 loads
// Why-red: tap

@@
@@
 proxy_end(...)
 {
 <...
 if (vm)
-	fallback_end(vm);
+	;
 ...>
 }
