// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a slot that is owed nothing any more keeps its reference to the client that held it

@@
@@
 lost_is_settled(...)
 {
 <...
-broker_put_client(client);
 ...>
 }
