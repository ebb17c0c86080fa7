// SPDX-License-Identifier: GPL-2.0-only
// Breaks: what the guest changes is looked at as often as it changes it
// Hazard: H29
// Kernel: 7.3
// Lab: --no-load --icount --smp 2
// Red: neighbours -v its_off_and_on
// Why-red: tap
// Says: too much of the CPU

@@
expression now, took;
@@
 changes_are_done(...)
 {
 <...
-now + (CHANGE_PART - 1) * took
+now
 ...>
 }
