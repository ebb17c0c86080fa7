// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the fallback thread does not join the cgroups of its VMM
// Hazard: P5
// Kernel: 7.3
// Red: starve
// Why-red: tap

@@
@@
 fallback_prepare(...)
 {
 <...
-join_cgroups(worker->task, vm->pid);
+(void)join_cgroups;
 ...>
 }
