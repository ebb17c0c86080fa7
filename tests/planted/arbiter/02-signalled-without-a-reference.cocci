// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a client that was signalled is booked without a reference to it

@@
@@
 broker_inject(...)
 {
 <...
-get_client(client);
 ...>
 }
