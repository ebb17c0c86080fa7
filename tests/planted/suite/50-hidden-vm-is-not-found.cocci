// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a VM whose files no process shows at the load counts as gone
// Hazard: H52
// Kernel: 7.3
// Red: hidden_vm -t turns_up
// Lab: --no-load
// Why-red: tap
// Says: the broker does not know the hidden VM

@@
@@
 get_vms(...)
 {
 <...
-!list_open_vms(list) && !list_hidden_vms(list)
+!list_open_vms(list)
 ...>
 }
