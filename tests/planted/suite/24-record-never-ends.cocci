// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the record of a VM stays when the VM has gone
// Hazard: H17
// Kernel: 6.1
// Red: VLPI_LOADS=4 loads
// Why-red: tap

@@
@@
 client_free(...)
 {
 <...
-vm_put(vm_of(client));
 ...>
 }
