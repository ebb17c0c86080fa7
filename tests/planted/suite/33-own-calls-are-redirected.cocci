// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a call of a replacement to the function that it replaces is redirected to itself
// Hazard: H17
// Kernel: 7.3
// Red: sharing -r three.leave_231.leave
// Lab: --oops-panic --timeout 150
// Why-red: log
// Says: kernel stack overflow

@@
@@
 hook_redirect(...)
 {
 <...
-take_own_call(entry)
+(set->nr == 1 && take_own_call(entry))
 ...>
 }
