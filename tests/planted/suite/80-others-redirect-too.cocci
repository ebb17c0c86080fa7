// SPDX-License-Identifier: GPL-2.0-only
// Breaks: ftrace is not told that the hooks change the program counter, and lets others do that, too
// Hazard: H32
// Kernel: 7.3
// Red: rivals -t come_after_the_module
// Lab: --helpers
// Why-red: tap
// Says: self->hooked.nr

@@
@@
 hook_install(...)
 {
 <...
-FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT
+FTRACE_OPS_FL_PERMANENT
 ...>
 }
