// SPDX-License-Identifier: GPL-2.0-only
// Breaks: whether KVM injects directly is asked of an invented VM, which has no virtual SGIs, also where a variable says it
// Hazard: H39
// Kernel: 7.3
// Red: hidden_vm -t turns_up
// Lab: --gic 4.1 --vsgi --no-load
// Why-red: tap
// Says: broker_load

@@
@@
 look_at_host(...)
 {
 <...
-if (COMPAT_FINDS_VARIABLES) { ... }
 ...>
 }
