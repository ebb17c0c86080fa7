// SPDX-License-Identifier: GPL-2.0-only
// Breaks: kernel.ftrace_enabled takes the hooks away
// Hazard: H32
// Kernel: 6.1
// Red: rivals -t ftrace_is_off
// Lab: --helpers
// Why-red: tap
// Says: ftrace can be switched off below the module

@@
@@
 hook_install(...)
 {
 <...
-FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT
+FTRACE_OPS_FL_IPMODIFY
 ...>
 }
