// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a doorbell is known by the name that it has on GICv4.0, and the VM of no other is found by it
// Hazard: H39
// Kernel: 7.3
// Red: hidden_vm -t turns_up
// Lab: --gic 4.1
// Why-red: tap
// Says: does not know the hidden VM

@@
expression name;
@@
 is_doorbell(...)
 {
 <...
-(!strcmp(name, "GICv4-vpe") || !strcmp(name, "GICv4.1-vpe"))
+!strcmp(name, "GICv4-vpe")
 ...>
 }
