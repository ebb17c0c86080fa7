// SPDX-License-Identifier: GPL-2.0-only
// Breaks: what is unmapped past the watch stays mapped in the book
// Hazard: H41
// Kernel: 7.3
// Red: bypassed -r bypassed.watch
// Lab: --helpers
// Why-red: tap
// Says: the log does not say that its_unmap_vlpi\(\) is bypassed

@@
@@
 unmap_rest(...)
 {
 ...
-if (!READ_ONCE(client->mapped))
 	return;
-if (was_forwarded)
-	say_bypassed(...);
-broker_unmap_begin(...);
-broker_unmap_end(...);
 }
