// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the mapping of a producer that goes is not taken back while its irqfd stays
// Hazard: H12
// Kernel: 6.1
// Red: teardown -t of_the_holder
// Why-red: tap

@@
statement S1, S2;
@@
 proxy_del_producer(...)
 {
 <...
-if (mapped)
+if (mapped && shim_is_leaving(client))
 	S1
 else S2
 ...>
 }
