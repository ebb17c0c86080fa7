// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the gate refuses to map again what is mapped, so a vLPI stays on its first vPE
// Hazard: H10
// Kernel: 7.3
// Red: moved -r moved.by_movi_one.all_follow
// Why-red: tap
// Says: on vCPU 1

@@
expression elsewhere;
statement S1, S2, S3, S4;
@@
 broker_gate(...)
 {
 <...
 if (!client)
 	S1
 else if (!slot)
 	S2
 else if (elsewhere)
 	S3
 else if (!client->mapped)
 	S4
+else {
+	ret = -EBUSY;
+}
 ...>
 }
