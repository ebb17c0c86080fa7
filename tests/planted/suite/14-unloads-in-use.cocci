// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a VM that has clients holds no reference to the module
// Hazard: H17
// Kernel: 6.1
// Red: unload -t is_refused_while_attached
// Lab: --timeout 150
// Why-red: log
// Says: Unable to handle kernel
// Places: 4

@@
@@
 vm_new(...)
 {
 ...
-if (!try_module_get(THIS_MODULE))
-	return NULL;
 <...
-module_put(THIS_MODULE);
 ...>
 }

@@
@@
 vm_put(...)
 {
 <...
-module_put(THIS_MODULE);
 ...>
 }

@@
@@
 vm_find_or_new(...)
 {
 <...
-module_put(THIS_MODULE);
 ...>
 }
