// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the client that comes last is first in the queue

@@
@@
 slot_join(...)
 {
 <...
-list_add_tail(&client->queue, &slot->queue);
+list_add(&client->queue, &slot->queue);
 ...>
 }
