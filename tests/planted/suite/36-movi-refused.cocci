// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the gate refuses to map again what is mapped, so a vLPI stays on its first vPE
// Hazard: H10
// Kernel: 7.3
// Red: moved -r moved.by_movi_one.all_follow
// Why-red: tap
// Says: on vCPU 1

@@
expression E1;
statement S1, S2, S3;
@@
 broker_gate(...)
 {
 <...
 if (E1)
 	S1
-else if (ask == VB_ASK_MOVE)
+else if (false)
 	S2
 else
 	S3
 ...>
 }
