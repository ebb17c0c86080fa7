// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the client that comes last is first in the queue

@@
@@
 enqueue(...)
 {
 <...
-client->place < rb_entry(parent, struct vb_client, queue)->place
+client->place > rb_entry(parent, struct vb_client, queue)->place
 ...>
 }
