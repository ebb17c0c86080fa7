// SPDX-License-Identifier: GPL-2.0-only
// Breaks: how many wait behind a client is found by a walk to each of them

@@
@@
 nr_below(...)
 {
 <...
-rb_entry(node, struct vb_client, queue)->nr_queued
+1 + nr_below(node->rb_left) + nr_below(node->rb_right)
 ...>
 }
