// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a call of the module's own is known by its return address, which a kretprobe changes
// Hazard: H32
// Kernel: 7.3
// Red: probed -r probed.kretprobe.while_loaded
// Lab: --helpers --oops-panic --timeout 150
// Why-red: log
// Says: kernel stack overflow

@@
@@
 hook_redirect(...)
 {
 <...
-take_own_call(entry)
+within_module(parent_ip, THIS_MODULE)
 ...>
 }
